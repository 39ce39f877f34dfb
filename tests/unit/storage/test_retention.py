"""What leaves the store by size: whole days, the oldest first, out of every table that has them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.receiver import ExportTraceServiceRequest

from tracecollect.ports import Batch, Telemetry
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.wire.decode import decode

DAY = 86_400 * 10**9
NOON = 20_400 * DAY + DAY // 2


@pytest.fixture
def store(tmp_path: Path) -> Iterator[ClickHouseStore]:
    found = ClickHouseStore(f"chdb://{tmp_path}/store", retention=10 * 365 * 86_400)
    for day in range(3):
        request = ExportTraceServiceRequest()
        spans = request.resource_spans.add().scope_spans.add().spans
        for number in range(1, 400):
            begin = NOON + day * DAY + number
            spans.add(
                trace_id=bytes([day + 1]) * 16,
                span_id=number.to_bytes(8, "big"),
                name=f"n{number * 7919}",
                start_time_unix_nano=begin,
                end_time_unix_nano=begin + 5,
            )
        table = decode(Telemetry.TRACES, [request.SerializeToString()], [NOON])["otel_traces"]
        found.write(Batch(f"day-{day}", {"otel_traces": table}))
    yield found
    found.close()


def spans(store: ClickHouseStore) -> list[int]:
    return [len(store.spans((bytes([day + 1]) * 16).hex())) for day in range(3)]


def test_the_oldest_days_go_first_and_the_newest_stays(store: ClickHouseStore) -> None:
    usage = {one.table: one for one in store.usage()}
    assert usage["otel_traces"].rows == 3 * 399
    assert usage["otel_traces"].first_day < usage["otel_traces"].last_day
    size = sum(one.bytes for one in usage.values() if one.first_day)
    assert store.keep_within(size) == []
    (dropped,) = store.keep_within(size - 1)
    assert dropped == usage["otel_traces"].first_day
    assert spans(store) == [0, 399, 399]
    assert len(store.keep_within(1)) == 1
    assert store.keep_within(1) == []
    assert spans(store) == [0, 0, 399]
    assert {one.first_day for one in store.usage() if one.first_day} == {usage["otel_traces"].last_day}
