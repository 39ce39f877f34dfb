"""Trace export requests to the columns of `otel_traces`."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tracecollect.wire.columns import (
    Attributes,
    Ints,
    Mask,
    hex_ids,
    ids_mask,
    ints,
    labels,
    offsets_of,
    parents,
    text,
    times,
)
from tracecollect.wire.schema import decoder
from tracecollect.wire.values import attributes

KINDS = pa.array(["Unspecified", "Internal", "Server", "Client", "Producer", "Consumer"])
CODES = pa.array(["Unset", "Ok", "Error"])
OPEN = "tracecollect.open"
CLOCK = "tracecollect.clock"


def trace_columns(bodies: Sequence[bytes], arrived: Ints) -> pa.Table:
    """The spans of many requests. `arrived[i]` is when request i was taken; spans that are not valid are left out."""
    batch = decoder("TraceRequest").list_to_record_batch(list(bodies))
    of_request = batch.column(0)
    resources = of_request.values
    scopes = resources.field("scope_spans").values
    spans = scopes.field("spans").values
    scope_of = parents(scopes.field("spans"))
    resource_of = parents(resources.field("scope_spans"))[scope_of]
    came = arrived[parents(of_request)[resource_of]]
    keep = valid_spans(spans)
    if not keep.all():
        spans, scope_of, resource_of, came = spans.filter(pa.array(keep)), scope_of[keep], resource_of[keep], came[keep]
    return pa.table(_columns(spans, scopes.field("scope"), resources.field("resource"), scope_of, resource_of, came))


def valid_spans(spans: pa.Array) -> Mask:
    """Which spans have a whole trace id, a whole span id and a name."""
    traces, _ = ids_mask(spans.field("trace_id"), 16)
    own, _ = ids_mask(spans.field("span_id"), 8)
    return traces & own & (np.diff(offsets_of(spans.field("name"))) > 0)


def _columns(
    spans: pa.Array, scopes: pa.Array, resources: pa.Array, scope_of: Ints, resource_of: Ints, came: Ints
) -> dict[str, pa.Array]:
    start, end = ints(spans.field("start_time_unix_nano")), ints(spans.field("end_time_unix_nano"))
    own = _marked(attributes(spans.field("attributes")), start, end)
    of_resource = attributes(resources.field("attributes"))
    status = spans.field("status")
    scope_rows, resource_rows = pa.array(scope_of), pa.array(resource_of)
    return {
        "Timestamp": times(start),
        "TraceId": hex_ids(spans.field("trace_id"), 16),
        "SpanId": hex_ids(spans.field("span_id"), 8),
        "ParentSpanId": hex_ids(spans.field("parent_span_id"), 8),
        "TraceState": text(spans.field("trace_state")),
        "SpanName": labels(spans.field("name")),
        "SpanKind": named(KINDS, spans.field("kind")),
        "ServiceName": of_resource.lookup("service.name").take(resource_rows),
        "ResourceAttributes": of_resource.take(resource_of).maps(),
        "ScopeName": text(scopes.field("name")).take(scope_rows),
        "ScopeVersion": text(scopes.field("version")).take(scope_rows),
        "SpanAttributes": own.maps(),
        "Duration": pa.array(np.where(end > start, end - start, 0).astype(np.uint64)),
        "StatusCode": named(CODES, status.field("code")),
        "StatusMessage": text(status.field("message")),
        **_events(spans.field("events")),
        **_links(spans.field("links")),
        "Flags": spans.field("flags"),
        "Arrived": times(came.astype(np.uint64)),
    }


def named(words: pa.Array, numbers: pa.Array) -> pa.DictionaryArray:
    """An enum column by name; a number without a name counts as the first one."""
    codes = ints(numbers)
    codes = np.where((codes >= 0) & (codes < len(words)), codes, 0).astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes), words)


def _marked(own: Attributes, start: npt.NDArray[np.uint64], end: npt.NDArray[np.uint64]) -> Attributes:
    """Spans without an end are still running; an end before the start is somebody's clock."""
    running = np.flatnonzero(end == 0)
    if len(running):
        own = own.with_entry(running, OPEN, "true")
    turned = np.flatnonzero((end < start) & (end != 0))
    if len(turned):
        own = own.with_entry(turned, CLOCK, "end before start")
    return own


def _events(lists: pa.Array) -> dict[str, pa.Array]:
    offsets, events = pa.array(offsets_of(lists).astype(np.int32)), lists.values
    return {
        "Events.Timestamp": pa.ListArray.from_arrays(offsets, times(ints(events.field("time_unix_nano")))),
        "Events.Name": pa.ListArray.from_arrays(offsets, text(events.field("name"))),
        "Events.Attributes": pa.ListArray.from_arrays(offsets, attributes(events.field("attributes")).maps()),
    }


def _links(lists: pa.Array) -> dict[str, pa.Array]:
    offsets, links = pa.array(offsets_of(lists).astype(np.int32)), lists.values
    return {
        "Links.TraceId": pa.ListArray.from_arrays(offsets, hex_ids(links.field("trace_id"), 16)),
        "Links.SpanId": pa.ListArray.from_arrays(offsets, hex_ids(links.field("span_id"), 8)),
        "Links.TraceState": pa.ListArray.from_arrays(offsets, text(links.field("trace_state"))),
        "Links.Attributes": pa.ListArray.from_arrays(offsets, attributes(links.field("attributes")).maps()),
    }
