"""What a store tells about connections: records that are no nouns of their own, and the questions that give them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from tracecollect.model import Instant, Owner, PoolSample, ProcessSample, Signal, Window


@dataclass(frozen=True, slots=True)
class OpenKey:
    """A key that was opened and not closed: the remainder that reaches the judge."""

    instance: str
    dialect: str
    pair: str
    key: str


@dataclass(frozen=True, slots=True)
class KeyTotals:
    """How often a pair was seen to open and close in one pool of one instance: its capability and its baseline.

    `stray_closes` (closers beyond the openers of their key) and `acquired` count what was delivered, copies included:
    telling copies apart doubles the cost of the question. `open_keys` are those whose newest opener is
    unanswered and older than the grace, by the pair's `open_if`; there, copies are one. `held` counts all ages.
    """

    service: str
    instance: str
    dialect: str
    pair: str
    pool: str
    keys: int
    closed: int
    stray_closes: int
    acquired: int
    first_at: Instant
    last_at: Instant
    open_keys: tuple[str, ...] = ()
    held: int = 0

    def plus(self, other: KeyTotals) -> KeyTotals:
        """Both, where they are about other keys of the same pool."""
        return replace(
            self,
            keys=self.keys + other.keys,
            closed=self.closed + other.closed,
            stray_closes=self.stray_closes + other.stray_closes,
            acquired=self.acquired + other.acquired,
            first_at=min(self.first_at, other.first_at),
            last_at=max(self.last_at, other.last_at),
            open_keys=self.open_keys + other.open_keys,
            held=self.held + other.held,
        )


@dataclass(frozen=True, slots=True)
class Borrow:
    """One acquire that was traced, with the entry span that took the connection.

    `began` is when it was asked for, `at` when it was there, `last_use` the last thing known to be done with it;
    `fresh`: a physical connection was opened for it; `failed`: something went wrong while it was had.
    `owner_end` None: the entry span has not arrived.
    """

    service: str
    instance: str
    dialect: str
    pool: str
    trace_id: str
    span_id: str
    at: Instant
    owner_end: Instant | None
    began: Instant
    last_use: Instant
    fresh: bool
    failed: bool
    statement: str = ""
    entry: str = ""
    entry_span: str = ""


@dataclass(frozen=True, slots=True)
class SpanLoss:
    """How many local parents were referred to and how many of them never came, in one instance."""

    instance: str
    referred: int
    missing: int


@dataclass(frozen=True, slots=True)
class InstanceSeen:
    """What one instance sent through one scope: liveness, and what coverage can be expected."""

    service: str
    instance: str
    scope: str
    spans: int
    first_at: Instant
    last_at: Instant
    arrived_at: Instant
    systems: tuple[str, ...] = ()


class HoldReader(Protocol):
    """Questions about connections. `until` bounds by event time, so a recording can be judged at its own end."""

    def signals_of_keys(self, keys: Iterable[OpenKey], window: Window) -> Sequence[Signal]:
        """The facts of these keys, one per (key, signal, span) however often delivered, in order of time."""

    def signals_of_trace(self, trace_id: str) -> Sequence[Signal]:
        """Every signal of one trace, in order of time."""

    def signals_of_pool(self, instance: str, pool: str, window: Window, limit: int) -> Sequence[Signal]:
        """The newest `limit` signals of one pool, in order of time."""

    def borrows(self, instances: Iterable[str], window: Window) -> Sequence[Borrow]:
        """The borrows of these instances with the end of the entry span that took them, in order of time."""

    def owners(self, trace_ids: Iterable[str]) -> Sequence[Owner]:
        """Local root spans (entry spans) of these traces, in order of start."""

    def totals(self, window: Window, *, grace: int) -> Sequence[KeyTotals]:
        """Opened and closed keys per instance, dialect, pair and pool, and the keys that are open."""

    def loss(self, services: Iterable[str], window: Window, *, grace: int, enough: int) -> Sequence[SpanLoss]:
        """Measured span loss of these services' instances; traces younger than the grace are left out.

        Where there are many more spans than `enough`, a sample of the traces is measured.
        """

    def samples(self, window: Window, instance: str = "", pool: str = "") -> Sequence[PoolSample]:
        """Pool metrics under canonical names, in order of time."""

    def instances(self, window: Window) -> Sequence[InstanceSeen]:
        """Every (instance, scope) heard of up to the window's end."""


@dataclass(frozen=True, slots=True)
class Taken:
    """When one physical connection of a pool was taken or given back, in order of time; `back` are the latter."""

    instance: str
    pool: str
    connection_id: str
    at: tuple[Instant, ...]
    back: frozenset[Instant]


@dataclass(frozen=True, slots=True)
class LateReturns:
    """Of a path's holds that came back: how many did so over a second after their owner, at most `latest` after it.

    `lasted`: how long 95 % of them were out at most. Both in nanoseconds.
    """

    instance: str
    dialect: str
    pair: str
    entry: str
    closed: int
    late: int
    latest: int
    lasted: int


@dataclass(frozen=True, slots=True)
class Returns:
    """How paths give their connections back, read from a share of the traces: a path that is not there gave none."""

    paths: Sequence[LateReturns] = ()
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class Lived:
    """The local root spans of some requests in order of start, and when each process last did something for a request.

    `active` is by (instance, trace id).
    """

    owners: Sequence[Owner]
    active: Mapping[tuple[str, str], Instant]


@dataclass(frozen=True, slots=True)
class Wait:
    """Somebody waited for a connection from `began` to `ended`; `failed`: in vain."""

    instance: str
    pool: str
    trace_id: str
    span_id: str
    began: Instant
    ended: Instant
    failed: bool


@dataclass(frozen=True, slots=True)
class Served:
    """How many requests a process served by its own metrics, and how many of their entry spans arrived."""

    instance: str
    served: int
    traced: int


@dataclass(frozen=True, slots=True)
class Session:
    """A session that the database itself saw idle in a transaction, by the request that used it last.

    `first_at` and `last_at` are samples; nothing else was seen of the session after the last one.
    """

    connection_id: str
    trace_id: str
    first_at: Instant
    last_at: Instant


class WitnessReader(Protocol):
    """Questions about what surrounds the accused: asked only of the processes that have some."""

    def taken(self, instances: Iterable[str], window: Window) -> Sequence[Taken]:
        """When each physical connection with a known identity was taken."""

    def minutes(self, instances: Iterable[str], window: Window) -> Mapping[str, Sequence[int]]:
        """The minutes (unix seconds of their beginning) in which each process was heard of, in order."""

    def places(self, pools: Iterable[KeyTotals]) -> Mapping[tuple[str, str], str]:
        """Where pools lead (`address:port/namespace`) by instance and pool, as their newest connection event says."""

    def returns(self, instances: Iterable[str], window: Window) -> Returns:
        """How the paths of these processes give back, from a sample of the traces where they are many."""

    def alive(self, service: str, instance: str, moments: Sequence[Instant], window: Window) -> Sequence[int]:
        """How many entry spans lived at each moment; empty where none was ever seen."""

    def waits(self, instances: Iterable[str], window: Window, *, least: int) -> Sequence[Wait]:
        """Who waited at least so long (nanoseconds) for a connection, in order of time."""

    def process(self, services: Iterable[str], instances: Iterable[str], window: Window) -> Sequence[ProcessSample]:
        """What these processes say of themselves beside their pools, in order of time."""

    def served(self, instances: Iterable[str], window: Window) -> Sequence[Served]:
        """What these processes say that they served, beside what was traced of it."""

    def lived(self, trace_ids: Iterable[str], window: Window) -> Lived:
        """How long these requests lived, as far as it was told; `active` looks at the window only."""

    def sessions(self, trace_ids: Iterable[str], window: Window) -> Sequence[Session]:
        """The sessions that these requests left idle in a transaction, as the database saw it, in order of time."""


@dataclass(frozen=True, slots=True)
class VersionSeen:
    """One version of a service in one process, by the spans that say it; empty where its resource says none."""

    instance: str
    version: str
    first_at: Instant
    last_at: Instant


@dataclass(frozen=True, slots=True)
class RequestsSeen:
    """How many requests of one entry operation there were, and of how many of them the signals are asked."""

    entry: str
    requests: int
    followed: int


class TrafficReader(Protocol):
    """Questions about the requests of one service. A sample is those whose trace id ends below `below` (8 digits)."""

    def versions(self, service: str, window: Window) -> Sequence[VersionSeen]:
        """The versions of a service and the processes that ran them, in order of their first span."""

    def requests(self, service: str, version: str, window: Window, *, below: str) -> Sequence[RequestsSeen]:
        """The entry operations of a service and, if one is said, version, the busiest first."""

    def signals_of_requests(
        self, service: str, instances: Iterable[str], window: Window, *, below: str
    ) -> Sequence[Signal]:
        """Every signal of a key that the sampled requests touched, in order of time."""
