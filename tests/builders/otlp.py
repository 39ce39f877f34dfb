"""Telemetry by hand: what a process says, span by span, as real OTLP export requests.

A `World` is a list of items, each with the moment it arrives. What happens to telemetry on its way (loss, lateness,
repetition, a clock that is off) is a function from items to items, so that one world has many fates. Times are seconds
since `EPOCH`.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from builders.store import Request
from tracecollect.model import SECOND, Instant
from tracecollect.ports import Telemetry

EPOCH = 1_790_000_000 * SECOND
SERVER, CLIENT, INTERNAL, CONSUMER = Span.SPAN_KIND_SERVER, Span.SPAN_KIND_CLIENT, Span.SPAN_KIND_INTERNAL, 5
LOCAL, REMOTE = 0x101, 0x301
Value = str | int | float | bool


def instant(seconds: float) -> Instant:
    """Seconds of the world as nanoseconds since 1970."""
    return Instant(EPOCH + round(seconds * SECOND))


@dataclass(frozen=True, slots=True)
class Item:
    """One span, log record or metric of one scope of one process; `at` is when it happened, `arrives` when it came."""

    telemetry: Telemetry
    resource: tuple[tuple[str, Value], ...]
    scope: str
    what: Span | LogRecord | Metric
    at: float
    arrives: float


@dataclass(frozen=True, slots=True)
class Sent:
    """A span that others may have as their parent."""

    trace: bytes
    own: bytes
    start: float
    end: float

    @property
    def trace_id(self) -> str:
        """As findings spell it."""
        return self.trace.hex()


@dataclass
class World:
    """Everything that is said. The seed makes ids: the same world twice is the same, byte for byte."""

    seed: int = 1
    items: list[Item] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)

    def process(self, service: str, instance: str = "", /, **resource: Value) -> Process:
        """One process of a service. Further resource attributes by keyword, with `__` for a dot."""
        own = {"service.name": service} | ({"service.instance.id": instance} if instance else {})
        return Process(self, tuple((own | _dotted(resource)).items()))


@dataclass(frozen=True, slots=True)
class Process:
    """What one process emits. Telemetry leaves a second after it happened unless said otherwise."""

    world: World
    resource: tuple[tuple[str, Value], ...]
    lag: float = 1.0

    def span(
        self,
        name: str,
        start: float,
        end: float,
        *,
        parent: Sent | None = None,
        kind: int = CLIENT,
        scope: str = "",
        flags: int = LOCAL,
        error: bool = False,
        sent: bool = True,
        happened: Iterable[tuple[str, float]] = (),
        **attributes: Value,
    ) -> Sent:
        """One span, with the events that `happened` in it. Not `sent`: children may name it, and it never comes."""
        dice = self.world.dice
        one = Sent(parent.trace if parent else dice.randbytes(16), dice.randbytes(8), start, end)
        span = Span(
            trace_id=one.trace, span_id=one.own, parent_span_id=parent.own if parent else b"", name=name, kind=kind,
            start_time_unix_nano=instant(start), end_time_unix_nano=instant(end), flags=flags,
            attributes=_pairs(_dotted(attributes).items()),
        )  # fmt: skip
        for event, at in happened:
            span.events.add(name=event, time_unix_nano=instant(at))
        if error:
            span.status.code = 2
        if sent:
            self._say(Telemetry.TRACES, scope, span, end)
        return one

    def entry(self, name: str, start: float, end: float, *, error: bool = False, sent: bool = True) -> Sent:
        """The span of a request that came in from elsewhere."""
        return self.span(name, start, end, kind=SERVER, scope="http", error=error, sent=sent)

    def log(
        self, event: str, at: float, *, of: Sent | None = None, scope: str = "", body: str = "", **more: Value
    ) -> None:
        """One log record or event, with the context of a span."""
        record = LogRecord(time_unix_nano=instant(at), event_name=event, attributes=_pairs(_dotted(more).items()))
        if of is not None:
            record.trace_id, record.span_id = of.trace, of.own
        if body:
            record.body.string_value = body
        self._say(Telemetry.LOGS, scope, record, at)

    def level(self, name: str, value: float, at: float, *, scope: str = "", since: float = 0.0, **more: Value) -> None:
        """One point of an up-down counter, cumulative since `since`."""
        metric = Metric(name=name)
        metric.sum.aggregation_temporality = 2
        metric.sum.data_points.add(
            time_unix_nano=instant(at), start_time_unix_nano=instant(since), as_int=round(value),
            attributes=_pairs(_dotted(more).items()),
        )  # fmt: skip
        self._say(Telemetry.METRICS, scope, metric, at)

    def metric(self, metric: Metric, at: float, *, scope: str = "") -> None:
        """Points of any other kind, as they are."""
        self._say(Telemetry.METRICS, scope, metric, at)

    def _say(self, telemetry: Telemetry, scope: str, what: Span | LogRecord | Metric, at: float) -> None:
        self.world.items.append(Item(telemetry, self.resource, scope, what, at, at + self.lag))


# --- what happens on the way ------------------------------------------------------------------------

Fate = Callable[[Sequence[Item]], list[Item]]


def loss(share: float, seed: int = 1, telemetry: Iterable[Telemetry] = (Telemetry.TRACES, Telemetry.LOGS)) -> Fate:
    """Single spans and records are lost at random. Metrics are cumulative: a lost point is only a gap."""
    dice, kinds = random.Random(seed), set(telemetry)
    return lambda items: [one for one in items if one.telemetry not in kinds or dice.random() >= share]


def outage(begin: float, end: float) -> Fate:
    """Nothing that would have arrived between two moments ever does: the exporter gave up."""
    return lambda items: [one for one in items if not begin <= one.arrives < end]


def delayed(begin: float, end: float) -> Fate:
    """What would have arrived between two moments comes at the second: a queue that waited for the network."""
    return lambda items: [replace(one, arrives=end) if begin <= one.arrives < end else one for one in items]


def late(seconds: float, share: float, seed: int = 1) -> Fate:
    """A share of the items comes so much later."""
    dice = random.Random(seed)
    return lambda items: [
        replace(one, arrives=one.arrives + seconds) if dice.random() < share else one for one in items
    ]


def twice(share: float = 1.0, seed: int = 1, after: float = 5.0) -> Fate:
    """A share of the items is delivered again."""
    dice = random.Random(seed)
    return lambda items: [
        *items, *(replace(one, arrives=one.arrives + after) for one in items if dice.random() < share)
    ]  # fmt: skip


def sampled(share: float) -> Fate:
    """Whole traces are kept or not, by their id as SDKs do; metrics are never sampled, records go with their trace."""

    def kept(one: Item) -> bool:
        if one.telemetry is Telemetry.METRICS or not one.what.trace_id:
            return True
        return int.from_bytes(one.what.trace_id[8:]) < share * 2**64

    return lambda items: [one for one in items if kept(one)]


def skewed(seconds: float, service: str) -> Fate:
    """The clock of one service is off: what it says happened at another time than it did, and arrives as ever."""
    by = round(seconds * SECOND)

    def moved(one: Item) -> Item:
        if ("service.name", service) not in one.resource:
            return one
        what = type(one.what)()
        what.CopyFrom(one.what)
        for holder in what.sum.data_points if isinstance(what, Metric) else [what]:
            for name, value in list(holder.ListFields()):
                if name.name.endswith("time_unix_nano"):
                    setattr(holder, name.name, value + by)
        return replace(one, what=what)

    return lambda items: [moved(one) for one in items]


def fated(items: Sequence[Item], *fates: Fate) -> list[Item]:
    """One fate after the other."""
    for fate in fates:
        items = fate(items)
    return list(items)


# --- on the wire ------------------------------------------------------------------------------------

_REQUESTS = {
    Telemetry.TRACES: (ExportTraceServiceRequest, "resource_spans", "scope_spans", "spans"),
    Telemetry.METRICS: (ExportMetricsServiceRequest, "resource_metrics", "scope_metrics", "metrics"),
    Telemetry.LOGS: (ExportLogsServiceRequest, "resource_logs", "scope_logs", "log_records"),
}


def requests(items: Iterable[Item], *, every: float = 5.0) -> list[Request]:
    """Export requests in order of arrival: one a process and kind of telemetry for each `every` seconds."""
    groups: dict[tuple[float, Telemetry, tuple[tuple[str, Value], ...]], list[Item]] = {}
    for one in items:
        groups.setdefault((one.arrives // every, one.telemetry, one.resource), []).append(one)
    found = [_request(telemetry, resource, group) for (_, telemetry, resource), group in groups.items()]
    return sorted(found, key=lambda one: one.arrived)


def _request(telemetry: Telemetry, resource: Iterable[tuple[str, Value]], items: Sequence[Item]) -> Request:
    message, resources, scopes, leaves = _REQUESTS[telemetry]
    request = message()
    of_resource = getattr(request, resources).add()
    of_resource.resource.attributes.extend(_pairs(resource))
    by_scope: dict[str, list[Span | LogRecord | Metric]] = {}
    for one in items:
        by_scope.setdefault(one.scope, []).append(one.what)
    for scope, what in by_scope.items():
        of_scope = getattr(of_resource, scopes).add()
        of_scope.scope.name = scope
        getattr(of_scope, leaves).extend(what)
    return Request(telemetry, instant(max(one.arrives for one in items)), request.SerializeToString())


def _dotted(attributes: dict[str, Value]) -> dict[str, Value]:
    return {name.replace("__", "."): value for name, value in attributes.items()}


def _pairs(attributes: Iterable[tuple[str, Value]]) -> list[KeyValue]:
    found = []
    for key, value in attributes:
        pair = KeyValue(key=key)
        kinds = {bool: "bool_value", int: "int_value", float: "double_value", str: "string_value"}
        setattr(pair.value, kinds[type(value)], value)
        found.append(pair)
    return found
