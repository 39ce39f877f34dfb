"""Metric export requests to the columns of the five `otel_metrics_*` tables."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracecollect.wire.columns import (
    Column,
    Ints,
    hex_ids,
    labels,
    list_column,
    numbers,
    offsets_of,
    parents,
    times,
    times_or,
)
from tracecollect.wire.logs import resource_columns, scope_columns
from tracecollect.wire.schema import decoder
from tracecollect.wire.values import attributes


def metric_columns(bodies: Sequence[bytes], arrived: Ints) -> Mapping[str, pa.Table]:
    """The data points of many requests, one table for each type of metric."""
    of_request: Column = decoder("MetricsRequest").list_to_record_batch(list(bodies)).column(0)
    resources = of_request.values
    scopes = resources.field("scope_metrics").values
    metrics = scopes.field("metrics").values
    scope_of = parents(scopes.field("metrics"))
    resource_of = parents(resources.field("scope_metrics"))[scope_of]
    came = arrived[parents(of_request)[resource_of]]
    tables = {}
    for kind, columns in _KINDS.items():
        holder = metrics.field(kind)
        points = holder.field("data_points").values
        if not len(points):
            continue
        metric_of = parents(holder.field("data_points"))
        tables[f"otel_metrics_{kind}"] = pa.table(
            {
                **resource_columns(resources, resource_of[metric_of]),
                **scope_columns(scopes, scope_of[metric_of]),
                "ScopeDroppedAttrCount": scopes.field("scope")
                .field("dropped_attributes_count")
                .take(pa.array(scope_of[metric_of])),
                **_point(metrics, points, metric_of, came[metric_of]),
                **columns(holder, points, metric_of),
                "Arrived": times(came[metric_of].astype(np.uint64)),
            }
        )
    return tables


def _point(metrics: Column, points: Column, metric_of: Ints, came: Ints) -> dict[str, Column]:
    rows = pa.array(metric_of)
    return {
        "MetricName": labels(metrics.field("name")).take(rows),
        "MetricDescription": labels(metrics.field("description")).take(rows),
        "MetricUnit": labels(metrics.field("unit")).take(rows),
        "Attributes": attributes(points.field("attributes")).maps(),
        "StartTimeUnix": times(numbers(points.field("start_time_unix_nano"))),
        "TimeUnix": times_or(numbers(points.field("time_unix_nano")), came),
        "Flags": points.field("flags"),
    }


def _gauge(_holder: Column, points: Column, _metric_of: Ints) -> dict[str, Column]:
    return {"Value": _value(points), **_exemplars(points.field("exemplars"))}


def _sum(holder: Column, points: Column, metric_of: Ints) -> dict[str, Column]:
    return {
        "Value": _value(points),
        **_exemplars(points.field("exemplars")),
        **_temporality(holder, metric_of),
        "IsMonotonic": holder.field("is_monotonic").take(pa.array(metric_of)),
    }


def _histogram(holder: Column, points: Column, metric_of: Ints) -> dict[str, Column]:
    same = {"Count": "count", "Sum": "sum", "BucketCounts": "bucket_counts", "ExplicitBounds": "explicit_bounds"}
    return {
        **{name: points.field(field) for name, field in same.items()},
        **_extremes(points),
        **_exemplars(points.field("exemplars")),
        **_temporality(holder, metric_of),
    }


def _exponential(holder: Column, points: Column, metric_of: Ints) -> dict[str, Column]:
    same = {"Count": "count", "Sum": "sum", "Scale": "scale", "ZeroCount": "zero_count"}
    return {
        **{name: points.field(field) for name, field in same.items()},
        "PositiveOffset": points.field("positive").field("offset"),
        "PositiveBucketCounts": points.field("positive").field("bucket_counts"),
        "NegativeOffset": points.field("negative").field("offset"),
        "NegativeBucketCounts": points.field("negative").field("bucket_counts"),
        **_extremes(points),
        **_exemplars(points.field("exemplars")),
        **_temporality(holder, metric_of),
    }


def _summary(_holder: Column, points: Column, _metric_of: Ints) -> dict[str, Column]:
    lists = points.field("quantile_values")
    offsets, quantiles = offsets_of(lists), lists.values
    return {
        "Count": points.field("count"),
        "Sum": points.field("sum"),
        "ValueAtQuantiles.Quantile": list_column(offsets, quantiles.field("quantile")),
        "ValueAtQuantiles.Value": list_column(offsets, quantiles.field("value")),
    }


def _extremes(points: Column) -> dict[str, Column]:
    return {"Min": points.field("min"), "Max": points.field("max")}


def _temporality(holder: Column, metric_of: Ints) -> dict[str, Column]:
    return {"AggregationTemporality": holder.field("aggregation_temporality").take(pa.array(metric_of))}


def _value(points: Column) -> Column:
    """Doubles and integers in one column, as the tables have it; a point without either is 0."""
    whole = pc.cast(points.field("as_int"), pa.float64(), safe=False)
    return pc.coalesce(points.field("as_double"), whole, pa.scalar(0.0))


def _exemplars(lists: Column) -> dict[str, Column]:
    offsets, exemplars = offsets_of(lists), lists.values
    return {
        "Exemplars.FilteredAttributes": list_column(offsets, attributes(exemplars.field("filtered_attributes")).maps()),
        "Exemplars.TimeUnix": list_column(offsets, times(numbers(exemplars.field("time_unix_nano")))),
        "Exemplars.Value": list_column(offsets, _value(exemplars)),
        "Exemplars.SpanId": list_column(offsets, hex_ids(exemplars.field("span_id"), 8)),
        "Exemplars.TraceId": list_column(offsets, hex_ids(exemplars.field("trace_id"), 16)),
    }


_KINDS: Mapping[str, Callable[[Column, Column, Ints], dict[str, Column]]] = {
    "gauge": _gauge,
    "sum": _sum,
    "histogram": _histogram,
    "exponential_histogram": _exponential,
    "summary": _summary,
}
