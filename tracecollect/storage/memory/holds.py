"""Questions about connections, answered by looking at every signal there is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TypeVar

from tracecollect.lifecycle.compile import SAMPLES
from tracecollect.lifecycle.dialects import Dialect, Pair, shipped
from tracecollect.model import Instant, Owner, PoolSample, Role, Signal, SignalKind, Window
from tracecollect.ports import InstanceSeen, KeyTotals, OpenKey, SpanLoss
from tracecollect.storage.memory.reading import Point, Reading
from tracecollect.storage.memory.tables import LOCAL, LOCALITY, Row, Tables, end, instance
from tracecollect.storage.rows import span_kind

HOUR = 3600 * 10**9
_MINUTE = 60 * 10**9
# The kind of each table whose rows are signs of life: all of them.
_ALIVE = {"otel_traces": "traces", "otel_logs": "logs"} | dict.fromkeys(SAMPLES, "metrics")
_Item = TypeVar("_Item")
_Name = TypeVar("_Name", bound=Hashable)


class RememberedHolds:
    """Implements `ports.HoldReader` but for the borrows."""

    def __init__(self, dialects: Sequence[Dialect] | None = None) -> None:
        self._dialects = tuple(shipped() if dialects is None else dialects)
        self._reading = Reading(self._dialects)
        self._tables = Tables()
        self._signals: list[Signal] = []
        self._points: list[Point] = []

    def _read(self, table: str, row: Row) -> None:
        """What the dialects say of a row that was just written."""
        if table == "otel_traces":
            self._signals += self._reading.of_span(row)
        elif table == "otel_logs":
            self._signals += self._reading.of_log(row)
        else:
            self._points += self._reading.of_point(table.removeprefix("otel_metrics_"), row)

    def _pair(self, one: Signal) -> Pair:
        return next(each for each in self._dialects if each.name == one.dialect).pairs[one.pair]

    def _within(self, window: Window) -> list[Signal]:
        """The facts of a window in order of time, each once."""
        return [one for one in facts(self._signals) if window.since <= one.at <= window.until]

    # --- keys and signals ---------------------------------------------------------------------------

    def signals_of_keys(self, keys: Iterable[OpenKey], window: Window) -> Sequence[Signal]:
        """The facts of these keys in order of time."""
        wanted = set(keys)
        return [one for one in self._within(window) if _key(one) in wanted]

    def signals_of_trace(self, trace_id: str) -> Sequence[Signal]:
        """Every signal of one trace in order of time."""
        return [one for one in facts(self._signals) if one.trace_id == trace_id]

    def signals_of_pool(self, instance: str, pool: str, window: Window, limit: int) -> Sequence[Signal]:
        """The newest signals of one pool in order of time."""
        return [one for one in self._within(window) if (one.instance, one.pool) == (instance, pool)][-limit:]

    def totals(self, window: Window, *, grace: int) -> Sequence[KeyTotals]:
        """Opened and closed keys per instance, dialect, pair and pool, and the keys that are open."""
        groups: dict[tuple[str, str, str, str, str], list[list[Signal]]] = defaultdict(list)
        delivered = [one for one in self._signals if window.since <= one.at <= window.until]
        for key, found in grouped(delivered, _key).items():
            groups[found[0].service, key.instance, key.dialect, key.pair, _pool(found)].append(found)
        return [self._total(name, groups[name], window.until, grace) for name in sorted(groups)]

    def _total(
        self, name: tuple[str, str, str, str, str], keys: Sequence[Sequence[Signal]], until: int, grace: int
    ) -> KeyTotals:
        opens = [len(_of(one, Role.OPEN)) for one in keys]
        closes = [len(_of(one, Role.CLOSE)) for one in keys]
        each = list(zip(opens, closes, strict=True))
        service, instance, dialect, pair, pool = name
        return KeyTotals(
            service=service,
            instance=instance,
            dialect=dialect,
            pair=pair,
            pool=pool,
            keys=sum(opened + closed > 0 for opened, closed in each),
            closed=sum(opened > 0 and closed > 0 for opened, closed in each),
            stray_closes=sum(max(0, closed - opened) for opened, closed in each),
            acquired=sum(one.kind is SignalKind.ACQUIRED for found in keys for one in found),
            first_at=min(one.at for found in keys for one in found),
            last_at=max(one.at for found in keys for one in found),
            open_keys=tuple(found[0].key for found in keys if is_open(found, self._pair(found[0]), until - grace)),
            held=sum(is_open(found, self._pair(found[0]), until) for found in keys),
        )

    # --- the world around them ----------------------------------------------------------------------

    def owners(self, trace_ids: Iterable[str]) -> Sequence[Owner]:
        """Entry spans of these traces in order of start."""
        wanted = set(trace_ids)
        ended = [one for one in self._tables.owners() if one["TraceId"] in wanted]
        found = [_owner(copies) for copies in grouped(ended, lambda one: (instance(one), span_of(one))).values()]
        return sorted(found, key=lambda one: one.start)

    def loss(self, services: Iterable[str], window: Window, *, grace: int, enough: int) -> Sequence[SpanLoss]:
        """Span loss of these services' instances, measured on every trace however many there are."""
        del enough
        asked = set(services)
        mine = [one for one in self._tables.spans if one["ServiceName"] in asked]
        came = {span_of(one) for one in mine if one["Timestamp"] >= window.since - HOUR}
        # Spans that are holds themselves are the question, not the measure.
        opens = [one for one in self._within(window) if one.role is Role.OPEN and one.key == one.parent_id]
        holds = {(one.trace_id, one.key) for one in opens}
        referred = {
            (instance(one), (one["TraceId"], one["ParentSpanId"]))
            for one in mine
            if one["Flags"] & LOCALITY == LOCAL
            and one["ParentSpanId"]
            and window.since <= one["Timestamp"] <= window.until - grace
        }
        measured = [one for one in referred if one[1] not in holds]
        return [
            SpanLoss(name, len(parents), sum(parent not in came for _, parent in parents))
            for name, parents in grouped(measured, lambda one: one[0]).items()
        ]

    def samples(self, window: Window, instance: str = "", pool: str = "") -> Sequence[PoolSample]:
        """Pool metrics under canonical names in order of time, what deltas say added up from the window's beginning."""
        asked = [
            one
            for one in self._points
            if window.since <= one.at <= window.until and instance in ("", one.instance) and pool in ("", one.pool)
        ]
        levels: list[Point] = []
        for copies in grouped(asked, lambda one: replace(one, at=Instant(0), since=Instant(0), value=0.0)).values():
            levels += _levels(copies)
        found = [_sample(of_pool) for of_pool in grouped(levels, _moment).values()]
        return sorted(self._once(found), key=lambda one: (one.instance, one.pool, one.measure, one.at))

    def _once(self, samples: Sequence[PoolSample]) -> Sequence[PoolSample]:
        """Without the metrics of a dialect that yields to another one which counts in the same process."""
        counting = {(one.instance, one.dialect) for one in samples if one.measure == "used"}
        yielding = {one.name: one.yields_to for one in self._dialects}
        return [one for one in samples if not {(one.instance, other) for other in yielding[one.dialect]} & counting]

    def instances(self, window: Window) -> Sequence[InstanceSeen]:
        """Every (instance, scope) heard of, by whole minutes."""
        heard = [one for one in self._heard() if minute(window.since) <= minute(one.at) <= window.until]
        by_scope = grouped(heard, lambda one: (one.service, one.instance, one.scope))
        return [
            InstanceSeen(
                service=service,
                instance=name,
                scope=scope,
                spans=sum(one.kind == "traces" for one in found),
                first_at=min(one.at for one in found),
                last_at=max(one.until for one in found),
                arrived_at=max(one.arrived for one in found),
                systems=tuple(sorted({one.system for one in found if one.system is not None})),
            )
            for (service, name, scope), found in sorted(by_scope.items())
        ]

    def _heard(self) -> Iterator[Heard]:
        for table, kind in _ALIVE.items():
            for row in self._tables.of(table):
                yield Heard(row, kind)


class Heard:
    """One sign of life: a row of any telemetry table as what it says about its process."""

    def __init__(self, row: Row, kind: str) -> None:
        attributes = row.get("SpanAttributes", {})
        self.kind = kind
        self.service: str = row["ServiceName"]
        self.instance = instance(row)
        self.scope: str = row["ScopeName"]
        self.at = Instant(row["TimeUnix"] if kind == "metrics" else row["Timestamp"])
        self.until = Instant(end(row)) if kind == "traces" else self.at
        self.arrived = Instant(row["Arrived"])
        self.system: str | None = attributes.get("db.system.name") or attributes.get("db.system")


def facts(signals: Iterable[Signal]) -> list[Signal]:
    """In order of time, each once however often it was delivered; the first delivery says when it arrived."""
    once: dict[Hashable, Signal] = {}
    for one in sorted(signals, key=lambda one: one.arrived):
        once.setdefault((_key(one), one.service, one.kind, one.role, one.at, one.trace_id, one.span_id), one)
    return sorted(once.values(), key=lambda one: one.at)


def grouped(items: Iterable[_Item], name: Callable[[_Item], _Name]) -> dict[_Name, list[_Item]]:
    """The items by their name, groups in the order in which they were first met."""
    groups: dict[_Name, list[_Item]] = defaultdict(list)
    for one in items:
        groups[name(one)].append(one)
    return groups


def span_of(row: Row) -> tuple[str, str]:
    """What tells one span from another, however often it was delivered."""
    return row["TraceId"], row["SpanId"]


def minute(at: int) -> int:
    """The beginning of the minute."""
    return at // _MINUTE * _MINUTE


def is_open(signals: Sequence[Signal], pair: Pair, ripe: int) -> bool:
    """Is a key open whose signals are these: opened, unanswered by its pair's `open_if`, and nothing after `ripe`?"""
    opens, closes = _of(signals, Role.OPEN), _of(signals, Role.CLOSE)
    signs = [one.at for one in signals if one.role is not Role.NOTE]
    if not opens or max(signs) > ripe or _last(opens) <= _last(_of(signals, Role.PIN)):
        return False
    match pair.open_if:
        case "last":
            return _last(opens) > _last(closes)
        case "none":
            return not closes
        case "count":
            return _unanswered(opens, signals) > len({(one.span_id, one.at) for one in closes})
        case "cover":
            return not all(any(c.started <= one.started and one.at <= c.at for c in closes) for one in opens)
    return False


def _unanswered(opens: Sequence[Signal], signals: Sequence[Signal]) -> int:
    """Openers that nothing excuses: an excuse is for a statement, and if it gives a reason, for that name only."""
    excuses = {(one.reason, one.statement) for one in _of(signals, Role.EXCUSE)}
    begun = {(one.span_id, one.at, one.name, one.statement) for one in opens}
    return sum(not {(name, statement), ("", statement)} & excuses for _, _, name, statement in begun)


def _of(signals: Iterable[Signal], role: Role) -> list[Signal]:
    return [one for one in signals if one.role is role]


def _last(signals: Iterable[Signal]) -> int:
    return max((one.at for one in signals), default=0)


def _pool(signals: Sequence[Signal]) -> str:
    """The pool of a key is what its openers and closers say, if they do."""
    said = max((one.pool for one in signals if one.role is not Role.NOTE), default="")
    return said or max(one.pool for one in signals)


def _key(one: Signal) -> OpenKey:
    return OpenKey(one.instance, one.dialect, one.pair, one.key)


def _owner(copies: Sequence[Row]) -> Owner:
    one = copies[0]
    return Owner(
        one["TraceId"],
        one["SpanId"],
        one["ServiceName"],
        instance(one),
        one["SpanName"],
        Instant(min(each["Timestamp"] for each in copies)),
        Instant(max(map(end, copies))),
        span_kind(one["SpanKind"]),
    )


def _levels(copies: Sequence[Point]) -> list[Point]:
    """One series in order of time, each moment once. A delta becomes the sum of all so far, and has no beginning."""
    moments = {one.at: one for one in copies}
    series = [moments[at] for at in sorted(moments)]
    if not series[0].delta:
        return series
    return [
        replace(one, since=Instant(0), value=sum(each.value for each in series[: number + 1]))
        for number, one in enumerate(series)
    ]


def _moment(one: Point) -> Hashable:
    return one.service, one.instance, one.dialect, one.pool, one.measure, one.at


def _sample(series: Sequence[Point]) -> PoolSample:
    """What several series of one pool say at one moment is said together."""
    one = series[0]
    return PoolSample(
        one.service,
        one.instance,
        one.dialect,
        one.pool,
        one.measure,
        one.at,
        sum(each.value for each in series),
        max(each.since for each in series),
        tuple(dict.fromkeys(trace for each in series for trace in each.trace_ids)),
    )
