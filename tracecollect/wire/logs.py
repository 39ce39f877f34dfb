"""Log export requests to the columns of `otel_logs`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from tracecollect.wire.columns import Column, Ints, hex_ids, labels, numbers, parents, text, times, times_or
from tracecollect.wire.schema import decoder
from tracecollect.wire.traces import trace_columns
from tracecollect.wire.unfinished import partial_requests
from tracecollect.wire.values import attributes, values


def log_columns(bodies: Sequence[bytes], arrived: Ints) -> Mapping[str, pa.Table]:
    """The log records of many requests, and the spans that some of them tell of before they end.

    A record without its own time has the time it was observed or arrived.
    """
    of_request: Column = decoder("LogsRequest").list_to_record_batch(list(bodies)).column(0)
    resources = of_request.values
    scopes = resources.field("scope_logs").values
    records = scopes.field("log_records").values
    scope_of = parents(scopes.field("log_records"))
    resource_of = parents(resources.field("scope_logs"))[scope_of]
    came = arrived[parents(of_request)[resource_of]]
    happened, observed = numbers(records.field("time_unix_nano")), numbers(records.field("observed_time_unix_nano"))
    own, texts = attributes(records.field("attributes")), values(records.field("body"))
    partial, since = partial_requests(own, texts, came)
    spans = {"otel_traces": trace_columns(partial, np.asarray(since, np.int64))} if partial else {}
    table = pa.table(
        {
            "Timestamp": times_or(np.where(happened != 0, happened, observed), came),
            "TraceId": hex_ids(records.field("trace_id"), 16),
            "SpanId": hex_ids(records.field("span_id"), 8),
            "TraceFlags": pa.array(numbers(records.field("flags")).astype(np.uint8)),
            "SeverityText": labels(records.field("severity_text")),
            "SeverityNumber": pa.array(np.clip(numbers(records.field("severity_number")), 0, 255).astype(np.uint8)),
            "Body": texts,
            "LogAttributes": own.maps(),
            "EventName": labels(records.field("event_name")),
            **resource_columns(resources, resource_of),
            **scope_columns(scopes, scope_of),
            "Arrived": times(came.astype(np.uint64)),
        }
    )
    return {"otel_logs": table, **spans}


def resource_columns(resources: Column, resource_of: Ints) -> dict[str, Column]:
    """What logs and metrics say of their resource; `resource_of` is each row's resource."""
    own = attributes(resources.field("resource").field("attributes"))
    rows = pa.array(resource_of)
    return {
        "ServiceName": own.lookup("service.name").take(rows),
        "ResourceAttributes": own.take(resource_of).maps(),
        "ResourceSchemaUrl": text(resources.field("schema_url")).take(rows),
    }


def scope_columns(scopes: Column, scope_of: Ints) -> dict[str, Column]:
    """What logs and metrics say of their scope."""
    scope = scopes.field("scope")
    rows = pa.array(scope_of)
    return {
        "ScopeName": text(scope.field("name")).take(rows),
        "ScopeVersion": text(scope.field("version")).take(rows),
        "ScopeAttributes": attributes(scope.field("attributes")).take(scope_of).maps(),
        "ScopeSchemaUrl": text(scopes.field("schema_url")).take(rows),
    }
