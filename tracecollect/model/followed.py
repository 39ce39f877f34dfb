"""What is followed: signals, holds, and what is measured beside them."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tracecollect.model.concluded import Verdict
from tracecollect.model.moments import NEVER, Instant
from tracecollect.model.received import SpanKind


class SignalKind(StrEnum):
    """One observed fact about a hold."""

    OPENED = "opened"
    ACQUIRED = "acquired"
    USED = "used"
    ROWS_OPENED = "rows_opened"
    ROWS_CLOSED = "rows_closed"
    TX_BEGAN = "tx_began"
    TX_ENDED = "tx_ended"
    RELEASED = "released"
    CLOSED = "closed"
    FAILED = "failed"


class Role(StrEnum):
    """What a signal does to its key: opens it, closes it, excuses an opener, pins it, or is only a note."""

    OPEN = "open"
    CLOSE = "close"
    EXCUSE = "excuse"
    PIN = "pin"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Signal:
    """One row of `connection_signals`: what a dialect read out of one span or log record.

    `at` is the moment of the fact (the span's end, mostly), `started` the start of the span that said it.
    `key` joins openers and closers inside (instance, dialect, pair).
    """

    service: str
    instance: str
    dialect: str
    pair: str
    kind: SignalKind
    role: Role
    key: str
    at: Instant
    started: Instant
    trace_id: str
    span_id: str
    parent_id: str = ""
    pool: str = ""
    connection_id: str = ""
    name: str = ""
    statement: str = ""
    code: str = ""
    reason: str = ""
    arrived: Instant = NEVER


@dataclass(frozen=True, slots=True)
class Owner:
    """The local root span of the request or job that took a connection."""

    trace_id: str
    span_id: str
    service: str
    instance: str
    name: str
    start: Instant
    end: Instant
    kind: SpanKind = SpanKind.SERVER


@dataclass(frozen=True, slots=True)
class Hold:
    """One borrow of a connection: acquired … released. `released_at` is None while nobody gave it back.

    `released_at` may be inferred (a reset query, the next borrow of the same connection); then `release`
    says how it is known. `uses` are the signals between, in order of time.
    """

    service: str
    instance: str
    pool: str
    dialect: str
    pair: str
    key: str
    acquired_at: Instant
    released_at: Instant | None
    last_used_at: Instant
    trace_id: str
    span_id: str
    owner: Owner | None = None
    wait: int = 0
    connection_id: str = ""
    statement: str = ""
    code: str = ""
    release: str = ""
    verdict: Verdict | None = None
    uses: tuple[Signal, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolSample:
    """One value of a pool's metric under its canonical name: used idle max pending timeouts waits acquires returns."""

    service: str
    instance: str
    dialect: str
    pool: str
    measure: str
    at: Instant
    value: float
    since: Instant = NEVER
    trace_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One value that a process says of itself: files files_limit sockets threads goroutines, or heap in bytes."""

    service: str
    instance: str
    measure: str
    at: Instant
    value: float
