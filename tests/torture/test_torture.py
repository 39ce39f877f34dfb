"""What takes minutes: many kills, stores that hang or refuse, clocks that jump, traces of a million spans."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from contract.receiver import trace_request
from killing import EVERY, run_and_kill, stored

from tracecollect.errors import Busy, StoreError, StoreFull
from tracecollect.journal import JournalReader, JournalWriter
from tracecollect.journal import writer as journal_writer
from tracecollect.pipeline import Pipeline
from tracecollect.ports import Batch, Telemetry
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.wire.check import check

pytestmark = [pytest.mark.torture, pytest.mark.timeout(3600)]
KILLS = int(os.environ.get("TRACECOLLECT_TORTURE_KILLS", "200"))
TRACE = b"t" * 16


def body(first: int, spans: int, trace: bytes = TRACE) -> bytes:
    return trace_request(*((trace, (first + n).to_bytes(8, "big"), "x") for n in range(spans)))


class Flaky:
    """A real store behind something that hangs, refuses or is full, as told."""

    def __init__(self, store: ClickHouseStore) -> None:
        self.store = store
        self.trouble: Exception | None = None
        self.half = False
        self.go = threading.Event()
        self.go.set()

    def write(self, batch: Batch) -> None:
        self.go.wait(600)
        if self.trouble is not None:
            if self.half:
                self.store.write(batch)
            raise self.trouble
        self.store.write(batch)


@pytest.fixture
def flaky(tmp_path: Path) -> Iterator[Flaky]:
    store = ClickHouseStore(f"chdb://{tmp_path}/store")
    yield Flaky(store)
    store.close()


def kept(store: ClickHouseStore, trace: bytes = TRACE) -> list[str]:
    return [one.span_id for one in store.spans(trace.hex(), EVERY)]


def test_hundreds_of_kills_under_load_lose_and_double_nothing(tmp_path: Path) -> None:
    acknowledged = run_and_kill(tmp_path, "chdb", kills=KILLS)
    assert len(acknowledged) > 10 * KILLS
    assert sorted(stored(tmp_path, "chdb")) == sorted(acknowledged)


@pytest.mark.parametrize("half", [False, True], ids=["refused", "stored but not confirmed"])
@pytest.mark.parametrize("trouble", [StoreError("down"), StoreFull("full")], ids=["down", "full"])
def test_a_store_that_refuses_for_long_gets_everything_once_when_it_is_back(
    tmp_path: Path, flaky: Flaky, trouble: Exception, half: bool
) -> None:
    reader = JournalReader(tmp_path / "journal.db")
    writer = JournalWriter(tmp_path / "journal.db", max_bytes=200_000)
    pipeline = Pipeline(reader, flaky, linger=0.01, retry_seconds=0.01)
    flaky.trouble, flaky.half = trouble, half
    pipeline.start()
    sent, refused = 0, None
    while refused is None:
        data = body(1 + sent, 10)
        try:
            writer.append(Telemetry.TRACES, data, 10)
            sent += 10
        except Busy as error:
            refused = error
    assert refused.reason == "journal_bytes"
    assert refused.retry_after
    while pipeline.counters().store_failures < 5:
        time.sleep(0.01)
    flaky.trouble = None
    assert pipeline.stop(300)
    assert writer.append(Telemetry.TRACES, body(1 + sent, 1), 1)
    writer.close()
    reader.close()
    assert sorted(kept(flaky.store)) == [(1 + n).to_bytes(8, "big").hex() for n in range(sent)]


def test_a_store_that_hangs_holds_up_no_acknowledgement(tmp_path: Path, flaky: Flaky) -> None:
    reader = JournalReader(tmp_path / "journal.db")
    writer = JournalWriter(tmp_path / "journal.db")
    pipeline = Pipeline(reader, flaky, linger=0.0)
    flaky.go.clear()
    pipeline.start()
    slowest = 0.0
    for number in range(200):
        began = time.monotonic()
        writer.append(Telemetry.TRACES, body(1 + number, 1), 1)
        slowest = max(slowest, time.monotonic() - began)
    assert slowest < 5
    flaky.go.set()
    assert pipeline.stop(300)
    writer.close()
    reader.close()
    assert len(kept(flaky.store)) == 200


@pytest.mark.parametrize("jump", [-86_400 * 10**9, 3 * 86_400 * 10**9], ids=["a day back", "three days ahead"])
def test_a_clock_that_jumps_keeps_nothing_from_the_store(
    tmp_path: Path, flaky: Flaky, monkeypatch: pytest.MonkeyPatch, jump: int
) -> None:
    reader = JournalReader(tmp_path / "journal.db")
    writer = JournalWriter(tmp_path / "journal.db")
    writer.append(Telemetry.TRACES, body(1, 5), 5)
    real = time.time_ns
    monkeypatch.setattr(journal_writer.time, "time_ns", lambda: real() + jump)
    pipeline = Pipeline(reader, flaky, linger=0.05)
    pipeline.start()
    while reader.depth().entries:
        time.sleep(0.01)
    writer.append(Telemetry.TRACES, body(100, 5), 5)
    assert pipeline.stop(300)
    writer.close()
    reader.close()
    assert len(kept(flaky.store)) == 10


def test_a_million_spans_in_one_trace_are_kept_and_counted(tmp_path: Path, flaky: Flaky) -> None:
    reader = JournalReader(tmp_path / "journal.db")
    writer = JournalWriter(tmp_path / "journal.db")
    pipeline = Pipeline(reader, flaky, linger=0.01)
    pipeline.start()
    for part in range(10):
        data = body(1 + 100_000 * part, 100_000)
        writer.append(Telemetry.TRACES, data, check(Telemetry.TRACES, data)[0].accepted)
    assert pipeline.stop(600)
    writer.close()
    reader.close()
    assert flaky.store.stats()["otel_traces.rows"] == 1_000_000


def test_spans_that_come_twice_and_in_any_order_are_there_once_for_a_reader(tmp_path: Path, flaky: Flaky) -> None:
    from tracecollect.storage.local import LocalAnswers

    reader = JournalReader(tmp_path / "journal.db")
    writer = JournalWriter(tmp_path / "journal.db")
    pipeline = Pipeline(reader, flaky, linger=0.01)
    pipeline.start()
    # Other bytes each time: the journal cannot know that they are the same spans.
    for first, spans in ((7, 5), (1, 8), (5, 9), (1, 13), (2, 12)):
        writer.append(Telemetry.TRACES, body(first, spans), spans)
    assert pipeline.stop(300)
    writer.close()
    reader.close()
    answers = LocalAnswers(flaky.store, grace=10**9)
    trace = answers.trace(TRACE.hex())
    assert [one.span_id for one in sorted(trace.spans, key=lambda one: one.span_id)] == [
        n.to_bytes(8, "big").hex() for n in range(1, 14)
    ]
    assert trace.duplicates == 5 + 8 + 9 + 13 + 12 - 13
    answers.close()
