"""A stored trace as OTLP JSON again, one `TracesData` per trace: what `import` and other collectors read.

The store keeps attribute values as text, so they come out as `stringValue`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any

from tracecollect.errors import TooLarge
from tracecollect.model import LogRecord, Span, SpanEvent, SpanKind, SpanLink, StatusCode, Trace

_KINDS = {kind: number for number, kind in enumerate(SpanKind)}
_STATUS = {code: number for number, code in enumerate(StatusCode)}


def traces_line(trace: Trace) -> str:
    """The spans of a trace in one line."""
    return json.dumps({"resourceSpans": [_resource(spans) for spans in _runs(trace.spans)]}, ensure_ascii=False)


def logs_line(trace: Trace) -> str:
    """The log records of a trace in one line."""
    runs = groupby(sorted(trace.logs, key=lambda one: (one.service, one.scope)), lambda one: (one.service, one.scope))
    resources = [
        {
            "resource": {"attributes": _attributes({"service.name": service})},
            "scopeLogs": [{"scope": {"name": scope}, "logRecords": [_log(one) for one in records]}],
        }
        for (service, scope), records in runs
    ]
    return json.dumps({"resourceLogs": resources}, ensure_ascii=False)


def lines(trace: Trace) -> Iterable[str]:
    """Everything of a trace. Raises `TooLarge` where spans of it were left out: half a trace is no export."""
    if trace.omitted:
        raise TooLarge(
            f"trace {trace.trace_id} has {trace.omitted} spans more than are read of one trace",
            hint="stop the server: then tracecollect export reads the data directory itself, up to a million spans",
        )
    yield traces_line(trace)
    if trace.logs:
        yield logs_line(trace)


def _runs(spans: Iterable[Span]) -> Iterable[list[Span]]:
    """Spans of one resource together."""
    by_resource: dict[tuple[tuple[str, str], ...], list[Span]] = {}
    for span in spans:
        by_resource.setdefault(tuple(sorted(span.resource.items())), []).append(span)
    return by_resource.values()


def _resource(spans: list[Span]) -> Mapping[str, Any]:
    resource = dict(spans[0].resource)
    resource.setdefault("service.name", spans[0].service)
    by_scope: dict[tuple[str, str], list[Span]] = {}
    for span in spans:
        by_scope.setdefault((span.scope, span.scope_version), []).append(span)
    return {
        "resource": {"attributes": _attributes(resource)},
        "scopeSpans": [
            {"scope": {"name": name, "version": version}, "spans": [_span(one) for one in found]}
            for (name, version), found in by_scope.items()
        ],
    }


def _span(span: Span) -> Mapping[str, Any]:
    document: dict[str, Any] = {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": _KINDS[span.kind],
        "startTimeUnixNano": str(span.start),
        "endTimeUnixNano": "0" if span.open else str(span.end),
        "attributes": _attributes(span.attributes),
        "status": {"code": _STATUS[span.status], "message": span.status_message},
        "flags": span.flags,
    }
    if span.parent_id:
        document["parentSpanId"] = span.parent_id
    if span.trace_state:
        document["traceState"] = span.trace_state
    if span.events:
        document["events"] = [_event(one) for one in span.events]
    if span.links:
        document["links"] = [_link(one) for one in span.links]
    return document


def _event(event: SpanEvent) -> Mapping[str, Any]:
    return {"timeUnixNano": str(event.at), "name": event.name, "attributes": _attributes(event.attributes)}


def _link(link: SpanLink) -> Mapping[str, Any]:
    return {"traceId": link.trace_id, "spanId": link.span_id, "attributes": _attributes(link.attributes)}


def _log(record: LogRecord) -> Mapping[str, Any]:
    return {
        "timeUnixNano": str(record.at),
        "traceId": record.trace_id,
        "spanId": record.span_id,
        "severityText": record.severity,
        "body": {"stringValue": record.body},
        "eventName": record.event_name,
        "attributes": _attributes(record.attributes),
    }


def _attributes(attributes: Mapping[str, str]) -> list[Mapping[str, Any]]:
    return [{"key": key, "value": {"stringValue": value}} for key, value in attributes.items()]
