"""Random export requests in the official classes: every field that a table keeps, and hostile corners."""

from __future__ import annotations

from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1 import common_pb2 as common
from opentelemetry.proto.logs.v1 import logs_pb2 as logs
from opentelemetry.proto.metrics.v1 import metrics_pb2 as metrics
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from opentelemetry.proto.trace.v1 import trace_pb2 as trace

texts = st.one_of(
    st.sampled_from(["", "service.name", "GET /", "ü", "a" * 127, "b" * 128, "c" * 17000]),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
)
names = texts.filter(bool)
nanos = st.one_of(
    st.just(0), st.integers(1, 2**64 - 1), st.integers(1_700_000_000_000_000_000, 1_700_000_000_000_000_009)
)
doubles = st.floats(width=64)
int64s = st.one_of(st.integers(-(2**63), 2**63 - 1), st.sampled_from([0, 1, 127, 128, 5432, -1]))
trace_ids = st.one_of(st.binary(min_size=16, max_size=16), st.sampled_from([b"", bytes(16), b"short"]))
span_ids = st.one_of(st.binary(min_size=8, max_size=8), st.sampled_from([b"", bytes(8), b"far too long"]))
unknown_fields = st.sampled_from([b"", b"\xa2\x06\x03abc", b"\xa0\x06\x07"])

scalars = st.one_of(
    st.builds(common.AnyValue),
    st.builds(common.AnyValue, string_value=texts),
    st.builds(common.AnyValue, bool_value=st.booleans()),
    st.builds(common.AnyValue, int_value=int64s),
    st.builds(common.AnyValue, double_value=doubles),
    st.builds(common.AnyValue, bytes_value=st.binary(max_size=5)),
)


def _nested(inner: st.SearchStrategy[common.AnyValue]) -> st.SearchStrategy[common.AnyValue]:
    entries = st.lists(st.builds(common.KeyValue, key=texts, value=inner), max_size=3)
    return st.one_of(
        st.builds(common.AnyValue, array_value=st.builds(common.ArrayValue, values=st.lists(inner, max_size=3))),
        st.builds(common.AnyValue, kvlist_value=st.builds(common.KeyValueList, values=entries)),
    )


values = st.recursive(scalars, _nested, max_leaves=5)
attributes = st.lists(
    st.one_of(st.builds(common.KeyValue, key=texts, value=values), st.builds(common.KeyValue, key=texts)), max_size=4
)
resources = st.one_of(st.none(), st.builds(Resource, attributes=attributes))
scopes = st.one_of(
    st.none(),
    st.builds(
        common.InstrumentationScope,
        name=texts,
        version=texts,
        attributes=attributes,
        dropped_attributes_count=st.integers(0, 9),
    ),
)

events = st.builds(trace.Span.Event, time_unix_nano=nanos, name=texts, attributes=attributes)
links = st.builds(trace.Span.Link, trace_id=trace_ids, span_id=span_ids, trace_state=texts, attributes=attributes)
spans = st.builds(
    trace.Span,
    trace_id=trace_ids,
    span_id=span_ids,
    trace_state=texts,
    parent_span_id=span_ids,
    name=texts,
    kind=st.sampled_from([0, 1, 2, 3, 4, 5, 77]),
    start_time_unix_nano=nanos,
    end_time_unix_nano=nanos,
    attributes=attributes,
    dropped_attributes_count=st.integers(0, 3),
    events=st.lists(events, max_size=2),
    links=st.lists(links, max_size=2),
    status=st.one_of(st.none(), st.builds(trace.Status, message=texts, code=st.sampled_from([0, 1, 2, 9]))),
    flags=st.integers(0, 2**32 - 1),
)
trace_requests = st.builds(
    ExportTraceServiceRequest,
    resource_spans=st.lists(
        st.builds(
            trace.ResourceSpans,
            resource=resources,
            scope_spans=st.lists(
                st.builds(trace.ScopeSpans, scope=scopes, spans=st.lists(spans, max_size=4), schema_url=texts),
                max_size=2,
            ),
            schema_url=texts,
        ),
        max_size=2,
    ),
)

records = st.builds(
    logs.LogRecord,
    time_unix_nano=nanos,
    observed_time_unix_nano=nanos,
    severity_number=st.integers(0, 24),
    severity_text=texts,
    body=st.one_of(st.none(), values),
    attributes=attributes,
    flags=st.integers(0, 2**32 - 1),
    trace_id=trace_ids,
    span_id=span_ids,
    event_name=texts,
)
log_requests = st.builds(
    ExportLogsServiceRequest,
    resource_logs=st.lists(
        st.builds(
            logs.ResourceLogs,
            resource=resources,
            scope_logs=st.lists(
                st.builds(logs.ScopeLogs, scope=scopes, log_records=st.lists(records, max_size=4), schema_url=texts),
                max_size=2,
            ),
            schema_url=texts,
        ),
        max_size=2,
    ),
)

finite = st.floats(allow_nan=False)
exemplars = st.one_of(
    st.builds(
        metrics.Exemplar,
        filtered_attributes=attributes,
        time_unix_nano=nanos,
        as_double=finite,
        span_id=span_ids,
        trace_id=trace_ids,
    ),
    st.builds(metrics.Exemplar, as_int=int64s),
    st.builds(metrics.Exemplar),
)
_point = {"attributes": attributes, "start_time_unix_nano": nanos, "time_unix_nano": nanos, "flags": st.integers(0, 3)}
_counts = st.lists(st.integers(0, 2**64 - 1), max_size=4)
number_points = st.one_of(
    st.builds(metrics.NumberDataPoint, **_point, as_double=finite, exemplars=st.lists(exemplars, max_size=2)),
    st.builds(metrics.NumberDataPoint, **_point, as_int=int64s),
    st.builds(metrics.NumberDataPoint, **_point),
)
_spread = {
    **_point,
    "count": st.integers(0, 2**64 - 1),
    "sum": finite,
    "min": finite,
    "max": finite,
    "exemplars": st.lists(exemplars, max_size=2),
}
histogram_points = st.one_of(
    st.builds(
        metrics.HistogramDataPoint, **_spread, bucket_counts=_counts, explicit_bounds=st.lists(finite, max_size=4)
    ),
    st.builds(metrics.HistogramDataPoint, **_point),
)
_buckets = st.one_of(
    st.none(),
    st.builds(
        metrics.ExponentialHistogramDataPoint.Buckets,
        offset=st.integers(-(2**31), 2**31 - 1),
        bucket_counts=_counts,
    ),
)
exponential_points = st.builds(
    metrics.ExponentialHistogramDataPoint,
    **_spread,
    scale=st.integers(-10, 20),
    zero_count=st.integers(0, 2**64 - 1),
    positive=_buckets,
    negative=_buckets,
)
summary_points = st.builds(
    metrics.SummaryDataPoint,
    **_point,
    count=st.integers(0, 2**64 - 1),
    sum=finite,
    quantile_values=st.lists(
        st.builds(metrics.SummaryDataPoint.ValueAtQuantile, quantile=finite, value=finite), max_size=3
    ),
)
_temporality = st.sampled_from([0, 1, 2])
_named = {"name": names, "description": texts, "unit": texts}
all_metrics = st.one_of(
    st.builds(metrics.Metric, **_named),
    st.builds(
        metrics.Metric, **_named, gauge=st.builds(metrics.Gauge, data_points=st.lists(number_points, max_size=3))
    ),
    st.builds(
        metrics.Metric,
        **_named,
        sum=st.builds(
            metrics.Sum,
            data_points=st.lists(number_points, max_size=3),
            aggregation_temporality=_temporality,
            is_monotonic=st.booleans(),
        ),
    ),
    st.builds(
        metrics.Metric,
        **_named,
        histogram=st.builds(
            metrics.Histogram,
            data_points=st.lists(histogram_points, max_size=3),
            aggregation_temporality=_temporality,
        ),
    ),
    st.builds(
        metrics.Metric,
        **_named,
        exponential_histogram=st.builds(
            metrics.ExponentialHistogram,
            data_points=st.lists(exponential_points, max_size=3),
            aggregation_temporality=_temporality,
        ),
    ),
    st.builds(
        metrics.Metric, **_named, summary=st.builds(metrics.Summary, data_points=st.lists(summary_points, max_size=3))
    ),
)
metric_requests = st.builds(
    ExportMetricsServiceRequest,
    resource_metrics=st.lists(
        st.builds(
            metrics.ResourceMetrics,
            resource=resources,
            scope_metrics=st.lists(
                st.builds(
                    metrics.ScopeMetrics, scope=scopes, metrics=st.lists(all_metrics, max_size=4), schema_url=texts
                ),
                max_size=2,
            ),
            schema_url=texts,
        ),
        max_size=2,
    ),
)
