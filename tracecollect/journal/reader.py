"""The pipeline's end of the journal: batches with stable boundaries, forgotten when the store has them."""

from __future__ import annotations

import contextlib
import sqlite3
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path

from tracecollect.journal.file import CLOSED, REMEMBERED, TELEMETRY, connect, errors, repair, transaction
from tracecollect.model import Instant
from tracecollect.ports import Depth, Entry

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd


def _depth(connection: sqlite3.Connection) -> Depth:
    entries, items, size = connection.execute("SELECT entries, items, bytes FROM ledger").fetchone()
    oldest = connection.execute("SELECT arrived FROM requests ORDER BY id LIMIT 1").fetchone()
    return Depth(entries, items, size, Instant(oldest[0]) if oldest else None)


def _entry(number: int, kind: int, arrived: int, items: int, packed: int, body: bytes) -> Entry:
    return Entry(number, TELEMETRY[kind], Instant(arrived), items, zstd.decompress(body) if packed else body)


class JournalReader:
    """The pipeline's end: batches with stable boundaries, forgotten when the store has them.

    Open it before the writers: it repairs the file. `repaired` is how many requests that kept, -1 without damage.
    """

    def __init__(self, path: Path | str) -> None:
        self.repaired = repair(path)
        self._connection = connect(path)
        self._connection.execute("PRAGMA user_version=0")
        self._lock = threading.Lock()
        self._closed = False
        self.epoch: str = self._connection.execute("SELECT epoch FROM identity").fetchone()[0]

    def depth(self) -> Depth:
        """How much waits. May be called from any thread."""
        with self._lock:
            return _depth(self._connection)

    def next_batch(self, *, max_items: int, max_bytes: int) -> Sequence[Entry]:
        """The oldest entries, at least one, up to the limits; nothing when the journal is empty.

        Their boundary is on disk before this returns: after a crash the same batch comes again, whatever the
        limits and whatever arrived since, so the store recognises its token.
        """
        with self._lock, errors():
            begun = self._connection.execute("SELECT first, last FROM batch").fetchone()
            if begun is None:
                begun = self._boundary(max_items, max_bytes)
            if begun is None:
                return ()
            rows = self._connection.execute(
                "SELECT id, telemetry, arrived, items, packed, body FROM requests WHERE id BETWEEN ? AND ? ORDER BY id",
                begun,
            )
            return [_entry(*row) for row in rows]

    def _boundary(self, max_items: int, max_bytes: int) -> tuple[int, int] | None:
        first = last = None
        items = size = 0
        rows = self._connection.execute("SELECT id, items, length(body) FROM requests ORDER BY id")
        for number, count, length in rows:
            if last is not None and (items + count > max_items or size + length > max_bytes):
                break
            first, last = (number if first is None else first), number
            items, size = items + count, size + length
        rows.close()
        if first is None or last is None:
            return None
        with transaction(self._connection):
            self._connection.execute("INSERT INTO batch VALUES (1, ?, ?)", (first, last))
        return first, last

    def token(self) -> str:
        """The name of the batch begun: the same after a restart, never used by another batch."""
        with self._lock, errors():
            first, last = self._connection.execute("SELECT first, last FROM batch").fetchone()
        return f"{self.epoch}:{first}-{last}"

    def forget(self) -> None:
        """The store has the batch begun: drop its entries."""
        with self._lock, errors(), transaction(self._connection):
            first, last = self._connection.execute("SELECT first, last FROM batch").fetchone()
            self._connection.execute(
                "INSERT OR IGNORE INTO recent SELECT id, digest FROM requests WHERE id BETWEEN ? AND ?", (first, last)
            )
            self._connection.execute("DELETE FROM recent WHERE id <= ?", (last - REMEMBERED,))
            self._drop((first, last))
            self._connection.execute("DELETE FROM batch")

    def set_aside(self, entry: Entry, reason: str) -> None:
        """Keep an entry that nobody can read out of the way, for a person to look at."""
        with self._lock, errors(), transaction(self._connection):
            self._connection.execute(
                "INSERT OR REPLACE INTO set_aside VALUES (?, ?, ?, ?, ?, ?)",
                (entry.id, TELEMETRY.index(entry.telemetry), entry.arrived, time.time_ns(), reason, entry.body),
            )
            self._drop((entry.id, entry.id))

    def _drop(self, bounds: tuple[int, int]) -> None:
        self._connection.execute(
            "UPDATE ledger SET (entries, items, bytes) = (SELECT ledger.entries - count(*), "
            "ledger.items - coalesce(sum(r.items), 0), ledger.bytes - coalesce(sum(length(r.body)), 0) "
            "FROM requests r WHERE r.id BETWEEN ? AND ?)",
            bounds,
        )
        self._connection.execute("DELETE FROM requests WHERE id BETWEEN ? AND ?", bounds)

    def close(self) -> None:
        """Let go of the file. Idempotent."""
        with self._lock:
            if not self._closed:
                self._closed = True
                with contextlib.suppress(sqlite3.DatabaseError):
                    self._connection.execute(f"PRAGMA user_version={CLOSED}")
                self._connection.close()
