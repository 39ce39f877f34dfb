"""The nouns: what is received, what is followed, what is concluded.

Conventions: times are integers, nanoseconds since the Unix epoch (`Instant`); durations are integer
nanoseconds unless the name says `_seconds`; ids are lower-case hex (32 characters for a trace, 16 for a
span), the empty string where there is none. Everything is frozen. The words are those of ARCHITECTURE.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

Instant = NewType("Instant", int)
"""Nanoseconds since the Unix epoch. Written in JSON as RFC 3339 with a Z."""

SECOND = 1_000_000_000


# --- what is received -------------------------------------------------------------------------------


class SpanKind(StrEnum):
    """Span kinds, spelled as in the Collector's ClickHouse tables."""

    UNSPECIFIED = "Unspecified"
    INTERNAL = "Internal"
    SERVER = "Server"
    CLIENT = "Client"
    PRODUCER = "Producer"
    CONSUMER = "Consumer"


class StatusCode(StrEnum):
    """Span status, spelled as in the Collector's ClickHouse tables."""

    UNSET = "Unset"
    OK = "Ok"
    ERROR = "Error"


@dataclass(frozen=True, slots=True)
class SpanEvent:
    """Something that happened inside a span."""

    at: Instant
    name: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SpanLink:
    """A span's reference to a span of this or another trace."""

    trace_id: str
    span_id: str
    attributes: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Span:
    """One span as it was stored. `open`: it was still running when last heard of, `duration` is a lower bound."""

    trace_id: str
    span_id: str
    parent_id: str
    name: str
    kind: SpanKind
    service: str
    instance: str
    start: Instant
    duration: int
    status: StatusCode = StatusCode.UNSET
    status_message: str = ""
    flags: int = 0
    scope: str = ""
    scope_version: str = ""
    trace_state: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)
    resource: Mapping[str, str] = field(default_factory=dict)
    events: tuple[SpanEvent, ...] = ()
    links: tuple[SpanLink, ...] = ()
    arrived: Instant = Instant(0)
    open: bool = False

    @property
    def end(self) -> Instant:
        """When the span ended."""
        return Instant(self.start + self.duration)

    @property
    def parent_is_local(self) -> bool:
        """The exporter says that the parent ran in the same process (OTLP span flags, bits 8 and 9)."""
        return self.flags & 0x300 == 0x100


@dataclass(frozen=True, slots=True)
class LogRecord:
    """One log record or event of a trace."""

    at: Instant
    trace_id: str
    span_id: str
    service: str
    severity: str
    body: str
    event_name: str = ""
    scope: str = ""
    attributes: Mapping[str, str] = field(default_factory=dict)


# --- what is followed -------------------------------------------------------------------------------


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
    arrived: Instant = Instant(0)


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
    since: Instant = Instant(0)
    trace_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ProcessSample:
    """One value that a process says of itself: files files_limit sockets threads goroutines, or heap in bytes."""

    service: str
    instance: str
    measure: str
    at: Instant
    value: float


# --- what is concluded ------------------------------------------------------------------------------


class Verdict(StrEnum):
    """What is said of a hold or of a leak site; ARCHITECTURE.md has the rules."""

    LEAKED = "leaked"
    SUSPECTED = "suspected"
    HELD_LONG = "held_long"
    CLOSED_LATE = "closed_late"
    RECOVERED = "recovered"
    PINNED_BY_DESIGN = "pinned_by_design"
    UNKNOWN = "unknown"


class EvidenceKind(StrEnum):
    """Somebody said it, or something that must have come did not."""

    OBSERVED = "observed"
    INFERRED = "inferred"


class CoverageLevel(StrEnum):
    """How much a pool lets us see, best first."""

    CERTAIN = "certain"
    INFERRED = "inferred"
    COUNTED = "counted"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sentence behind a finding, with the span or trace it rests on."""

    kind: EvidenceKind
    text: str
    trace_id: str = ""
    span_id: str = ""


@dataclass(frozen=True, slots=True)
class LeakedHold:
    """One leaked hold of a finding, named by the trace that took it."""

    trace_id: str
    span_id: str | None
    connection_id: str | None
    acquired_at: Instant
    held_seconds: float


@dataclass(frozen=True, slots=True)
class Suspect:
    """An operation whose traffic explains the growth of what is out: how many of it, at least and at most (90 %)."""

    entry: str
    count: float
    low: float
    high: float
    trace_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Impact:
    """What a leak costs. Intervals are 90 %; None where there are too few leaks or nobody says how large the pool is.

    `waits` is how many waited long for the pool, `starved` how many of them only because of this leak, `timeouts` how
    many of these got nothing; seconds are theirs together.
    """

    per_hour_low: float | None = None
    per_hour_high: float | None = None
    pool_size: int | None = None
    left: int | None = None
    exhausted_from: Instant | None = None
    exhausted_to: Instant | None = None
    waits: int = 0
    starved: int = 0
    starved_seconds: float = 0.0
    timeouts: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One leak site. `instances` is empty when only metrics prove it: counted, not named."""

    id: str
    verdict: Verdict
    confidence: float
    family: str
    dialect: str
    service: str
    instance: str
    pool: str
    entry: str
    code: str | None
    statement: str | None
    leaked_count: int
    first_at: Instant
    last_at: Instant
    per_hour: float | None
    exhausted_at: Instant | None
    starved_requests: int
    evidence: tuple[Evidence, ...]
    instances: tuple[LeakedHold, ...]
    impact: Impact | None = None
    suspects: tuple[Suspect, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much one pool lets us see, why, and the one change that would raise it."""

    service: str
    instance: str
    pool: str
    level: CoverageLevel
    dialects: tuple[str, ...]
    why: str
    hint: str


@dataclass(frozen=True, slots=True)
class LeakReport:
    """The answer of `tracecollect leaks`, version 1 of its JSON."""

    as_of: Instant
    findings: tuple[Finding, ...]
    coverage: tuple[Coverage, ...]
    version: int = 1


@dataclass(frozen=True, slots=True)
class FindingChange:
    """One line of a finding's history: what was said of it and when."""

    at: Instant
    verdict: Verdict
    leaked_count: int
    reason: str


# --- what a person asks for -------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, `since` included, `until` excluded."""

    since: Instant
    until: Instant


@dataclass(frozen=True, slots=True)
class LeakQuery:
    """What `leaks` is asked. `as_of` None means now; `grace` in nanoseconds, None: the setting of who answers.

    `ended`: every process of the window has ended in order, so what was open then was never given back.
    `fresh` False: what was judged last will do, where the question is about now and the usual grace.
    """

    since: Instant | None = None
    as_of: Instant | None = None
    grace: int | None = None
    service: str = ""
    pool: str = ""
    ended: bool = False
    fresh: bool = True


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What `search` is asked: every condition must hold for one span of the trace."""

    window: Window
    service: str = ""
    operation: str = ""
    min_duration: int = 0
    max_duration: int | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    error: bool = False
    limit: int = 20


@dataclass(frozen=True, slots=True)
class TraceSummary:
    """A trace in one line."""

    trace_id: str
    root_service: str
    root_name: str
    start: Instant
    duration: int
    span_count: int
    error_count: int
    services: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Trace:
    """Everything stored of one trace. Spans are in order of start; redelivered copies are already one."""

    trace_id: str
    spans: tuple[Span, ...]
    logs: tuple[LogRecord, ...] = ()
    holds: tuple[Hold, ...] = ()
    duplicates: int = 0


@dataclass(frozen=True, slots=True)
class Lifecycle:
    """The holds of one pool, trace or finding over a window, with the pool's and the process's own metrics."""

    title: str
    window: Window
    holds: tuple[Hold, ...]
    samples: tuple[PoolSample, ...] = ()
    finding: Finding | None = None
    omitted: int = 0
    process: tuple[ProcessSample, ...] = ()


@dataclass(frozen=True, slots=True)
class PoolReport:
    """One pool at one moment. Numbers are None where the pool says nothing about them."""

    service: str
    instance: str
    pool: str
    system: str
    coverage: Coverage
    used: int | None = None
    idle: int | None = None
    max: int | None = None
    pending: int | None = None
    timeouts: int | None = None
    open_holds: int | None = None
    leaked: int = 0
    suspected: int = 0
    last_at: Instant = Instant(0)


class Cause(StrEnum):
    """What a long wait for a connection is put down to."""

    LEAK = "leak"
    SLOW_HOLDERS = "slow_holders"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Holder:
    """Who had a connection of a pool at a moment. `until` None: nobody saw it come back; `finding` where it leaked."""

    service: str
    instance: str
    entry: str
    trace_id: str
    span_id: str
    since: Instant
    until: Instant | None
    verdict: Verdict | None
    code: str = ""
    statement: str = ""
    connection_id: str = ""
    finding: str = ""


@dataclass(frozen=True, slots=True)
class Starved:
    """A wait for a connection that was long or in vain, and who had the pool's connections when it began.

    Holders are the leaked ones first, then those who had theirs longest. `place` is the place in the queue, `lost` how
    many connections had leaked by then, `unnamed` how many of these are only counted.
    """

    service: str
    instance: str
    pool: str
    entry: str
    trace_id: str
    span_id: str
    began: Instant
    ended: Instant
    failed: bool
    cause: Cause
    why: str
    place: int
    lost: int
    unnamed: int
    pool_size: int | None
    holders: tuple[Holder, ...]


@dataclass(frozen=True, slots=True)
class Blame:
    """One operation kept another waiting: how many of its requests, and for how long together.

    A wait's time is shared evenly by those it is put down to. `finding` and `verdict` where the holders leaked;
    an empty `holder` is what only the pool's own numbers know of.
    """

    service: str
    holder: str
    code: str
    statement: str
    finding: str
    verdict: Verdict | None
    starved: str
    requests: int
    timeouts: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Starvation:
    """Who kept whom waiting for one pool, the most time first.

    Of `waits` that were long or in vain, `unexplained` are nobody's; `omitted` are older than the holds that are known.
    """

    service: str
    pool: str
    waits: int
    unexplained: int
    omitted: int
    blames: tuple[Blame, ...]


@dataclass(frozen=True, slots=True)
class ServiceReport:
    """One instance of a service: what it sent, through what, and when last."""

    service: str
    instance: str
    spans: int
    first_at: Instant
    last_at: Instant
    scopes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CallEdge:
    """Calls from one operation to another over a window. `caller_*` are empty for entry operations."""

    caller_service: str
    caller_name: str
    service: str
    name: str
    kind: SpanKind
    count: int
    errors: int
    total: int
    p50: int = 0
    p99: int = 0


# --- builds, compared ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class BuildQuery:
    """A build of one service: a version (`service.version`), a window, both, or (neither) all that is stored.

    `grace` in nanoseconds, None: the setting of who answers.
    """

    service: str
    version: str = ""
    window: Window | None = None
    grace: int | None = None


@dataclass(frozen=True, slots=True)
class Traffic:
    """What requests of one entry operation did with connections; `entry` is empty for all of them together.

    Hold times are of the holds that came back. None: nothing was seen that says it.
    """

    entry: str
    requests: int
    connections_per_request: float | None
    held_p50: int | None
    held_p95: int | None
    statements_per_hold: float | None


@dataclass(frozen=True, slots=True)
class BuildSide:
    """What was looked at: until `window.until` leaks are judged; of many requests a sample is followed.

    `unjudged` counts connections of which nobody can tell: their process was not heard of until their grace was over.
    """

    version: str
    window: Window
    requests: int
    followed: int
    unjudged: int
    coverage: tuple[Coverage, ...]


@dataclass(frozen=True, slots=True)
class Build:
    """One build of a service: what its requests did with connections, and its leak sites."""

    service: str
    side: BuildSide
    whole: Traffic
    operations: tuple[Traffic, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class TrafficChange:
    """One entry operation in two builds; None: it was not asked for there."""

    entry: str
    before: Traffic | None
    after: Traffic | None


@dataclass(frozen=True, slots=True)
class BuildDiff:
    """Two builds beside each other. Leak sites are the same when their ids are; `still` as they are afterwards."""

    service: str
    before: BuildSide
    after: BuildSide
    whole: TrafficChange
    operations: tuple[TrafficChange, ...]
    new: tuple[Finding, ...]
    vanished: tuple[Finding, ...]
    still: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class OperationCalls:
    """How often one operation was called in a trace; `total` and `longest` are nanoseconds."""

    count: int
    errors: int
    total: int
    longest: int


@dataclass(frozen=True, slots=True)
class OperationChange:
    """One operation in two traces; None: it is not in that one."""

    service: str
    name: str
    before: OperationCalls | None
    after: OperationCalls | None


@dataclass(frozen=True, slots=True)
class TraceDiff:
    """Two traces operation by operation, in the order in which the operations first began; durations in nanoseconds."""

    before: str
    after: str
    before_duration: int
    after_duration: int
    operations: tuple[OperationChange, ...]
