"""The slow obvious flattener: official message classes, one loop after the other. It judges the fast one."""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Iterator
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

Row = dict[str, Any]

KINDS = {0: "Unspecified", 1: "Internal", 2: "Server", 3: "Client", 4: "Producer", 5: "Consumer"}
CODES = {0: "Unset", 1: "Ok", 2: "Error"}
LATEST = 2**63 - 1


def flatten_traces(request: ExportTraceServiceRequest, arrived: int) -> Iterator[Row]:
    for rs in request.resource_spans:
        for ss in rs.scope_spans:
            for span in ss.spans:
                if len(span.trace_id) != 16 or len(span.span_id) != 8 or not span.name:
                    continue
                if not any(span.trace_id) or not any(span.span_id):
                    continue
                attributes = pairs(span.attributes)
                if span.end_time_unix_nano == 0:
                    attributes.append(("tracecollect.open", "true"))
                elif span.end_time_unix_nano < span.start_time_unix_nano:
                    attributes.append(("tracecollect.clock", "end before start"))
                if span.start_time_unix_nano == 0:
                    attributes.append(("tracecollect.clock", "no start"))
                yield {
                    "Timestamp": min(span.start_time_unix_nano or span.end_time_unix_nano or arrived, LATEST),
                    "TraceId": span.trace_id.hex(),
                    "SpanId": span.span_id.hex(),
                    "ParentSpanId": hex_id(span.parent_span_id, 8),
                    "TraceState": span.trace_state,
                    "SpanName": span.name,
                    "SpanKind": KINDS.get(span.kind, "Unspecified"),
                    "ServiceName": service(rs.resource.attributes),
                    "ResourceAttributes": pairs(rs.resource.attributes),
                    "ScopeName": ss.scope.name,
                    "ScopeVersion": ss.scope.version,
                    "SpanAttributes": attributes,
                    "Duration": max(span.end_time_unix_nano - span.start_time_unix_nano, 0)
                    if span.start_time_unix_nano
                    else 0,
                    "StatusCode": CODES.get(span.status.code, "Unset"),
                    "StatusMessage": span.status.message,
                    "Events.Timestamp": [min(e.time_unix_nano, LATEST) for e in span.events],
                    "Events.Name": [e.name for e in span.events],
                    "Events.Attributes": [pairs(e.attributes) for e in span.events],
                    "Links.TraceId": [hex_id(link.trace_id, 16) for link in span.links],
                    "Links.SpanId": [hex_id(link.span_id, 8) for link in span.links],
                    "Links.TraceState": [link.trace_state for link in span.links],
                    "Links.Attributes": [pairs(link.attributes) for link in span.links],
                    "Flags": span.flags,
                    "Arrived": arrived,
                }


def flatten_logs(request: ExportLogsServiceRequest, arrived: int) -> Iterator[Row]:
    for rl in request.resource_logs:
        for sl in rl.scope_logs:
            for record in sl.log_records:
                yield {
                    "Timestamp": min(record.time_unix_nano or record.observed_time_unix_nano or arrived, LATEST),
                    "TraceId": hex_id(record.trace_id, 16),
                    "SpanId": hex_id(record.span_id, 8),
                    "TraceFlags": record.flags & 0xFF,
                    "SeverityText": record.severity_text,
                    "SeverityNumber": min(max(record.severity_number, 0), 255),
                    "Body": spell(record.body),
                    "LogAttributes": pairs(record.attributes),
                    "EventName": record.event_name,
                    **resource_and_scope(rl, sl),
                    "Arrived": arrived,
                }


def flatten_metrics(request: ExportMetricsServiceRequest, arrived: int) -> Iterator[tuple[str, Row]]:
    for rm in request.resource_metrics:
        for sm in rm.scope_metrics:
            for metric in sm.metrics:
                kind = metric.WhichOneof("data")
                if kind is None:
                    continue
                data = getattr(metric, kind)
                for point in data.data_points:
                    yield (
                        f"otel_metrics_{kind}",
                        {
                            **resource_and_scope(rm, sm),
                            "ScopeDroppedAttrCount": sm.scope.dropped_attributes_count,
                            "MetricName": metric.name,
                            "MetricDescription": metric.description,
                            "MetricUnit": metric.unit,
                            "Attributes": pairs(point.attributes),
                            "StartTimeUnix": min(point.start_time_unix_nano, LATEST),
                            "TimeUnix": min(point.time_unix_nano or arrived, LATEST),
                            "Flags": point.flags,
                            **POINTS[kind](data, point),
                            "Arrived": arrived,
                        },
                    )


def resource_and_scope(outer: Any, inner: Any) -> Row:
    return {
        "ServiceName": service(outer.resource.attributes),
        "ResourceAttributes": pairs(outer.resource.attributes),
        "ResourceSchemaUrl": outer.schema_url,
        "ScopeName": inner.scope.name,
        "ScopeVersion": inner.scope.version,
        "ScopeAttributes": pairs(inner.scope.attributes),
        "ScopeSchemaUrl": inner.schema_url,
    }


def number(holder: Any) -> float:
    kind = holder.WhichOneof("value")
    return float(getattr(holder, kind)) if kind else 0.0


def exemplars(point: Any) -> Row:
    return {
        "Exemplars.FilteredAttributes": [pairs(e.filtered_attributes) for e in point.exemplars],
        "Exemplars.TimeUnix": [min(e.time_unix_nano, LATEST) for e in point.exemplars],
        "Exemplars.Value": [number(e) for e in point.exemplars],
        "Exemplars.SpanId": [hex_id(e.span_id, 8) for e in point.exemplars],
        "Exemplars.TraceId": [hex_id(e.trace_id, 16) for e in point.exemplars],
    }


def gauge(data: Any, point: Any) -> Row:
    return {"Value": number(point), **exemplars(point)}


def total(data: Any, point: Any) -> Row:
    return {
        **gauge(data, point),
        "AggregationTemporality": data.aggregation_temporality,
        "IsMonotonic": data.is_monotonic,
    }


def histogram(data: Any, point: Any) -> Row:
    return {
        "Count": point.count,
        "Sum": point.sum,
        "BucketCounts": list(point.bucket_counts),
        "ExplicitBounds": list(point.explicit_bounds),
        "Min": point.min,
        "Max": point.max,
        **exemplars(point),
        "AggregationTemporality": data.aggregation_temporality,
    }


def exponential(data: Any, point: Any) -> Row:
    return {
        "Count": point.count,
        "Sum": point.sum,
        "Scale": point.scale,
        "ZeroCount": point.zero_count,
        "PositiveOffset": point.positive.offset,
        "PositiveBucketCounts": list(point.positive.bucket_counts),
        "NegativeOffset": point.negative.offset,
        "NegativeBucketCounts": list(point.negative.bucket_counts),
        "Min": point.min,
        "Max": point.max,
        **exemplars(point),
        "AggregationTemporality": data.aggregation_temporality,
    }


def summary(data: Any, point: Any) -> Row:
    return {
        "Count": point.count,
        "Sum": point.sum,
        "ValueAtQuantiles.Quantile": [q.quantile for q in point.quantile_values],
        "ValueAtQuantiles.Value": [q.value for q in point.quantile_values],
    }


POINTS = {
    "gauge": gauge,
    "sum": total,
    "histogram": histogram,
    "exponential_histogram": exponential,
    "summary": summary,
}


def hex_id(raw: bytes, size: int) -> str:
    return raw.hex() if len(raw) == size and any(raw) else ""


def service(attributes: Any) -> str:
    found = [spell(one.value) for one in attributes if one.key == "service.name"]
    return found[-1] if found else ""


def pairs(attributes: Any) -> list[tuple[str, str]]:
    return [(one.key, spell(one.value)) for one in attributes]


def spell(value: Any) -> str:
    kind = value.WhichOneof("value")
    if kind is None or kind == "string_value_strindex":
        return ""
    if kind in ("array_value", "kvlist_value"):
        return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return spell_scalar(plain(value))


def spell_scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return spell_float(value)
    return str(value)


def spell_float(value: float) -> str:
    """Go's strconv and ES6 agree: shortest digits, exponent below 1e-6 and from 1e21."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "+Inf" if value > 0 else "-Inf"
    digits, exponent = scientific(value)
    sign = "-" if math.copysign(1, value) < 0 else ""
    if value == 0:
        return sign + "0"
    if -7 < exponent < 21:
        point = exponent + 1
        if point <= 0:
            return sign + "0." + "0" * -point + digits
        padded = digits.ljust(point, "0")
        return sign + padded[:point] + ("." + padded[point:] if padded[point:] else "")
    mantissa = digits[0] + ("." + digits[1:] if digits[1:] else "")
    return f"{sign}{mantissa}e{'+' if exponent > 0 else '-'}{abs(exponent)}"


def scientific(value: float) -> tuple[str, int]:
    """Shortest digits without trailing zeros, and the power of ten of the first one."""
    text = repr(abs(value))
    mantissa, _, power = text.partition("e")
    whole, _, fraction = mantissa.partition(".")
    digits = (whole + fraction).lstrip("0")
    exponent = int(power or 0) + len(whole) - 1
    if whole.strip("0") == "":
        exponent = int(power or 0) - (len(fraction) - len(fraction.lstrip("0"))) - 1
    return digits.rstrip("0") or "0", exponent


def plain(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind is None or kind == "string_value_strindex":
        return None
    if kind == "array_value":
        return [plain(one) for one in value.array_value.values]
    if kind == "kvlist_value":
        return {one.key: plain(one.value) for one in value.kvlist_value.values}
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value).decode()
    scalar = getattr(value, kind)
    if isinstance(scalar, float) and not math.isfinite(scalar):
        return spell_float(scalar)
    return scalar
