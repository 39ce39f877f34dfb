"""The receivers' end of the journal: group commit, bounds, and retries recognised."""

from __future__ import annotations

import hashlib
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tracecollect.errors import Busy
from tracecollect.journal.file import REMEMBERED, TELEMETRY, connect, transaction
from tracecollect.ports import Recorded, Telemetry

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

MIB = 1 << 20
# zstd level 1 costs 0.4 µs a span, makes bodies 6 times smaller and so saves 1 µs of writing, reading and
# deleting; below this size there is nothing to gain.
_PACK_FROM = 2048
# A commit costs 0.2 ms of CPU however many requests are in it.
_GATHER_SECONDS = 0.002
# How often the age of the oldest entry is looked at.
_LOOK_NANOS = 100_000_000


@dataclass(slots=True)
class _Waiting:
    telemetry: Telemetry
    body: bytes
    items: int
    packed: bool
    digest: bytes
    done: Recorded
    new: bool = True


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
        self._expected = 1
        self._looked = 0
        self._too_old = False
        self._thread = threading.Thread(target=self._run, name="journal", daemon=True)
        self._thread.start()

    def append(self, telemetry: Telemetry, body: bytes, items: int) -> bool:
        """Put one request on disk; see `Recorder`. `Busy`: the journal or the disk is full."""
        # A lock to wait on is a third of the price of an Event.
        written = threading.Lock()
        written.acquire()
        outcome: list[Exception | bool] = []

        def done(error: Exception | None, new: bool) -> None:
            outcome.append(new if error is None else error)
            written.release()

        self.submit(telemetry, body, items, done)
        written.acquire()
        if isinstance(outcome[0], Exception):
            raise outcome[0]
        return outcome[0]

    def submit(self, telemetry: Telemetry, body: bytes, items: int, done: Recorded) -> None:
        """The same without waiting; see `Recorder`."""
        packed = len(body) >= _PACK_FROM
        kept = zstd.compress(body, 1) if packed else body
        digest = hashlib.blake2b(kept, digest_size=16, person=telemetry.encode()).digest()
        one = _Waiting(telemetry, kept, items, packed, digest, done)
        with self._wake:
            if self._closing:
                raise Busy("the collector is stopping", reason="stopping")
            if self._waiting and self._waiting_bytes + len(one.body) > self._max_waiting:
                raise Busy(f"{self._waiting_bytes} bytes already wait for the journal", reason="journal_waiting")
            self._waiting.append(one)
            self._waiting_bytes += len(one.body)
            if len(self._waiting) == 1 or len(self._waiting) >= self._expected:
                self._wake.notify()

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
                # Where several senders are at work, the others' next requests are only a moment away.
                self._wake.wait_for(lambda: self._closing or len(self._waiting) >= self._expected, _GATHER_SECONDS)
                group, self._waiting, self._waiting_bytes = self._waiting, [], 0
            if not group:
                return
            self._expected = len(group)
            error = self._commit(group)
            for one in group:
                one.done(error, one.new)

    def _commit(self, group: Sequence[_Waiting]) -> Exception | None:
        now = time.time_ns()
        try:
            with transaction(self._connection):
                # Two pages are written for a small group, the rows' and the ledger's: each costs two system calls.
                last_id, size = self._connection.execute("SELECT last_id, bytes FROM ledger").fetchone()
                refusal = self._refusal(size, now)
                if refusal is not None:
                    return refusal
                self._sort_out(group)
                fresh = [one for one in group if one.new]
                self._connection.executemany(
                    "INSERT INTO requests VALUES (?, ?, ?, ?, ?, ?, ?)",
                    [
                        (number, TELEMETRY.index(one.telemetry), now, one.items, one.packed, one.digest, one.body)
                        for number, one in enumerate(fresh, last_id + 1)
                    ],
                )
                self._connection.execute(
                    "UPDATE ledger SET last_id = last_id + :fresh, entries = entries + :fresh, "
                    "items = items + :items, bytes = bytes + :bytes",
                    {
                        "fresh": len(fresh),
                        "items": sum(one.items for one in fresh),
                        "bytes": sum(len(one.body) for one in fresh),
                    },
                )
        except Exception as error:
            # Whatever it is, the senders wait for an answer, and for this thread.
            return Busy(f"the journal cannot be written: {error}", retry_after=5, reason="journal_error")
        return None

    def _sort_out(self, group: Sequence[_Waiting]) -> None:
        """Mark what came before. Inside the transaction: nobody else writes, other processes' requests are seen."""
        known = (self._known, self._known)
        for number, digest in self._connection.execute(
            "SELECT id, digest FROM requests WHERE id > ? UNION ALL SELECT id, digest FROM recent WHERE id > ?", known
        ):
            self._known = max(self._known, number)
            self._recent[digest] = None
        if len(self._recent) > 2 * REMEMBERED:
            for digest in list(self._recent)[:-REMEMBERED]:
                del self._recent[digest]
        these = set()
        for one in group:
            one.new = one.digest not in self._recent and one.digest not in these
            these.add(one.digest)

    def _refusal(self, size: int, now: int) -> Busy | None:
        if size >= self._max_bytes:
            return Busy(f"the journal is full: {size} bytes wait to be stored", retry_after=5, reason="journal_bytes")
        if size and now - self._looked >= _LOOK_NANOS:
            oldest = self._connection.execute("SELECT arrived FROM requests ORDER BY id LIMIT 1").fetchone()
            self._too_old = oldest is not None and now - oldest[0] > self._max_age
            self._looked = now
        if size and self._too_old:
            text = "the journal is too old: the store has not taken anything for a long time"
            return Busy(text, retry_after=30, reason="journal_age")
        return None
