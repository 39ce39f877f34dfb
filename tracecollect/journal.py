"""What was accepted and is not stored yet: a SQLite file that the receivers fill and the pipeline empties.

One writer thread per process takes everything that waits, writes it in one transaction and answers everybody
(group commit): an fsync costs the same for one request and for sixty. Numbers of entries only grow, also across
restarts and empty journals, so a batch's token never comes twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import sqlite3
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracecollect.errors import Busy, StoreError, StoreFull
from tracecollect.model import Instant
from tracecollect.ports import Depth, Entry, Telemetry

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1 << 20
_log = logging.getLogger(__name__)
_TELEMETRY = tuple(Telemetry)
# Packed, a request of 512 spans is some 30 KB and a lone one 1 KB: small pages waste the least on both.
_PAGE_SIZE = 4096
# zstd level 1 costs 0.4 µs a span, makes bodies 6 times smaller and so saves 1 µs of writing, reading and
# deleting; below this size there is nothing to gain.
_PACK_FROM = 2048
# A sender whose acknowledgement was lost sends the same bytes again, within seconds. So many requests are
# remembered (16 bytes each) that even 4,000 a second give it that time.
_REMEMBERED = 65_536
# SQLite's user_version: the reader closed the file in order.
_CLOSED = 7
_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    telemetry INTEGER, arrived INTEGER, items INTEGER, packed INTEGER, body BLOB);
CREATE TABLE IF NOT EXISTS ledger (
    one INTEGER PRIMARY KEY CHECK (one = 1), entries INTEGER, items INTEGER, bytes INTEGER);
CREATE TABLE IF NOT EXISTS batch (one INTEGER PRIMARY KEY CHECK (one = 1), first INTEGER, last INTEGER);
CREATE TABLE IF NOT EXISTS set_aside (
    id INTEGER PRIMARY KEY, telemetry INTEGER, arrived INTEGER, at INTEGER, reason TEXT, body BLOB);
CREATE TABLE IF NOT EXISTS recent (id INTEGER PRIMARY KEY AUTOINCREMENT, digest BLOB);
CREATE TABLE IF NOT EXISTS identity (one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT);
INSERT OR IGNORE INTO ledger VALUES (1, 0, 0, 0);
"""


@dataclass(slots=True)
class _Waiting:
    telemetry: Telemetry
    body: bytes
    items: int
    packed: bool
    digest: bytes
    done: threading.Event = field(default_factory=threading.Event)
    new: bool = True
    error: Exception | None = None


def connect(path: Path | str) -> sqlite3.Connection:
    """A connection to the journal, made if it is not there; every commit is on disk when it returns."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=30, check_same_thread=False)
        connection.execute(f"PRAGMA page_size={_PAGE_SIZE}")
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(_SCHEMA)
        connection.execute("INSERT OR IGNORE INTO identity VALUES (1, ?)", (uuid.uuid4().hex[:12],))
    except (OSError, sqlite3.DatabaseError) as error:
        raise StoreError(
            f"cannot open the journal {path}: {error}", hint="is the data directory writable and the disk not full?"
        ) from error
    return connection


@contextlib.contextmanager
def _transaction(connection: sqlite3.Connection) -> Iterator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        # A failed commit may already have rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


class JournalWriter:
    """The receivers' end: `append` returns when the request is on disk."""

    def __init__(
        self,
        path: Path | str,
        *,
        max_bytes: int = 2048 * MIB,
        max_age_seconds: float = 24 * 3600,
        max_waiting_bytes: int = 256 * MIB,
    ) -> None:
        self._connection = connect(path)
        self._max_bytes = max_bytes
        self._max_age = int(max_age_seconds * 1e9)
        self._max_waiting = max_waiting_bytes
        self._wake = threading.Condition()
        self._waiting: list[_Waiting] = []
        self._waiting_bytes = 0
        self._closing = False
        self._recent: dict[bytes, None] = {}
        self._known = 0
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def append(self, telemetry: Telemetry, body: bytes, items: int) -> bool:
        """Put one request on disk; see `Recorder`. `Busy`: the journal or the disk is full."""
        packed = len(body) >= _PACK_FROM
        kept = zstd.compress(body, 1) if packed else body
        digest = hashlib.blake2b(kept, digest_size=16, person=telemetry.encode()).digest()
        one = _Waiting(telemetry, kept, items, packed, digest)
        with self._wake:
            if self._closing:
                raise Busy("the collector is stopping")
            if self._waiting and self._waiting_bytes + len(one.body) > self._max_waiting:
                raise Busy(f"{self._waiting_bytes} bytes already wait for the journal")
            self._waiting.append(one)
            self._waiting_bytes += len(one.body)
            self._wake.notify()
        one.done.wait()
        if one.error is not None:
            raise one.error
        return one.new

    def close(self) -> None:
        """Write what waits and let go of the file. Idempotent."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while True:
            with self._wake:
                while not self._waiting and not self._closing:
                    self._wake.wait()
                group, self._waiting, self._waiting_bytes = self._waiting, [], 0
            if not group:
                return
            error = self._commit(group)
            for one in group:
                one.error = error
                one.done.set()

    def _commit(self, group: Sequence[_Waiting]) -> Exception | None:
        now = time.time_ns()
        try:
            with _transaction(self._connection):
                refusal = self._refusal(now)
                if refusal is not None:
                    return refusal
                self._sort_out(group)
                fresh = [one for one in group if one.new]
                self._connection.executemany(
                    "INSERT INTO requests (telemetry, arrived, items, packed, body) VALUES (?, ?, ?, ?, ?)",
                    [(_TELEMETRY.index(one.telemetry), now, one.items, one.packed, one.body) for one in fresh],
                )
                self._connection.executemany("INSERT INTO recent (digest) VALUES (?)", [(one.digest,) for one in fresh])
                self._connection.execute(
                    "UPDATE ledger SET entries = entries + ?, items = items + ?, bytes = bytes + ?",
                    (len(fresh), sum(one.items for one in fresh), sum(len(one.body) for one in fresh)),
                )
        except sqlite3.Error as error:
            return Busy(f"the journal cannot be written: {error}", retry_after=5)
        return None

    def _sort_out(self, group: Sequence[_Waiting]) -> None:
        """Mark what came before. Inside the transaction: nobody else writes, other processes' requests are seen."""
        for number, digest in self._connection.execute("SELECT id, digest FROM recent WHERE id > ?", (self._known,)):
            self._known = number
            self._recent[digest] = None
        if len(self._recent) > 2 * _REMEMBERED:
            for digest in list(self._recent)[:-_REMEMBERED]:
                del self._recent[digest]
            self._connection.execute("DELETE FROM recent WHERE id <= ?", (self._known - _REMEMBERED,))
        these = set()
        for one in group:
            one.new = one.digest not in self._recent and one.digest not in these
            these.add(one.digest)

    def _refusal(self, now: int) -> Busy | None:
        depth = _depth(self._connection)
        if depth.bytes >= self._max_bytes:
            return Busy(f"the journal is full: {depth.bytes} bytes wait to be stored", retry_after=5)
        if depth.oldest is not None and now - depth.oldest > self._max_age:
            return Busy("the journal is too old: the store has not taken anything for a long time", retry_after=30)
        return None


def _depth(connection: sqlite3.Connection) -> Depth:
    entries, items, size = connection.execute("SELECT entries, items, bytes FROM ledger").fetchone()
    oldest = connection.execute("SELECT arrived FROM requests ORDER BY id LIMIT 1").fetchone()
    return Depth(entries, items, size, Instant(oldest[0]) if oldest else None)


def _entry(number: int, kind: int, arrived: int, items: int, packed: int, body: bytes) -> Entry:
    return Entry(number, _TELEMETRY[kind], Instant(arrived), items, zstd.decompress(body) if packed else body)


def repair(path: Path | str) -> int:
    """Make a damaged journal readable: keep what can be read, cut the rest, say so. Returns how many were kept.

    The damaged file stays beside the new one. A journal that was closed in order is not looked at: 1 GB takes
    a second to check. Call it before anybody else has the file open; -1 means nothing had to be done.
    """
    path = Path(path)
    if not path.exists() or _is_sound(path):
        return -1
    number = sum(1 for _ in path.parent.glob(f"{path.name}.damaged-*")) + 1
    aside = path.with_name(f"{path.name}.damaged-{number}")
    for suffix in ("-wal", "-shm", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.rename(aside.with_name(aside.name + suffix))
    rows, state = _readable(aside)
    with contextlib.closing(connect(path)) as connection, _transaction(connection):
        connection.executemany("INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.execute(
            "UPDATE ledger SET (entries, items, bytes) = "
            "(SELECT count(*), coalesce(sum(items), 0), coalesce(sum(length(body)), 0) FROM requests)"
        )
        if state is not None:
            # The old epoch and batch: what the store may already have is still recognised.
            epoch, last_id, batch = state
            connection.execute("UPDATE identity SET epoch = ?", (epoch,))
            connection.execute("UPDATE sqlite_sequence SET seq = max(seq, ?) WHERE name = 'requests'", (last_id,))
            connection.executemany("INSERT INTO batch VALUES (1, ?, ?)", batch)
    _log.error("the journal was damaged: %d requests kept, the rest cut; the old file is %s", len(rows), aside)
    return len(rows)


def _is_sound(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
            if connection.execute("PRAGMA user_version").fetchone() == (_CLOSED,):
                connection.execute("SELECT count(*) FROM ledger").fetchone()
                return True
            return bool(connection.execute("PRAGMA quick_check(1)").fetchone() == ("ok",))
    except sqlite3.OperationalError as error:
        raise StoreError(f"cannot open the journal {path}: {error}", hint="is the data directory writable?") from error
    except sqlite3.DatabaseError:
        return False


def _readable(path: Path) -> tuple[list[tuple[Any, ...]], tuple[str, int, list[tuple[int, int]]] | None]:
    """The rows before the damage and after it, and the state if it can be read."""
    rows: dict[int, tuple[Any, ...]] = {}
    state = None
    with contextlib.suppress(sqlite3.DatabaseError), contextlib.closing(sqlite3.connect(path)) as connection:
        # Without this a file shorter than its header says is refused as a whole.
        connection.execute("PRAGMA writable_schema=ON")
        for order in ("ASC", "DESC"):
            with contextlib.suppress(sqlite3.DatabaseError):
                for row in connection.execute(f"SELECT * FROM requests ORDER BY id {order}"):  # noqa: S608
                    if row[0] in rows:
                        break
                    rows[row[0]] = row
        batch = connection.execute("SELECT first, last FROM batch").fetchall()
        last = connection.execute("SELECT max(seq) FROM sqlite_sequence").fetchone()[0] or 0
        state = (connection.execute("SELECT epoch FROM identity").fetchone()[0], last, batch)
    return [rows[number] for number in sorted(rows)], state


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
        with self._lock, _errors():
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
        with _transaction(self._connection):
            self._connection.execute("INSERT INTO batch VALUES (1, ?, ?)", (first, last))
        return first, last

    def token(self) -> str:
        """The name of the batch begun: the same after a restart, never used by another batch."""
        with self._lock, _errors():
            first, last = self._connection.execute("SELECT first, last FROM batch").fetchone()
        return f"{self.epoch}:{first}-{last}"

    def forget(self) -> None:
        """The store has the batch begun: drop its entries."""
        with self._lock, _errors(), _transaction(self._connection):
            first, last = self._connection.execute("SELECT first, last FROM batch").fetchone()
            self._drop((first, last))
            self._connection.execute("DELETE FROM batch")

    def set_aside(self, entry: Entry, reason: str) -> None:
        """Keep an entry that nobody can read out of the way, for a person to look at."""
        with self._lock, _errors(), _transaction(self._connection):
            self._connection.execute(
                "INSERT OR REPLACE INTO set_aside VALUES (?, ?, ?, ?, ?, ?)",
                (entry.id, _TELEMETRY.index(entry.telemetry), entry.arrived, time.time_ns(), reason, entry.body),
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
                    self._connection.execute(f"PRAGMA user_version={_CLOSED}")
                self._connection.close()


@contextlib.contextmanager
def _errors() -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            raise StoreFull("no room on the disk of the journal", hint="free some space; nothing is lost") from error
        raise StoreError(f"the journal cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"the journal is damaged: {error}") from error
