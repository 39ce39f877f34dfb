"""Rows of the engine's answers as nouns, and nouns as columns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum
from sys import intern
from typing import TYPE_CHECKING, Any, TypeVar

from tracecollect import codec
from tracecollect.model import (
    CallEdge,
    Finding,
    Instant,
    LogRecord,
    Owner,
    Role,
    ServiceReport,
    Signal,
    SignalKind,
    Span,
    SpanEvent,
    SpanKind,
    SpanLink,
    StatusCode,
    TraceSummary,
)

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]
_Word = TypeVar("_Word", bound=StrEnum)


def instance_of(resource: Mapping[str, str]) -> str:
    """Which process sent it; `schema/fragments/instance.sql` says the same in SQL."""
    own = resource.get("service.instance.id", "")
    host, pid = resource.get("host.name", ""), resource.get("process.pid", "")
    return own or (f"{host}:{pid}" if host or pid else "")


def span(row: Row) -> Span:
    """A row of `trace_spans.sql`."""
    attributes, resource = dict(row["SpanAttributes"]), dict(row["ResourceAttributes"])
    events = zip(row["event_ns"], row["event_names"], row["event_attributes"], strict=True)
    links = zip(row["link_traces"], row["link_spans"], row["link_attributes"], strict=True)
    return Span(
        trace_id=row["TraceId"],
        span_id=row["SpanId"],
        parent_id=row["ParentSpanId"],
        name=row["SpanName"],
        kind=_word(row["SpanKind"], SpanKind.UNSPECIFIED),
        service=row["ServiceName"],
        instance=instance_of(resource),
        start=Instant(row["start_ns"]),
        duration=row["Duration"],
        status=_word(row["StatusCode"], StatusCode.UNSET),
        status_message=row["StatusMessage"],
        flags=row["Flags"],
        scope=row["ScopeName"],
        scope_version=row["ScopeVersion"],
        trace_state=row["TraceState"],
        attributes=attributes,
        resource=resource,
        events=tuple(SpanEvent(Instant(at), name, dict(own)) for at, name, own in events),
        links=tuple(SpanLink(trace, target, dict(own)) for trace, target, own in links),
        arrived=Instant(row["arrived_ns"]),
        open=attributes.get("tracecollect.open") == "true",
    )


def owners_of(row: Row) -> Iterator[Owner]:
    """The entry spans in a row of `holds_requests.sql`; of one that was delivered twice, what both say."""
    copies: dict[str, list[Row]] = {}
    for one in row["entries"]:
        copies.setdefault(one["1"], []).append(one)
    for span_id, found in copies.items():
        yield Owner(
            row["trace_id"],
            span_id,
            found[0]["2"],
            row["instance"],
            found[0]["3"],
            Instant(min(one["5"] for one in found)),
            Instant(max(one["6"] for one in found)),
            span_kind(found[0]["4"]),
        )


def setting_columns(values: Mapping[str, str], origins: Mapping[str, str], version: str) -> pa.Table:
    """Rows of `config_audit`."""
    import pyarrow as pa

    names = sorted(values)
    return pa.table(
        {
            "version": [version] * len(names),
            "setting": names,
            "value": [values[name] for name in names],
            "origin": [origins.get(name, "default") for name in names],
        }
    )


def span_kind(text: str) -> SpanKind:
    """A span's kind; unspecified where it is none that is known."""
    return _word(text, SpanKind.UNSPECIFIED)


def _word(text: str, otherwise: _Word) -> _Word:
    """A word of an enumeration; tables filled by others may hold one that we do not know."""
    kind = type(otherwise)
    return kind(text) if text in kind.__members__.values() else otherwise


def log_record(row: Row) -> LogRecord:
    """A row of `trace_logs.sql`."""
    return LogRecord(
        at=Instant(row["at_ns"]),
        trace_id=row["TraceId"],
        span_id=row["SpanId"],
        service=row["ServiceName"],
        severity=row["SeverityText"],
        body=row["Body"],
        event_name=row["EventName"],
        scope=row["ScopeName"],
        attributes=dict(row["LogAttributes"]),
    )


def signal(row: Row) -> Signal:
    """A row of the questions that end in signals. Thousands are remembered, and most say the same words."""
    return Signal(
        service=intern(row["service"]),
        instance=intern(row["instance"]),
        dialect=intern(row["dialect"]),
        pair=intern(row["pair"]),
        kind=SignalKind(row["signal"]),
        role=Role(row["role"]),
        key=intern(row["key"]),
        at=Instant(row["at_ns"]),
        started=Instant(row["started_ns"]),
        trace_id=intern(row["trace_id"]),
        span_id=row["span_id"],
        parent_id=intern(row["parent_id"]),
        pool=intern(row["pool"]),
        connection_id=row["connection_id"],
        name=intern(row["name"]),
        statement=intern(row["statement"]),
        code=intern(row["code"]),
        reason=intern(row["reason"]),
        arrived=Instant(row["arrived_ns"]),
    )


def trace_summary(row: Row) -> TraceSummary:
    """A row of `search.sql`."""
    return TraceSummary(
        trace_id=row["trace_id"],
        root_service=row["root_service"],
        root_name=row["root_name"],
        start=Instant(row["start_ns"]),
        duration=row["duration_ns"],
        span_count=row["span_count"],
        error_count=row["error_count"],
        services=tuple(row["services"]),
    )


def service_report(row: Row) -> ServiceReport:
    """A row of `services.sql`."""
    return ServiceReport(
        service=row["service"],
        instance=row["instance"],
        spans=row["spans"],
        first_at=Instant(row["first_ns"]),
        last_at=Instant(row["last_ns"]),
        scopes=tuple(row["scopes"]),
    )


def call_edge(row: Row) -> CallEdge:
    """A row of `calls.sql`."""
    return CallEdge(
        caller_service=row["caller_service"],
        caller_name=row["caller_name"],
        service=row["service"],
        name=row["name"],
        kind=_word(row["kind"], SpanKind.UNSPECIFIED),
        count=row["calls"],
        errors=row["errors"],
        total=row["total_ns"],
        p50=row["p50_ns"],
        p99=row["p99_ns"],
    )


def finding_columns(findings: Iterable[Finding], at: Instant, reasons: Mapping[str, str]) -> pa.Table:
    """Findings as columns of the table `findings`."""
    import pyarrow as pa

    kinds: dict[str, pa.DataType] = {
        "id": pa.string(),
        "at": pa.timestamp("ns"),
        "verdict": pa.string(),
        "leaked_count": pa.uint32(),
        "reason": pa.string(),
        "finding": pa.string(),
    }
    found = [
        {
            "id": one.id,
            "at": at,
            "verdict": one.verdict.value,
            "leaked_count": one.leaked_count,
            "reason": reasons.get(one.id, ""),
            "finding": codec.dumps(one),
        }
        for one in findings
    ]
    return pa.Table.from_pylist(found, pa.schema(kinds))
