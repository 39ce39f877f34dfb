"""The journal's file: its tables, its connections, its errors, and its repair."""

from __future__ import annotations

import contextlib
import logging
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tracecollect.errors import StoreError, StoreFull
from tracecollect.ports import Telemetry

_log = logging.getLogger(__name__)
TELEMETRY = tuple(Telemetry)
# So many requests are remembered (16 bytes each) that a sender whose acknowledgement was lost has the time to
# send the same bytes again, even among 4,000 others a second.
REMEMBERED = 65_536
# Packed, a request of 512 spans is some 30 KB and a lone one 1 KB: small pages waste the least on both.
_PAGE_SIZE = 4096
_WAIT_SECONDS = 30
# SQLite's user_version: the reader closed the file in order.
CLOSED = 7
_SCHEMA = """
CREATE TABLE IF NOT EXISTS requests (
    id INTEGER PRIMARY KEY, telemetry INTEGER, arrived INTEGER, items INTEGER, packed INTEGER, digest BLOB, body BLOB);
CREATE TABLE IF NOT EXISTS ledger (
    one INTEGER PRIMARY KEY CHECK (one = 1), last_id INTEGER, entries INTEGER, items INTEGER, bytes INTEGER);
CREATE TABLE IF NOT EXISTS batch (one INTEGER PRIMARY KEY CHECK (one = 1), first INTEGER, last INTEGER);
CREATE TABLE IF NOT EXISTS set_aside (
    id INTEGER PRIMARY KEY, telemetry INTEGER, arrived INTEGER, at INTEGER, reason TEXT, body BLOB);
CREATE TABLE IF NOT EXISTS recent (id INTEGER PRIMARY KEY, digest BLOB);
CREATE TABLE IF NOT EXISTS identity (one INTEGER PRIMARY KEY CHECK (one = 1), epoch TEXT);
INSERT OR IGNORE INTO ledger VALUES (1, 0, 0, 0, 0);
"""


def connect(path: Path | str) -> sqlite3.Connection:
    """A connection to the journal, made if it is not there; every commit is on disk when it returns."""
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(path, isolation_level=None, timeout=_WAIT_SECONDS, check_same_thread=False)
        connection.execute(f"PRAGMA page_size={_PAGE_SIZE}")
        _wal(connection)
        connection.execute("PRAGMA synchronous=FULL")
        connection.executescript(_SCHEMA)
        connection.execute("INSERT OR IGNORE INTO identity VALUES (1, ?)", (uuid.uuid4().hex[:12],))
    except (OSError, sqlite3.DatabaseError) as error:
        raise StoreError(
            f"cannot open the journal {path}: {error}", hint="is the data directory writable and the disk not full?"
        ) from error
    return connection


def _wal(connection: sqlite3.Connection) -> None:
    """Switch to a write-ahead log.

    Of several processes that make a new file at once SQLite refuses all but one, without
    waiting: its timeout does not apply to a change of the mode. The others come again.
    """
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


@contextlib.contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """Everything inside, on disk at the end, or nothing."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    finally:
        # Whatever kept it from its end; a failed commit may already have rolled back by itself.
        if connection.in_transaction:
            connection.execute("ROLLBACK")


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
    with contextlib.closing(connect(path)) as connection, transaction(connection):
        connection.executemany("INSERT OR IGNORE INTO requests VALUES (?, ?, ?, ?, ?, ?, ?)", rows)
        connection.execute(
            "UPDATE ledger SET (last_id, entries, items, bytes) = (SELECT coalesce(max(id), 0), count(*), "
            "coalesce(sum(items), 0), coalesce(sum(length(body)), 0) FROM requests)"
        )
        if state is not None:
            # The old epoch and batch: what the store may already have is still recognised.
            epoch, last_id, batch = state
            connection.execute("UPDATE identity SET epoch = ?", (epoch,))
            connection.execute("UPDATE ledger SET last_id = max(last_id, ?)", (last_id,))
            connection.executemany("INSERT INTO batch VALUES (1, ?, ?)", batch)
    _log.error("the journal was damaged: %d requests kept, the rest cut; the old file is %s", len(rows), aside)
    return len(rows)


def _is_sound(path: Path) -> bool:
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=30)) as connection:
            if connection.execute("PRAGMA user_version").fetchone() == (CLOSED,):
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
        last = connection.execute("SELECT last_id FROM ledger").fetchone()[0]
        state = (connection.execute("SELECT epoch FROM identity").fetchone()[0], last, batch)
    return [rows[number] for number in sorted(rows)], state


@contextlib.contextmanager
def errors() -> Iterator[None]:
    """SQLite's errors as ours."""
    try:
        yield
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
            raise StoreFull("no room on the disk of the journal", hint="free some space; nothing is lost") from error
        raise StoreError(f"the journal cannot be used: {error}") from error
    except sqlite3.DatabaseError as error:
        raise StoreError(f"the journal is damaged: {error}") from error
