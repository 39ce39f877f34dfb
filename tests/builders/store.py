"""A real embedded store for telemetry that arrives in a known order: decoded, redacted, stored, judged in process."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import pyarrow as pa

from tracecollect.model import SECOND, Instant, LeakQuery, LeakReport
from tracecollect.ports import Batch, Telemetry
from tracecollect.redact import Redactor
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.local import LocalAnswers
from tracecollect.storage.texts import TABLES
from tracecollect.wire.decode import decode

# Recordings are old, and nothing in them may expire.
_FOREVER = 20 * 365 * 86400
_KEPT = ("dialect_views", "config_audit")


@dataclass(frozen=True, slots=True)
class Request:
    """One OTLP export request as its bytes, and when it arrived."""

    telemetry: Telemetry
    arrived: Instant
    body: bytes


class Bench:
    """One store, emptied between the worlds that are put into it."""

    def __init__(self, directory: Path) -> None:
        self._store = ClickHouseStore(f"chdb://{directory}", retention=_FOREVER)
        self._redact = Redactor()
        self._tokens = count()

    def deliver(self, requests: Iterable[Request]) -> None:
        """What the pipeline does with a batch of the journal."""
        requests = list(requests)
        for telemetry in Telemetry:
            mine = [one for one in requests if one.telemetry is telemetry]
            if mine:
                self.insert(decode(telemetry, [one.body for one in mine], [one.arrived for one in mine]))

    def insert(self, tables: Mapping[str, pa.Table]) -> None:
        """Columns as the decoder makes them."""
        cleaned = {name: self._redact(table) for name, table in tables.items()}
        self._store.write(Batch(f"bench:{next(self._tokens)}", cleaned))

    def leaks(self, at: int, *, grace: float, since: int | None = None) -> LeakReport:
        """What is said as of a moment; `grace` in seconds."""
        query = LeakQuery(
            since=None if since is None else Instant(since), as_of=Instant(at), grace=round(grace * SECOND)
        )
        return self.answers(grace).leaks(query)

    def answers(self, grace: float) -> LocalAnswers:
        """Every other question."""
        return LocalAnswers(self._store, grace=round(grace * SECOND))

    def empty(self) -> None:
        """Forget all telemetry and what was said of it."""
        for name in TABLES:
            if name not in _KEPT:
                self._store._engine.command(f"TRUNCATE TABLE {name}")

    def close(self) -> None:
        """Let go of the directory."""
        self._store.close()


@contextmanager
def bench(directory: Path) -> Iterator[Bench]:
    """A store in a directory, closed afterwards."""
    one = Bench(directory)
    try:
        yield one
    finally:
        one.close()
