"""Journal → decode → redact → store, in large batches, in one thread; what cannot be decoded is set aside."""

from __future__ import annotations

import ctypes
import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby

import pyarrow as pa

from tracecollect.errors import StoreError
from tracecollect.ports import Backlog, Batch, Depth, Entry, SpanWriter, Telemetry
from tracecollect.wire.decode import decode

_log = logging.getLogger(__name__)
# One decoder call holds the interpreter lock: 8 MB are some 24 k spans and 50 ms.
_DECODE_BYTES = 8 << 20

Redactor = Callable[[pa.Table], pa.Table]


@dataclass(frozen=True, slots=True)
class PipelineCounters:
    """What went through since the start."""

    spans_stored: int = 0
    rows_stored: int = 0
    batches: int = 0
    set_aside: int = 0
    store_failures: int = 0
    last_insert_seconds: float = 0.0
    insert_seconds: float = 0.0
    last_error: str = ""


class Pipeline:
    """Empties the backlog into the store until stopped. Inserts are large (`batch_items`) or `linger` seconds apart."""

    def __init__(
        self,
        backlog: Backlog,
        writer: SpanWriter,
        *,
        redact: Redactor | None = None,
        linger: float = 1.0,
        batch_items: int = 100_000,
        batch_bytes: int = 64 << 20,
        retry_seconds: float = 0.5,
    ) -> None:
        self._backlog = backlog
        self._writer = writer
        self._redact = redact or (lambda table: table)
        self._linger = linger
        self._batch_items = batch_items
        self._batch_bytes = batch_bytes
        self._retry = retry_seconds
        self._wake = threading.Event()
        self._stopping = False
        self._hurry = False
        self._counters = PipelineCounters()
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin with what an earlier run left in the journal."""
        self._thread = threading.Thread(target=self._run, name="pipeline", daemon=True)
        self._thread.start()

    def counters(self) -> PipelineCounters:
        """A consistent copy, from any thread."""
        return self._counters

    def depth(self) -> Depth:
        """How much is acknowledged and not stored yet."""
        return self._backlog.depth()

    def drain(self, timeout: float) -> bool:
        """Store everything that is in the journal now, without lingering; whether that was done in time."""
        deadline = time.monotonic() + timeout
        self._hurry = True
        try:
            while self._backlog.depth().entries:
                if time.monotonic() >= deadline or self._thread is None or not self._thread.is_alive():
                    return False
                self._wake.set()
                time.sleep(0.01)
        finally:
            self._hurry = False
        return True

    def stop(self, timeout: float = 8.0) -> bool:
        """Drain, then end the thread. False: the store did not take everything in time, the journal keeps it."""
        drained = self.drain(timeout)
        self._stopping = True
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        return drained

    def _run(self) -> None:
        failures = 0
        while not self._stopping:
            try:
                busy = self._due() and self._one_batch()
                failures = 0
            except Exception as error:
                # Not only StoreError: a surprise must be retried and seen, not end the thread in silence.
                failures += 1
                self._failed(error, failures)
                busy = False
            if not busy:
                self._wake.wait(self._pause(failures))
                self._wake.clear()

    def _pause(self, failures: int) -> float:
        return min(self._retry * 2 ** (failures - 1), 30.0) if failures else min(self._linger / 4, 0.1)

    def _due(self) -> bool:
        depth = self._backlog.depth()
        if depth.oldest is None:
            return False
        waited = (time.time_ns() - depth.oldest) / 1e9
        return self._hurry or depth.items >= self._batch_items or not 0 <= waited < self._linger

    def _one_batch(self) -> bool:
        entries = self._backlog.next_batch(max_items=self._batch_items, max_bytes=self._batch_bytes)
        if not entries:
            return False
        tables = self._decoded(entries)
        del entries  # columns and requests need not be in memory together
        _give_back()
        if tables:
            began = time.monotonic()
            self._writer.write(Batch(self._backlog.token(), tables))
            self._count(tables, time.monotonic() - began)
        self._backlog.forget()
        return True

    def _decoded(self, entries: Sequence[Entry]) -> Mapping[str, pa.Table]:
        parts: dict[str, list[pa.Table]] = {}
        for telemetry in Telemetry:
            mine = [entry for entry in entries if entry.telemetry is telemetry]
            for chunk in _chunks(mine):
                for tables in self._readable(telemetry, chunk):
                    for name, table in tables.items():
                        parts.setdefault(name, []).append(table)
        return {name: pa.concat_tables(tables) for name, tables in parts.items()}

    def _readable(self, telemetry: Telemetry, entries: Sequence[Entry]) -> Iterable[Mapping[str, pa.Table]]:
        """Columns; where that fails, halve until the poisonous entry is alone, and set it aside."""
        try:
            tables = decode(telemetry, [e.body for e in entries], [e.arrived for e in entries])
            yield {name: self._redact(table) for name, table in tables.items()}
        except Exception as error:
            # Whatever it is: one request must not stop all those behind it.
            if len(entries) == 1:
                self._set_aside(entries[0], error)
                return
            middle = len(entries) // 2
            yield from self._readable(telemetry, entries[:middle])
            yield from self._readable(telemetry, entries[middle:])

    def _set_aside(self, entry: Entry, error: Exception) -> None:
        _log.error("request %d (%s) cannot be stored and is set aside: %s", entry.id, entry.telemetry, error)
        self._backlog.set_aside(entry, str(error))
        self._counters = replace(self._counters, set_aside=self._counters.set_aside + 1)

    def _count(self, tables: Mapping[str, pa.Table], seconds: float) -> None:
        was = self._counters
        spans = tables["otel_traces"].num_rows if "otel_traces" in tables else 0
        self._counters = replace(
            was,
            spans_stored=was.spans_stored + spans,
            rows_stored=was.rows_stored + sum(table.num_rows for table in tables.values()),
            batches=was.batches + 1,
            last_insert_seconds=seconds,
            insert_seconds=was.insert_seconds + seconds,
        )

    def _failed(self, error: Exception, failures: int) -> None:
        # One line when it begins and one for every tenth attempt: an outage of a night fits on a screen.
        if failures % 10 == 1:
            known = isinstance(error, StoreError)
            _log.error("batches cannot be stored, will try again: %s", error, exc_info=None if known else error)
        was = self._counters
        self._counters = replace(was, store_failures=was.store_failures + 1, last_error=str(error))


def _give_back() -> None:
    """Let the system have what decoding let go of: glibc keeps some 100 MB of it, beside what the store needs now."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _chunks(entries: Sequence[Entry]) -> Iterable[Sequence[Entry]]:
    """Runs of entries that one decoder call takes."""
    total = 0
    numbered = []
    for entry in entries:
        numbered.append((total // _DECODE_BYTES, entry))
        total += len(entry.body)
    for _, run in groupby(numbered, key=lambda pair: pair[0]):
        yield [entry for _, entry in run]
