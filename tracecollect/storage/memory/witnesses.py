"""What surrounds the accused, answered by looking at everything."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from tracecollect.lifecycle.dialects import Pair
from tracecollect.model import SECOND, Instant, ProcessSample, Role, Signal, SignalKind, Window
from tracecollect.ports import Borrow, KeyTotals, LateReturns, Returns, Served, Session, Taken, Wait
from tracecollect.storage.memory.holds import HOUR, RememberedHolds, grouped, minute, span_of
from tracecollect.storage.memory.tables import Row, end, instance

DAY = 24 * HOUR
_CUMULATIVE = 2
_SERVING = ("http.server.request.duration", "http.server.duration", "rpc.server.duration", "rpc.server.call.duration")
_OF_PROCESSES: Mapping[str, tuple[str, ...]] = {
    "files": (
        "process.open_file_descriptor.count",
        "process.unix.file_descriptor.count",
        "process.open_file_descriptors",
        "process.runtime.cpython.file_descriptors",
        "process.files.open.files",
    ),
    "files_limit": ("process.open_file_descriptor.limit", "process.files.max.files"),
    "sockets": ("process.database_sockets",),
    "goroutines": ("go.goroutine.count", "process.runtime.go.goroutines"),
    "threads": (
        "process.thread.count",
        "jvm.thread.count",
        "process.runtime.jvm.threads.count",
        "process.runtime.cpython.thread_count",
        "process.threads",
        "jvm.threads.live",
    ),
    "heap": (
        "go.memory.used",
        "process.runtime.go.mem.heap_alloc",
        "jvm.memory.used",
        "process.runtime.jvm.memory.usage",
        "v8js.memory.heap.used",
        "process.runtime.cpython.memory",
    ),
}
_MEASURES = {metric: measure for measure, metrics in _OF_PROCESSES.items() for metric in metrics}


class RememberedWitnesses(RememberedHolds):
    """Implements `ports.WitnessReader` and the borrows of `ports.HoldReader`."""

    def _of(self, instances: Iterable[str], window: Window) -> list[Signal]:
        wanted = set(instances)
        return [one for one in self._within(window) if one.instance in wanted]

    def _owners(self, trace_id: str, process: str, window: Window) -> list[Row]:
        """The entry spans of a trace in one process that have ended, the first one first."""
        found = [
            one
            for one in self._tables.owners()
            if one["TraceId"] == trace_id
            and instance(one) == process
            and window.since - DAY <= one["Timestamp"] <= window.until
        ]
        return sorted(found, key=lambda one: int(one["Timestamp"]))

    # --- borrows ------------------------------------------------------------------------------------

    def borrows(self, instances: Iterable[str], window: Window) -> Sequence[Borrow]:
        """The borrows of these instances with the entry span that took them, in order of time."""
        kinds = (SignalKind.ACQUIRED, SignalKind.OPENED, SignalKind.USED, SignalKind.FAILED)
        said = [one for one in self._of(instances, window) if one.kind in kinds]
        of_trace = grouped(said, lambda one: (one.instance, one.dialect, one.trace_id))
        # Which spans had a physical connection opened inside them.
        fresh = {(one.instance, one.trace_id, one.parent_id) for one in said if one.kind is SignalKind.OPENED}
        found = [
            self._borrow(signals, of_trace[signals[0].instance, signals[0].dialect, signals[0].trace_id], fresh, window)
            for signals in (*self._acquires(said), *self._counted_uses(said))
        ]
        return sorted(found, key=lambda one: one.at)

    def _acquires(self, said: Iterable[Signal]) -> Iterable[list[Signal]]:
        taken = [one for one in said if _takes(one)]
        return grouped(
            taken, lambda one: (one.service, one.dialect, one.trace_id, self._hold(one), one.instance)
        ).values()

    def _counted_uses(self, said: Iterable[Signal]) -> Iterable[list[Signal]]:
        """Where no acquire is told, use is: one borrow a request and connection."""
        uses = [
            one
            for one in said
            if one.kind is SignalKind.USED and one.role is Role.OPEN and self._pair(one).family == "count"
        ]
        return grouped(
            uses, lambda one: (one.service, one.instance, one.dialect, one.pool, one.trace_id, one.connection_id)
        ).values()

    def _hold(self, one: Signal) -> str:
        """Where every use shows the hold, all of one key are one borrow; else each acquire is its own."""
        return one.key if _touched(self._pair(one)) else one.span_id

    def _borrow(
        self, signals: Sequence[Signal], of_trace: Sequence[Signal], fresh: set[tuple[str, str, str]], window: Window
    ) -> Borrow:
        one = min(signals, key=lambda each: each.at)
        owners = [each for each in self._owners(one.trace_id, one.instance, window) if end(each) <= window.until]
        touched = one.kind is SignalKind.USED or _touched(self._pair(one))
        # Such a borrow may be as old as the entry span.
        at = min(one.at, owners[0]["Timestamp"]) if touched and owners else one.at
        uses = [each for each in of_trace if each.kind is SignalKind.USED or _touched(self._pair(each))]
        # A trace with several borrows does not say which of them a statement used.
        alone = len({self._hold(each) for each in of_trace if _takes(each)}) == 1
        told = max(each.reason for each in signals) if one.kind is SignalKind.ACQUIRED else ""
        return Borrow(
            service=one.service,
            instance=one.instance,
            dialect=one.dialect,
            pool=max(each.pool for each in signals),
            trace_id=one.trace_id,
            span_id=one.span_id,
            at=Instant(at),
            owner_end=Instant(max(map(end, owners))) if owners else None,
            began=min(each.started for each in signals),
            last_use=Instant(max([at] + [each.at for each in uses])) if alone else Instant(at),
            fresh=told == "new" or (one.instance, one.trace_id, one.span_id) in fresh,
            failed=any(each.kind is SignalKind.FAILED for each in of_trace),
            statement=max(uses, key=lambda each: each.at).statement if uses else "",
            entry=owners[0]["SpanName"] if owners else "",
            entry_span=owners[0]["SpanId"] if owners else "",
        )

    # --- identities and time ------------------------------------------------------------------------

    def taken(self, instances: Iterable[str], window: Window) -> Sequence[Taken]:
        """When each physical connection with a known identity was taken or given back."""
        told = [
            one
            for one in self._of(instances, window)
            if one.kind in (SignalKind.ACQUIRED, SignalKind.RELEASED) and one.role is not Role.PIN and one.connection_id
        ]
        by_connection = grouped(told, lambda one: (one.instance, one.pool, one.connection_id))
        return [
            Taken(
                *name,
                tuple(sorted({one.at for one in found})),
                frozenset(one.at for one in found if one.kind is SignalKind.RELEASED),
            )
            for name, found in by_connection.items()
        ]

    def minutes(self, instances: Iterable[str], window: Window) -> Mapping[str, Sequence[int]]:
        """The minutes in which each process was heard of, in order."""
        wanted = set(instances)
        heard = [one for one in self._heard() if minute(window.since) <= minute(one.at) <= window.until]
        by_process = grouped((one for one in heard if one.instance in wanted), lambda one: one.instance)
        return {name: sorted({minute(one.at) // SECOND for one in found}) for name, found in by_process.items()}

    def returns(self, instances: Iterable[str], window: Window) -> Returns:
        """How the paths of these processes give back, of all traces."""
        ends = [one for one in self._of(instances, window) if one.role in (Role.OPEN, Role.CLOSE)]
        after: dict[tuple[str, str, str, str], list[tuple[int, int]]] = {}
        for (process, dialect, pair, _), found in grouped(
            ends, lambda one: (one.instance, one.dialect, one.pair, one.key)
        ).items():
            ended = [one.at for one in found if one.role is Role.CLOSE and one.reason != "lost"]
            came_back = max(ended, default=None)
            began = min((one.started for one in found if one.role is Role.OPEN), default=came_back)
            trace = max(one.trace_id for one in found)
            owners = self._owners(trace, process, window) if trace else []
            if came_back is not None and began is not None and owners:
                late = came_back - max(map(end, owners))
                after.setdefault((process, dialect, pair, owners[0]["SpanName"]), []).append((late, came_back - began))
        return Returns([_returns(path, found) for path, found in sorted(after.items())])

    def places(self, pools: Iterable[KeyTotals]) -> Mapping[tuple[str, str], str]:
        """Where pools lead, as their newest connection event says."""
        asked = {(one.service, one.instance, one.last_at) for one in pools}
        told = sorted(
            (
                instance(one),
                one["LogAttributes"].get("db.client.connection.pool.name", ""),
                _place(one["LogAttributes"]),
            )
            for one in self._tables.logs
            if (one["ServiceName"], instance(one), one["Timestamp"]) in asked
            and one["EventName"].startswith("db.client.connection.")
        )
        return {(process, pool): place for process, pool, place in told if place}

    def alive(self, service: str, instance: str, moments: Sequence[Instant], window: Window) -> Sequence[int]:
        """How many entry spans lived at each moment; empty where none was ever seen."""
        lives = [
            (min(one["Timestamp"] for one in copies), max(map(end, copies)))
            for copies in grouped(self._of_process(service, instance, window), span_of).values()
        ]
        return [sum(began <= moment < ended for began, ended in lives) for moment in moments] if lives else []

    def _of_process(self, service: str, process: str, window: Window) -> list[Row]:
        return [
            one
            for one in self._tables.entries()
            if (one["ServiceName"], instance(one)) == (service, process)
            and window.since - HOUR <= one["Timestamp"] <= window.until
        ]

    def waits(self, instances: Iterable[str], window: Window, *, least: int) -> Sequence[Wait]:
        """Who waited at least so long for a connection, in order of time."""
        waited = [
            one
            for one in self._of(instances, window)
            if one.kind in (SignalKind.ACQUIRED, SignalKind.FAILED) and one.at >= one.started + least
        ]
        found = [
            Wait(
                *name,
                min(one.started for one in signals),
                max(one.at for one in signals),
                any(one.kind is SignalKind.FAILED for one in signals),
            )
            for name, signals in grouped(
                waited, lambda one: (one.instance, one.pool, one.trace_id, one.span_id)
            ).items()
        ]
        return sorted(found, key=lambda one: one.began)

    # --- what processes and databases say of themselves ----------------------------------------------

    def process(self, services: Iterable[str], instances: Iterable[str], window: Window) -> Sequence[ProcessSample]:
        """What these processes say of themselves beside their pools; series of one measure have their sum."""
        asked = set(services), set(instances)
        levels = self._tables.of("otel_metrics_gauge") + [
            one for one in self._tables.of("otel_metrics_sum") if one["AggregationTemporality"] == _CUMULATIVE
        ]
        values: dict[tuple[str, str, str, int], dict[object, float]] = {}
        for one in levels:
            measure = _MEASURES.get(one["MetricName"])
            wanted = one["ServiceName"] in asked[0] and instance(one) in asked[1]
            if measure and wanted and window.since <= one["TimeUnix"] <= window.until:
                name = one["ServiceName"], instance(one), measure, one["TimeUnix"]
                values.setdefault(name, {})[_series(one)] = one["Value"]
        found = [ProcessSample(*name[:3], Instant(name[3]), sum(series.values())) for name, series in values.items()]
        return sorted(found, key=lambda one: one.at)

    def served(self, instances: Iterable[str], window: Window) -> Sequence[Served]:
        """What these processes say that they served on routes of which spans came, beside what was traced of it."""
        found = []
        for process in sorted(set(instances)):
            routes = [self._served(process, *route, window) for route in self._routes(process, window).items()]
            known = [one for one in routes if one.traced]
            if known:
                found.append(Served(process, sum(one.served for one in known), sum(one.traced for one in known)))
        return found

    def _routes(self, process: str, window: Window) -> Mapping[str, list[Row]]:
        points = [
            one
            for one in self._tables.of("otel_metrics_histogram")
            if one["MetricName"] in _SERVING
            and one["AggregationTemporality"] == _CUMULATIVE
            and instance(one) == process
            and window.since <= one["TimeUnix"] <= window.until
        ]
        return grouped(points, lambda one: str(one["Attributes"].get("http.route", "")))

    def _served(self, process: str, route: str, points: Sequence[Row], window: Window) -> Served:
        """One route. A series that is older than the window counts from its first point there."""
        count, begin, upto = 0, [], 0
        for series in grouped(points, _series).values():
            first = min(series, key=lambda one: int(one["TimeUnix"]))
            last = max(series, key=lambda one: int(one["TimeUnix"]))
            older = any(one["StartTimeUnix"] < window.since for one in series)
            count += last["Count"] - (first["Count"] if older else 0)
            begin.append(first["TimeUnix"] if older else window.since)
            upto = max(upto, last["TimeUnix"])
        services = {one["ServiceName"] for one in points}
        spans = [
            one
            for one in self._tables.spans
            if one["SpanKind"] == "Server"
            and one["ServiceName"] in services
            and instance(one) == process
            and route in ("", one["SpanAttributes"].get("http.route", ""))
            and window.since <= one["Timestamp"] <= window.until
        ]
        traced = {span_of(one) for one in spans if min(begin) <= one["Timestamp"] and end(one) <= upto}
        return Served(process, count, len(traced))

    def sessions(self, trace_ids: Iterable[str], window: Window) -> Sequence[Session]:
        """The sessions that the database last saw idle in a transaction, by the request that used each last."""
        wanted = set(trace_ids)
        witnesses = {
            (one.name, rule.pair)
            for one in self._dialects
            for rule in one.rules
            if one.witness and rule.kind is SignalKind.TX_BEGAN
        }
        told = [one for one in self._within(window) if (one.dialect, one.pair) in witnesses and one.connection_id]
        found = []
        for session in grouped(told, lambda one: (one.instance, one.connection_id)).values():
            newest = session[-1]
            mine = [one for one in session if _user(one) == _user(newest)]
            if newest.kind is SignalKind.TX_BEGAN and _user(newest) in wanted:
                found.append(Session(newest.connection_id, _user(newest), mine[0].at, newest.at))
        return sorted(found, key=lambda one: one.first_at)


def _returns(path: tuple[str, str, str, str], found: Sequence[tuple[int, int]]) -> LateReturns:
    late, lasted = [one for one, _ in found], sorted(one for _, one in found)
    return LateReturns(*path, len(found), sum(one > SECOND for one in late), max(late), lasted[int(0.95 * len(lasted))])


def _place(said: Mapping[str, str]) -> str:
    port, namespace = said.get("server.port", ""), said.get("db.namespace", "")
    return said.get("server.address", "") + (f":{port}" if port else "") + (f"/{namespace}" if namespace else "")


def _takes(one: Signal) -> bool:
    return one.kind is SignalKind.ACQUIRED and one.role is Role.OPEN


def _touched(pair: Pair) -> bool:
    return pair.entered_by == "touch"


def _series(point: Row) -> object:
    return point["MetricName"], point["ScopeName"], tuple(sorted(point["Attributes"].items()))


def _user(sample: Signal) -> str:
    """The trace of the sample, or of the traceparent in application_name, which is part of the key."""
    told = re.search(r":00-([0-9a-f]{32})-[0-9a-f]{16}-", sample.key)
    return sample.trace_id or (told[1] if told else "")
