"""From the journal to the store: large batches, nothing lost, nothing blocked."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from contract.receiver import ONE, trace_request

from tracecollect.errors import StoreError
from tracecollect.journal import JournalReader, JournalWriter
from tracecollect.pipeline import Pipeline
from tracecollect.ports import Batch, Telemetry
from tracecollect.redact import Redactor


class Store:
    """Keeps batches by token, and fails as often as told."""

    def __init__(self) -> None:
        self.batches: dict[str, Batch] = {}
        self.attempts: list[str] = []
        self.failures = 0
        self.wrote = threading.Event()

    def write(self, batch: Batch) -> None:
        self.attempts.append(batch.token)
        if self.failures:
            self.failures -= 1
            raise StoreError("out for lunch")
        self.batches[batch.token] = batch
        self.wrote.set()

    def column(self, table: str, name: str) -> list[object]:
        return [
            value
            for batch in self.batches.values()
            if table in batch.tables
            for value in batch.tables[table].column(name).to_pylist()
        ]


class World:
    """A journal, a store and pipelines between them."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.backlog = JournalReader(path)
        self.recorder = JournalWriter(path)
        self.store = Store()
        self.pipelines: list[Pipeline] = []

    def pipeline(self, **options: object) -> Pipeline:
        settings = {"linger": 0.01, "retry_seconds": 0.001, **options}
        self.pipelines.append(Pipeline(self.backlog, self.store, **settings))
        self.pipelines[-1].start()
        return self.pipelines[-1]

    def append(self, *names: str) -> None:
        for name in names:
            self.recorder.append(Telemetry.TRACES, trace_request((b"t" * 16, b"s" * 8, name)), 1)

    def close(self) -> None:
        for pipeline in self.pipelines:
            pipeline.stop(0)
        self.recorder.close()
        self.backlog.close()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    one = World(tmp_path / "journal.db")
    yield one
    one.close()


def test_every_kind_of_telemetry_reaches_its_table(world: World) -> None:
    for telemetry, body in ONE.items():
        world.recorder.append(telemetry, body, 1)
    assert world.pipeline().drain(10)
    (batch,) = world.store.batches.values()
    assert set(batch.tables) == {"otel_traces", "otel_logs", "otel_metrics_gauge"}
    assert world.backlog.depth().entries == 0


def test_batches_end_at_their_limits(world: World) -> None:
    world.append(*"abcdefg")
    pipeline = world.pipeline(batch_items=3)
    assert pipeline.drain(10)
    assert [batch.tables["otel_traces"].num_rows for batch in world.store.batches.values()] == [3, 3, 1]
    assert world.store.column("otel_traces", "SpanName") == list("abcdefg")
    counters = pipeline.counters()
    assert (counters.spans_stored, counters.rows_stored, counters.batches) == (7, 7, 3)


def test_few_items_linger_and_drain_does_not(world: World) -> None:
    pipeline = world.pipeline(linger=3600)
    world.append("a")
    assert not world.store.wrote.wait(0.2)
    assert pipeline.drain(10)
    assert world.store.wrote.is_set()


def test_a_failing_store_is_tried_again_with_the_same_token_and_nothing_is_lost(world: World) -> None:
    world.store.failures = 3
    world.append("a", "b")
    pipeline = world.pipeline()
    assert pipeline.drain(10)
    assert len(world.store.attempts) == 4
    assert len(set(world.store.attempts)) == 1
    assert world.store.column("otel_traces", "SpanName") == ["a", "b"]
    assert pipeline.counters().store_failures == 3
    assert pipeline.counters().last_error == "out for lunch"


def test_a_stop_in_the_middle_of_an_outage_leaves_the_rest_in_the_journal(world: World) -> None:
    world.store.failures = 10**9
    world.append("a")
    assert not world.pipeline().stop(0.05)
    assert world.backlog.depth().entries == 1
    world.store.failures = 0
    assert world.pipeline().stop(10)
    assert world.store.column("otel_traces", "SpanName") == ["a"]


@pytest.mark.parametrize("place", [0, 3, 7])
def test_a_poisonous_entry_is_set_aside_and_the_rest_is_stored(world: World, place: int) -> None:
    for number in range(8):
        if number == place:
            world.recorder.append(Telemetry.TRACES, b"\x0a\xff\xff", 1)
        else:
            world.append(str(number))
    pipeline = world.pipeline()
    assert pipeline.drain(10)
    assert world.store.column("otel_traces", "SpanName") == [str(n) for n in range(8) if n != place]
    assert pipeline.counters().set_aside == 1


def test_a_batch_of_nothing_but_poison_is_forgotten(world: World) -> None:
    world.recorder.append(Telemetry.LOGS, b"\x0a\xff\xff", 1)
    assert world.pipeline().drain(10)
    assert world.store.batches == {}


def test_what_redaction_cannot_stand_is_set_aside_too(world: World) -> None:
    def picky(table):
        if "b" in table.column("SpanName").to_pylist():
            raise ZeroDivisionError("surprise")
        return table

    world.append("a", "b", "c")
    pipeline = world.pipeline(redact=picky)
    assert pipeline.drain(10)
    assert world.store.column("otel_traces", "SpanName") == ["a", "c"]
    assert pipeline.counters().set_aside == 1


def test_secrets_do_not_reach_the_store(world: World) -> None:
    world.append("GET /?token=abc")
    assert world.pipeline(redact=Redactor()).drain(10)
    assert world.store.column("otel_traces", "SpanName") == ["GET /?token=[redacted]"]


def test_many_requests_are_decoded_in_several_calls_and_stay_in_order(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tracecollect.pipeline._DECODE_BYTES", 100)
    names = [f"span {n}" for n in range(50)]
    world.append(*names)
    assert world.pipeline().drain(10)
    assert world.store.column("otel_traces", "SpanName") == names


def test_a_surprise_in_the_store_does_not_end_the_pipeline(world: World) -> None:
    write: Callable[[Batch], None] = world.store.write
    surprises = [ValueError("what?")]

    def surprising(batch: Batch) -> None:
        if surprises:
            raise surprises.pop()
        write(batch)

    world.store.write = surprising  # type: ignore[method-assign]
    world.append("a")
    pipeline = world.pipeline()
    assert pipeline.drain(10)
    assert pipeline.counters().store_failures == 1


def test_depth_and_insert_time_are_there_for_metrics(world: World) -> None:
    world.store.failures = 10**9
    world.append("a")
    pipeline = world.pipeline(retry_seconds=0.001)
    depth = pipeline.depth()
    assert (depth.entries, depth.items) == (1, 1)
    assert depth.oldest is not None
    world.store.failures = 0
    assert pipeline.drain(10)
    assert pipeline.counters().last_insert_seconds > 0
    assert pipeline.depth().oldest is None
