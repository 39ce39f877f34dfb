"""A batch whose insert was cut off by kill -9 is stored when it comes again."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from contract.receiver import trace_request

from tracecollect.ports import Batch, Telemetry
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.settle import settle
from tracecollect.wire.decode import decode

TRACE = (b"t" * 16).hex()
# A span without a start has the time of its arrival; this one is beyond every retention.
ARRIVED = 2_000_000_000_000_000_000


def batch(number: int) -> Batch:
    body = trace_request((b"t" * 16, bytes([number]) * 8, "x"))
    return Batch(f"epoch:{number}", {"otel_traces": decode(Telemetry.TRACES, [body], [ARRIVED])["otel_traces"]})


def stored(directory: Path, *batches: Batch) -> list[str]:
    store = ClickHouseStore(f"chdb://{directory}")
    try:
        for one in batches:
            store.write(one)
        return sorted(span.span_id for span in store.spans(TRACE))
    finally:
        store.close()


def lose_newest_parts(directory: Path) -> int:
    """As if the process had been killed between the token and the part, in the table and in its views."""
    # The engine takes this file away when it is closed in order.
    (directory / "status").touch()
    lost = 0
    for log in directory.glob("store/*/*/deduplication_logs/*.txt"):
        lines = log.read_text().splitlines()
        part = log.parents[1] / lines[-1].split("\t")[1] if lines else None
        if part is not None and part.is_dir():
            shutil.rmtree(part)
            lost += 1
    return lost


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "store"


def test_a_token_without_its_rows_is_forgotten_and_the_batch_is_stored(directory: Path) -> None:
    first = "01" * 8
    assert stored(directory, batch(1)) == [first]
    assert lose_newest_parts(directory)
    assert stored(directory, batch(1)) == [first]


def test_a_batch_whose_rows_are_there_stays_once(directory: Path) -> None:
    both = ["01" * 8, "02" * 8]
    assert stored(directory, batch(1), batch(2)) == both
    (directory / "status").touch()
    assert settle(directory) == 0
    assert stored(directory, batch(1), batch(2)) == both


def test_a_store_that_is_open_elsewhere_is_left_alone(directory: Path) -> None:
    stored(directory, batch(1))
    code = (
        "import sys; from tracecollect.storage.clickhouse import ClickHouseStore\n"
        f"s = ClickHouseStore('chdb://{directory}'); print('open', flush=True); sys.stdin.read(); s.close()"
    )
    other = subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert other.stdout is not None
        assert other.stdout.readline() == "open\n"
        assert lose_newest_parts(directory)
        assert settle(directory) == 0
    finally:
        other.communicate(timeout=30)
