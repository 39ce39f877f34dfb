"""What the requests of one service did, answered by looking at everything."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from tracecollect.model import Instant, Signal, Window
from tracecollect.ports import Lived, RequestsSeen, VersionSeen
from tracecollect.storage.memory.holds import grouped, span_of
from tracecollect.storage.memory.tables import Row, end, instance
from tracecollect.storage.memory.witnesses import DAY, RememberedWitnesses

_ENDING = 8


class RememberedTraffic(RememberedWitnesses):
    """Implements `ports.TrafficReader`, and what each process last did for a request."""

    def lived(self, trace_ids: Iterable[str], window: Window) -> Lived:
        """The entry spans of these requests, and when each process last did something for them in the window."""
        wanted = set(trace_ids)
        told = [
            one
            for one in self._tables.spans
            if one["TraceId"] in wanted and one["Timestamp"] >= window.since - DAY and end(one) <= window.until
        ]
        by_request = grouped(told, lambda one: (instance(one), str(one["TraceId"])))
        return Lived(self.owners(wanted), {name: Instant(max(map(end, spans))) for name, spans in by_request.items()})

    def versions(self, service: str, window: Window) -> Sequence[VersionSeen]:
        """The versions of a service and the processes that ran them, in order of their first span."""
        told = [one for one in self._tables.spans if one["ServiceName"] == service and _begins_in(window, one)]
        found = [
            VersionSeen(*name, Instant(min(one["Timestamp"] for one in spans)), Instant(max(map(end, spans))))
            for name, spans in grouped(told, lambda one: (instance(one), _version(one))).items()
        ]
        return sorted(found, key=lambda one: (one.first_at, one.instance, one.version))

    def requests(self, service: str, version: str, window: Window, *, below: str) -> Sequence[RequestsSeen]:
        """The entry operations of a service and, if one is said, version, the busiest first."""
        entries = {
            span_of(one): str(one["SpanName"])
            for one in self._tables.owners()
            if one["ServiceName"] == service and version in ("", _version(one)) and _begins_in(window, one)
        }
        followed = Counter(name for (trace_id, _), name in entries.items() if trace_id[-_ENDING:] < below)
        found = [RequestsSeen(name, count, followed[name]) for name, count in Counter(entries.values()).items()]
        return sorted(found, key=lambda one: (-one.requests, one.entry))

    def signals_of_requests(
        self, service: str, instances: Iterable[str], window: Window, *, below: str
    ) -> Sequence[Signal]:
        """Every signal of a key that the sampled requests touched, in order of time."""
        told = [one for one in self._within(window) if one.service == service]
        processes = set(instances)
        touched = {
            (one.dialect, one.pair, one.instance, one.key)
            for one in told
            if one.instance in processes and one.trace_id and one.trace_id[-_ENDING:] < below
        }
        return [one for one in told if (one.dialect, one.pair, one.instance, one.key) in touched]


def _version(span: Row) -> str:
    return str(span["ResourceAttributes"].get("service.version", ""))


def _begins_in(window: Window, span: Row) -> bool:
    return bool(window.since <= span["Timestamp"] < window.until)
