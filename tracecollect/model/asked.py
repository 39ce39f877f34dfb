"""What a person asks for, and what the answers are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from tracecollect.model.concluded import Coverage, Finding
from tracecollect.model.followed import Hold, PoolSample, ProcessSample
from tracecollect.model.moments import NEVER, SECOND, Instant
from tracecollect.model.received import LogRecord, Span, SpanKind


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, `since` included, `until` excluded."""

    since: Instant
    until: Instant

    def newest_first(self) -> Iterator[Window]:
        """The window in parts: its last minute, then eight times as long before it, and so on to its beginning."""
        until, length = self.until, 60 * SECOND
        while until > self.since:
            since = Instant(max(self.since, until - length))
            yield Window(since, until)
            until, length = since, 8 * length


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
    """Everything stored of one trace. Spans are in order of start; redelivered copies are already one.

    Of a very long trace only a stretch: `earlier` copies of spans before it are stored, too, and `omitted` after it.
    """

    trace_id: str
    spans: tuple[Span, ...]
    logs: tuple[LogRecord, ...] = ()
    holds: tuple[Hold, ...] = ()
    duplicates: int = 0
    omitted: int = 0
    earlier: int = 0


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
    last_at: Instant = NEVER


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
