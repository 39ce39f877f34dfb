"""What the probe costs the service that it runs in: a hold, sending its events, a pooled query beside one without."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter, LogRecordExportResult
from psycopg_pool import ConnectionPool

from tracecollect.demo.postgres import postgres
from tracecollect.probe import Probe
from tracecollect.probe.place import Place

_HOLDS = 5000
_ROUNDS = 12
_QUERIES = 400


class _Nowhere(LogRecordExporter):
    """Takes everything, so that only making and batching is measured."""

    def export(self, _: object) -> LogRecordExportResult:
        return LogRecordExportResult.SUCCESS

    def shutdown(self) -> None:
        """Nothing to close."""

    def force_flush(self, _: int = 0) -> bool:
        return True


class _Connection:
    pass


def hold_microseconds() -> tuple[float, float]:
    """What a hold takes of its borrower's thread, and what sending both its events takes."""
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(_Nowhere(), max_queue_size=4 * _HOLDS))
    probe, place = Probe(logger_provider=provider), Place("postgresql", "db", 5432, "shop")
    probe.outbox._start = lambda: None  # nobody sends meanwhile
    taken = []
    for _ in range(_HOLDS):
        connection = _Connection()
        began = time.thread_time_ns()
        probe.holds.acquired(connection, place=place)
        probe.holds.released(connection)
        taken.append(time.thread_time_ns() - began)
    began = time.thread_time_ns()
    probe.stop()
    sent = time.thread_time_ns() - began
    provider.shutdown()
    return statistics.median(taken) / 1e3, sent / _HOLDS / 1e3


def query_milliseconds(pause: float = 0.0) -> dict[str, list[float]]:
    """Times of a small query through a pool, with the probe and without, in turns: both see the same machine.

    `pause`: seconds between two of them; none: as many as one thread can, which leaves the probe's own thread no time.
    """
    provider = LoggerProvider(shutdown_on_exit=False)
    provider.add_log_record_processor(BatchLogRecordProcessor(_Nowhere()))
    times: dict[str, list[float]] = {"with": [], "without": []}
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory, postgres(Path(directory)) as dsn:
        for turn in range(2 * _ROUNDS):
            probe = Probe(logger_provider=provider) if turn % 2 else None
            if probe is not None:
                probe.start()
            times["with" if probe is not None else "without"] += _queries(dsn, pause)
            if probe is not None:
                probe.stop()
    provider.shutdown()
    return times


def _queries(dsn: str, pause: float) -> list[float]:
    found = []
    with ConnectionPool(dsn, min_size=2, max_size=2, open=True) as pool:
        pool.wait()
        for number in range(_QUERIES + 50):
            began = time.perf_counter_ns()
            with pool.connection() as connection:
                connection.execute("SELECT 1")
            ended = time.perf_counter_ns()
            if pause:
                time.sleep(pause)
            if number >= 50:
                found.append((ended - began) / 1e6)
    return found
