"""A store that is obviously right: rows as lists, every question a walk over all of them. It judges the real one.

Slow on purpose, bounded by nothing, for one thread, and gone with the process: it is for tests. What SQL and the
dialects' compiled views answer, it answers from the rules themselves, and `tests/contract/store.py` holds both to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import floor

from tracecollect.lifecycle.dialects import Dialect
from tracecollect.model import (
    CallEdge,
    Finding,
    FindingChange,
    Instant,
    LogRecord,
    SearchQuery,
    ServiceReport,
    Span,
    SpanEvent,
    SpanLink,
    StatusCode,
    TraceSummary,
    Window,
)
from tracecollect.ports import MOST_SPANS, Batch, TableUsage
from tracecollect.storage.memory.holds import HOUR, grouped, minute, span_of
from tracecollect.storage.memory.tables import Row, end, instance, rows_of
from tracecollect.storage.memory.traffic import RememberedTraffic
from tracecollect.storage.rows import log_record, span_kind


class MemoryStore(RememberedTraffic):
    """Implements `ports.Store`; the connection half is `RememberedTraffic`. `dialects` None: those that ship."""

    def __init__(self, dialects: Sequence[Dialect] | None = None) -> None:
        super().__init__(dialects)
        self._written: set[tuple[str, str]] = set()
        self._bytes: dict[str, int] = {}
        self._said: list[tuple[Instant, Finding, str]] = []

    def write(self, batch: Batch) -> None:
        """Store a batch; the same token again changes nothing."""
        for name, columns in batch.tables.items():
            if (batch.token, name) in self._written:
                continue
            self._written.add((batch.token, name))
            self._bytes[name] = self._bytes.get(name, 0) + columns.nbytes
            for row in rows_of(columns):
                self._tables.of(name).append(row)
                self._read(name, row)

    # --- traces -------------------------------------------------------------------------------------

    def spans(self, trace_id: str, most: int = MOST_SPANS, skip: int = 0) -> Sequence[Span]:
        """Stored copies of a trace's spans, in order of start: `most` of them after the first `skip`."""
        found = [_span(row) for row in self._tables.spans if row["TraceId"] == trace_id]
        return sorted(found, key=lambda one: (one.start, one.span_id))[skip : skip + most]

    def spans_named(self, trace_id: str, span_ids: Iterable[str]) -> Sequence[Span]:
        """The stored copies of some spans of a trace, in order of start."""
        wanted = set(span_ids)
        return [one for one in self.spans(trace_id) if one.span_id in wanted]

    def span_count(self, trace_id: str) -> int:
        """How many copies of spans are stored of a trace."""
        return sum(row["TraceId"] == trace_id for row in self._tables.spans)

    def logs(self, trace_id: str) -> Sequence[LogRecord]:
        """The trace's log records in order of time."""
        mine = [row for row in self._tables.logs if row["TraceId"] == trace_id]
        return sorted((log_record({**row, "at_ns": row["Timestamp"]}) for row in mine), key=lambda one: one.at)

    def trace_ids(self, prefix: str, limit: int) -> Sequence[str]:
        """Trace ids that begin with the prefix, newest first."""
        found = [row for row in self._tables.spans if row["TraceId"].startswith(prefix)]
        return _newest_first(found)[:limit]

    def search(self, query: SearchQuery) -> Sequence[TraceSummary]:
        """Traces with a span that meets every condition, newest first."""
        window = query.window
        hits = _newest_first(row for row in self._tables.spans if _meets(row, query))[: query.limit]
        near = [row for row in self._tables.spans if window.since - HOUR <= row["Timestamp"] < window.until + HOUR]
        found = [_summary([row for row in near if row["TraceId"] == trace_id]) for trace_id in hits]
        return sorted(found, key=lambda one: -one.start)

    def services(self, window: Window) -> Sequence[ServiceReport]:
        """Every instance heard of, by whole minutes."""
        heard = [one for one in self._heard() if minute(window.since) <= minute(one.at) < window.until]
        by_process = grouped(heard, lambda one: (one.service, one.instance))
        return [
            ServiceReport(
                *name,
                sum(one.kind == "traces" for one in found),
                min(one.at for one in found),
                max(one.until for one in found),
                tuple(sorted({one.scope for one in found} - {""})),
            )
            for name, found in sorted(by_process.items())
        ]

    def calls(self, window: Window, service: str = "") -> Sequence[CallEdge]:
        """The operations of a window and who called them, the most frequent first."""
        spans = {span_of(row): row for row in self._tables.spans if window.since <= row["Timestamp"] < window.until}
        edges: dict[tuple[str, str, str, str, str], list[Row]] = {}
        for one in spans.values():
            caller = spans.get((one["TraceId"], one["ParentSpanId"]))
            calling = (caller["ServiceName"], caller["SpanName"]) if caller else ("", "")
            if service in ("", one["ServiceName"], calling[0]):
                edge = *calling, one["ServiceName"], one["SpanName"], one["SpanKind"]
                edges.setdefault(edge, []).append(one)
        found = [_edge(name, calls) for name, calls in edges.items()]
        return sorted(found, key=lambda one: (-one.count, one.caller_service, one.caller_name, one.service, one.name))

    # --- findings -----------------------------------------------------------------------------------

    def findings(self) -> Sequence[Finding]:
        """The latest state of every finding, in order of their ids."""
        latest = {finding.id: finding for _, finding, _ in sorted(self._said, key=lambda one: one[0])}
        return [latest[name] for name in sorted(latest)]

    def record(self, findings: Iterable[Finding], at: Instant, reasons: Mapping[str, str]) -> None:
        """Append what is now said of these findings."""
        self._said += [(at, one, reasons.get(one.id, "")) for one in findings]

    def history(self, finding_id: str) -> Sequence[FindingChange]:
        """What was said of a finding, oldest first."""
        mine = [one for one in self._said if one[1].id == finding_id]
        return [
            FindingChange(at, finding.verdict, finding.leaked_count, reason)
            for at, finding, reason in sorted(mine, key=lambda one: one[0])
        ]

    # --- the rest -----------------------------------------------------------------------------------

    def usage(self) -> Sequence[TableUsage]:
        """What each table's columns took when they were written, the largest first."""
        found = [TableUsage(name, len(self._tables.of(name)), size, size) for name, size in self._bytes.items()]
        return sorted(found, key=lambda one: -one.bytes)

    def stats(self) -> Mapping[str, int]:
        """Rows and bytes by table."""
        rows = {f"{one.table}.rows": one.rows for one in self.usage()}
        return rows | {f"{one.table}.bytes": one.bytes for one in self.usage()}

    def stop(self, name: str) -> None:
        """Nothing runs beside the one thread that asks."""

    def close(self) -> None:
        """There is nothing to let go of."""


def _span(row: Row) -> Span:
    events = zip(row["Events.Timestamp"], row["Events.Name"], row["Events.Attributes"], strict=True)
    links = zip(row["Links.TraceId"], row["Links.SpanId"], row["Links.Attributes"], strict=True)
    return Span(
        trace_id=row["TraceId"],
        span_id=row["SpanId"],
        parent_id=row["ParentSpanId"],
        name=row["SpanName"],
        kind=span_kind(row["SpanKind"]),
        service=row["ServiceName"],
        instance=instance(row),
        start=Instant(row["Timestamp"]),
        duration=row["Duration"],
        status=StatusCode(row["StatusCode"]),
        status_message=row["StatusMessage"],
        flags=row["Flags"],
        scope=row["ScopeName"],
        scope_version=row["ScopeVersion"],
        trace_state=row["TraceState"],
        attributes=row["SpanAttributes"],
        resource=row["ResourceAttributes"],
        events=tuple(SpanEvent(Instant(at), name, own) for at, name, own in events),
        links=tuple(SpanLink(trace_id, span_id, own) for trace_id, span_id, own in links),
        arrived=Instant(row["Arrived"]),
        open=row["SpanAttributes"].get("tracecollect.open") == "true",
    )


def _newest_first(rows: Iterable[Row]) -> list[str]:
    """The traces of these spans, that of the newest span first."""
    return list(dict.fromkeys(row["TraceId"] for row in sorted(rows, key=lambda row: -row["Timestamp"])))


def _meets(row: Row, query: SearchQuery) -> bool:
    attributes = (row["SpanAttributes"], row["ResourceAttributes"])
    return (
        query.window.since <= row["Timestamp"] < query.window.until
        and query.service in ("", row["ServiceName"])
        and query.operation in ("", row["SpanName"])
        and query.min_duration <= row["Duration"]
        and (query.max_duration is None or row["Duration"] <= query.max_duration)
        and (not query.error or row["StatusCode"] == StatusCode.ERROR)
        and all(any(said.get(key) == value for said in attributes) for key, value in query.attributes.items())
    )


def _summary(spans: Sequence[Row]) -> TraceSummary:
    root = min(spans, key=lambda row: (row["ParentSpanId"] != "", row["Timestamp"]))
    start = min(row["Timestamp"] for row in spans)
    return TraceSummary(
        trace_id=root["TraceId"],
        root_service=root["ServiceName"],
        root_name=root["SpanName"],
        start=Instant(start),
        duration=max(map(end, spans)) - start,
        span_count=len({row["SpanId"] for row in spans}),
        error_count=len({row["SpanId"] for row in spans if row["StatusCode"] == StatusCode.ERROR}),
        services=tuple(sorted({row["ServiceName"] for row in spans})),
    )


def _edge(name: tuple[str, str, str, str, str], calls: Sequence[Row]) -> CallEdge:
    durations = sorted(row["Duration"] for row in calls)
    caller_service, caller_name, service, operation, kind = name
    return CallEdge(
        caller_service=caller_service,
        caller_name=caller_name,
        service=service,
        name=operation,
        kind=span_kind(kind),
        count=len(calls),
        errors=sum(row["StatusCode"] == StatusCode.ERROR for row in calls),
        total=sum(durations),
        p50=_quantile(durations, 0.5),
        p99=_quantile(durations, 0.99),
    )


def _quantile(ordered: Sequence[int], level: float) -> int:
    """Between the two nearest values, in proportion."""
    place = level * (len(ordered) - 1)
    below = floor(place)
    above = min(below + 1, len(ordered) - 1)
    return floor(ordered[below] + (ordered[above] - ordered[below]) * (place - below))
