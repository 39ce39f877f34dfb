"""Trace export requests to the columns of `otel_traces`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from tracecollect.wire.columns import (
    Attributes,
    Column,
    Ints,
    Mask,
    Nanos,
    good_ids,
    hex_ids,
    labels,
    list_column,
    numbers,
    offsets_of,
    parents,
    text,
    times,
    times_or,
)
from tracecollect.wire.schema import decoder
from tracecollect.wire.unfinished import pending_rows, real_ids
from tracecollect.wire.values import attributes

KINDS = pa.array(["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"])
CODES = pa.array(["Unset", "Ok", "Error"])
OPEN = "tracecollect.open"
CLOCK = "tracecollect.clock"


def trace_columns(bodies: Sequence[bytes], arrived: Ints) -> pa.Table:
    """The spans of many requests. `arrived[i]` is when request i was taken; spans that are not valid are left out."""
    of_request: Column = decoder("TraceRequest").list_to_record_batch(list(bodies)).column(0)
    resources = of_request.values
    scopes = resources.field("scope_spans").values
    spans = scopes.field("spans").values
    scope_of = parents(scopes.field("spans"))
    resource_of = parents(resources.field("scope_spans"))[scope_of]
    came = arrived[parents(of_request)[resource_of]]
    keep = valid_spans(spans)
    if not keep.all():
        spans, scope_of, resource_of, came = spans.filter(pa.array(keep)), scope_of[keep], resource_of[keep], came[keep]
    own = attributes(spans.field("attributes"))
    return pa.table(
        {
            **_identity(spans, own),
            **_scope(scopes.field("scope"), scope_of),
            **_resource(resources.field("resource"), resource_of),
            **_course(spans, own, came),
            **_events(spans.field("events")),
            **_links(spans.field("links")),
            "Arrived": times(came.astype(np.uint64)),
        }
    )


def valid_spans(spans: Column) -> Mask:
    """Which spans have a whole trace id, a whole span id and a name: the rule of `wire.check`, in columns."""
    named = np.diff(offsets_of(spans.field("name"))) > 0
    return good_ids(spans.field("trace_id"), 16) & good_ids(spans.field("span_id"), 8) & named


def _identity(spans: Column, own: Attributes) -> dict[str, Column]:
    ids, above = hex_ids(spans.field("span_id"), 8), hex_ids(spans.field("parent_span_id"), 8)
    pending = pending_rows(own)
    if len(pending):
        ids, above = real_ids(ids, above, own, pending)
    return {
        "TraceId": hex_ids(spans.field("trace_id"), 16),
        "SpanId": ids,
        "ParentSpanId": above,
        "TraceState": text(spans.field("trace_state")),
        "SpanName": labels(spans.field("name")),
        "SpanKind": _named(KINDS, spans.field("kind")),
        "Flags": spans.field("flags"),
    }


def _scope(scopes: Column, scope_of: Ints) -> dict[str, Column]:
    rows = pa.array(scope_of)
    return {
        "ScopeName": text(scopes.field("name")).take(rows),
        "ScopeVersion": text(scopes.field("version")).take(rows),
    }


def _resource(resources: Column, resource_of: Ints) -> dict[str, Column]:
    own = attributes(resources.field("attributes"))
    return {
        "ServiceName": own.lookup("service.name").take(pa.array(resource_of)),
        "ResourceAttributes": own.take(resource_of).maps(),
    }


def _course(spans: Column, own: Attributes, came: Ints) -> dict[str, Column]:
    start, end = numbers(spans.field("start_time_unix_nano")), numbers(spans.field("end_time_unix_nano"))
    status = spans.field("status")
    return {
        "Timestamp": times_or(np.where(start != 0, start, end), came),
        "Duration": pa.array(np.where((end > start) & (start != 0), end - start, np.uint64(0))),
        "StatusCode": _named(CODES, status.field("code")),
        "StatusMessage": text(status.field("message")),
        "SpanAttributes": _marked(own, start, end).maps(),
    }


def _named(words: Column, column: Column) -> Column:
    """An enum column by name; a number without a name counts as the first one."""
    codes = numbers(column)
    codes = np.where((codes >= 0) & (codes < len(words)), codes, 0).astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes), words)


def _marked(own: Attributes, start: Nanos, end: Nanos) -> Attributes:
    """Spans without an end are still running; no start, or an end before it, is somebody's clock."""
    running = np.union1d(np.flatnonzero(end == 0), pending_rows(own))
    if len(running):
        own = own.with_entry(running, OPEN, "true")
    for what, spans in (("end before start", (end < start) & (end != 0)), ("no start", start == 0)):
        if spans.any():
            own = own.with_entry(np.flatnonzero(spans), CLOCK, what)
    return own


def _events(lists: Column) -> dict[str, Column]:
    offsets, events = offsets_of(lists), lists.values
    return {
        "Events.Timestamp": list_column(offsets, times(numbers(events.field("time_unix_nano")))),
        "Events.Name": list_column(offsets, text(events.field("name"))),
        "Events.Attributes": list_column(offsets, attributes(events.field("attributes")).maps()),
    }


def _links(lists: Column) -> dict[str, Column]:
    offsets, links = offsets_of(lists), lists.values
    return {
        "Links.TraceId": list_column(offsets, hex_ids(links.field("trace_id"), 16)),
        "Links.SpanId": list_column(offsets, hex_ids(links.field("span_id"), 8)),
        "Links.TraceState": list_column(offsets, text(links.field("trace_state"))),
        "Links.Attributes": list_column(offsets, attributes(links.field("attributes")).maps()),
    }
