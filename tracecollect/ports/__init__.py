"""The seams of the house, as protocols. Parts know these, not each other; `app.py` joins them.

receivers ──Sink──▶ journal ──▶ pipeline ──SpanWriter──▶ store ──HoldReader──▶ lifecycle ──▶ Answers ──▶ cli, web
                                                          └────────TraceReader──────────────┘
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from tracecollect.model import (
    Build,
    BuildQuery,
    CallEdge,
    Finding,
    FindingChange,
    Instant,
    LeakQuery,
    LeakReport,
    Lifecycle,
    LogRecord,
    PoolReport,
    SearchQuery,
    ServiceReport,
    Span,
    Starvation,
    Starved,
    Trace,
    TraceSummary,
    Window,
)
from tracecollect.ports.holds import (
    Borrow as Borrow,
)
from tracecollect.ports.holds import (
    HoldReader as HoldReader,
)
from tracecollect.ports.holds import (
    InstanceSeen as InstanceSeen,
)
from tracecollect.ports.holds import (
    KeyTotals as KeyTotals,
)
from tracecollect.ports.holds import (
    LateReturns as LateReturns,
)
from tracecollect.ports.holds import (
    Lived as Lived,
)
from tracecollect.ports.holds import (
    OpenKey as OpenKey,
)
from tracecollect.ports.holds import (
    RequestsSeen as RequestsSeen,
)
from tracecollect.ports.holds import (
    Returns as Returns,
)
from tracecollect.ports.holds import (
    Served as Served,
)
from tracecollect.ports.holds import (
    Session as Session,
)
from tracecollect.ports.holds import (
    SpanLoss as SpanLoss,
)
from tracecollect.ports.holds import (
    Taken as Taken,
)
from tracecollect.ports.holds import (
    TrafficReader as TrafficReader,
)
from tracecollect.ports.holds import (
    VersionSeen as VersionSeen,
)
from tracecollect.ports.holds import (
    Wait as Wait,
)
from tracecollect.ports.holds import (
    WitnessReader as WitnessReader,
)

if TYPE_CHECKING:  # the ports stay light: a service with the probe imports no Arrow
    import pyarrow as pa


class Telemetry(StrEnum):
    """The three kinds of OTLP export requests."""

    TRACES = "traces"
    METRICS = "metrics"
    LOGS = "logs"


# --- the way in -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was taken of one export request, once it is on disk.

    `rejected` counts the single bad items that were left out, `reason` says why (for `partial_success`).
    """

    accepted: int
    rejected: int = 0
    reason: str = ""


class Sink(Protocol):
    """Where a receiver hands requests over. Returning is the promise: the journal has it on disk."""

    def accept(self, telemetry: Telemetry, body: bytes, *, transport: str) -> Receipt:
        """Take one uncompressed OTLP export request (protobuf bytes).

        Raises `Rejected` (malformed; the message names the reason), `TooLarge`, or `Busy` (try again later).
        """


@dataclass(frozen=True, slots=True)
class Entry:
    """One acknowledged export request that is not stored yet. `items` counts its good spans, records or points."""

    id: int
    telemetry: Telemetry
    arrived: Instant
    items: int
    body: bytes


@dataclass(frozen=True, slots=True)
class Depth:
    """How much is acknowledged and not stored yet. `oldest` is None when that is nothing."""

    entries: int = 0
    items: int = 0
    bytes: int = 0
    oldest: Instant | None = None


MOST_SPANS = 100_000
"""So many spans of one trace are read unless more are asked for: Python holds, orders and draws them in seconds."""
Recorded = Callable[[Exception | None, bool], None]
"""What a recorder calls when a request is on disk, or why it is not; `new` as `Recorder.append` returns it."""


class Recorder(Protocol):
    """The receivers' end of the journal."""

    def append(self, telemetry: Telemetry, body: bytes, items: int) -> bool:
        """Put one request on disk; it is there when this returns. Raises `Busy`. Safe from any thread.

        False: the very same bytes came a short while ago, a retry; they are there once.
        """

    def submit(self, telemetry: Telemetry, body: bytes, items: int, done: Recorded) -> None:
        """The same without waiting: `done(error, new)` is called once, on another thread. Raises `Busy` at once."""

    def close(self) -> None:
        """Write what waits and let go of the file. Idempotent."""


class Backlog(Protocol):
    """The pipeline's end of the journal: batches with boundaries that survive a crash."""

    def depth(self) -> Depth:
        """How much waits. Safe from any thread."""

    def next_batch(self, *, max_items: int, max_bytes: int) -> Sequence[Entry]:
        """The oldest entries up to the limits, at least one; the same again until `forget`. Empty: nothing waits."""

    def token(self) -> str:
        """The name of that batch: the same after a restart, never given to another."""

    def forget(self) -> None:
        """The store has that batch: drop it."""

    def set_aside(self, entry: Entry, reason: str) -> None:
        """Take one entry out of that batch and keep it for a person to look at."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Columns for one insert. `token` names the batch: writing the same token again changes nothing.

    `tables` maps a table name (`otel_traces`, `otel_logs`, `otel_metrics_sum` …) to columns that are named
    and typed like that table's DDL in `storage/schema/`.
    """

    token: str
    tables: Mapping[str, pa.Table]


class SpanWriter(Protocol):
    """The writing half of a store."""

    def write(self, batch: Batch) -> None:
        """Store a batch durably; all of it is there afterwards, exactly once for a reader.

        Raises `StoreFull`, `StoreTimeout` or `StoreError`; the same batch may then be written again.
        """


# --- the way out: a store's reading half --------------------------------------------------------------


class TraceReader(Protocol):
    """Questions about traces. Absent is empty, never an exception."""

    def spans(self, trace_id: str, most: int = MOST_SPANS, skip: int = 0) -> Sequence[Span]:
        """Stored copies of a trace's spans, in order of start (redelivered ones included): `most` after `skip`."""

    def spans_named(self, trace_id: str, span_ids: Iterable[str]) -> Sequence[Span]:
        """The stored copies of some spans of a trace, in order of start."""

    def span_count(self, trace_id: str) -> int:
        """How many copies of spans are stored of a trace."""

    def logs(self, trace_id: str) -> Sequence[LogRecord]:
        """The trace's log records in order of time."""

    def trace_ids(self, prefix: str, limit: int) -> Sequence[str]:
        """Up to `limit` trace ids that begin with the prefix (lower-case hex), newest first."""

    def search(self, query: SearchQuery) -> Sequence[TraceSummary]:
        """Traces with a span that meets every condition, newest first."""

    def services(self, window: Window) -> Sequence[ServiceReport]:
        """Every instance heard of in the window, with the scopes it sent."""

    def calls(self, window: Window, service: str = "") -> Sequence[CallEdge]:
        """The operations of a window and who called them, joined in the store."""


class FindingBook(Protocol):
    """The memory of what was said: a finding is never silently dropped."""

    def findings(self) -> Sequence[Finding]:
        """The latest state of every finding."""

    def record(self, findings: Iterable[Finding], at: Instant, reasons: Mapping[str, str]) -> None:
        """Keep the findings that changed, with the reason for the change by finding id."""

    def history(self, finding_id: str) -> Sequence[FindingChange]:
        """What was said of a finding, oldest first."""


class Store(SpanWriter, TraceReader, HoldReader, WitnessReader, TrafficReader, FindingBook, Protocol):
    """A whole store. `storage/clickhouse.py` implements it, and for tests `storage/memory/`."""

    def usage(self) -> Sequence[TableUsage]:
        """What each table takes, the largest first."""

    def stop(self, name: str) -> None:
        """Give up what the question of that name (`asking`) runs in the engine."""

    def stats(self) -> Mapping[str, int]:
        """Rows and bytes by table, as `otel_traces.rows` and `otel_traces.bytes`."""

    def close(self) -> None:
        """Flush and let go of the data directory. Idempotent."""


# --- what a person may ask --------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """One question that somebody waits for, or does not any more: then `gone` is set. `name` is hexadecimal."""

    name: str
    gone: threading.Event = field(default_factory=threading.Event)


asking: ContextVar[Asked | None] = ContextVar("asking", default=None)
"""The question that this thread answers, so that a reader who goes takes it along."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of `doctor`: what was looked at, whether it is well, and what to do."""

    name: str
    ok: bool
    detail: str
    hint: str = ""


@dataclass(frozen=True, slots=True)
class TableUsage:
    """What one table takes: rows, bytes on disk, bytes unpacked, and its days (`2026-11-23`), '' where it has none."""

    table: str
    rows: int
    bytes: int
    unpacked: int = 0
    first_day: str = ""
    last_day: str = ""


@dataclass(frozen=True, slots=True)
class Status:
    """The state of a tracecollect for `doctor` and for the page."""

    version: str
    checks: tuple[Check, ...]
    settings: Mapping[str, str] = field(default_factory=dict)
    origins: Mapping[str, str] = field(default_factory=dict)
    usage: tuple[TableUsage, ...] = ()


class Answers(Protocol):
    """Everything the command line and the page can ask, answered here or by a running server.

    Ids may be shortened while unambiguous. Raises `NotFound`, `Ambiguous`, `StoreError`, `ServerGone`.
    """

    def leaks(self, query: LeakQuery) -> LeakReport:
        """Judge every pool as of a moment."""

    def finding(self, finding_id: str, query: LeakQuery) -> tuple[Finding, tuple[FindingChange, ...]]:
        """One finding and its history."""

    def trace(self, trace_id: str, most: int = MOST_SPANS, skip: int = 0) -> Trace:
        """One trace with its logs and its holds; of more than `most` spans, or than a server answers, the earliest.

        With `skip` those that follow the first so many, and the spans above them.
        """

    def lifecycle(self, subject: str, query: LeakQuery) -> Lifecycle:
        """The holds of a trace id or a finding id (`f_…`)."""

    def pool(self, name: str, query: LeakQuery) -> Lifecycle:
        """The holds and metrics of one pool."""

    def pools(self, query: LeakQuery) -> Sequence[PoolReport]:
        """Every pool that was seen."""

    def starved(self, trace_id: str, query: LeakQuery) -> Sequence[Starved]:
        """The long waits of one trace for connections, and who had them then."""

    def starvation(self, subject: str, query: LeakQuery) -> Starvation:
        """Who kept whom waiting for the pool of that name, or for the pool of a finding (`f_…`)."""

    def search(self, query: SearchQuery) -> Sequence[TraceSummary]:
        """Traces that meet every condition."""

    def services(self, window: Window) -> Sequence[ServiceReport]:
        """Every instance heard of."""

    def calls(self, window: Window, service: str = "") -> Sequence[CallEdge]:
        """The call graph of a window."""

    def build(self, query: BuildQuery) -> Build:
        """What the requests of one build of a service did with connections, and its leak sites."""

    def status(self) -> Status:
        """What `doctor` reports from where the data is."""

    def stop(self, name: str) -> None:
        """Give up the question of that name (`asking`): nobody waits for its answer. Safe from any thread."""

    def close(self) -> None:
        """Let go of the store or the connection."""
