"""Columns back to spans, records and points as they were on the wire: slow, and the proof of what the columns say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pyarrow as pa
from builders.otlp import EPOCH, Item
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.metrics.v1.metrics_pb2 import Metric
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from simulator.columns import KINDS
from tracecollect.ports import Telemetry
from tracecollect.wire.decode import plain

_Row = Mapping[str, object]


def items(telemetry: Telemetry, table: pa.Table) -> Iterator[Item]:
    """What one table says, a row each, to be put into requests."""
    make = {Telemetry.TRACES: _span, Telemetry.LOGS: _record, Telemetry.METRICS: _level}[telemetry]
    whole = plain(table)
    moments = whole.select([name for name in whole.column_names if pa.types.is_timestamp(whole[name].type)])
    numbers = moments.cast(pa.schema([(name, pa.int64()) for name in moments.column_names])).to_pylist()
    for row, times in zip(whole.drop_columns(moments.column_names).to_pylist(), numbers, strict=True):
        arrives = (times["Arrived"] - EPOCH) / 1e9
        resource = tuple(row["ResourceAttributes"])
        yield Item(telemetry, resource, row["ScopeName"], make(row | times), arrives, arrives)


def _span(row: _Row) -> Span:
    return Span(
        trace_id=bytes.fromhex(row["TraceId"]),
        span_id=bytes.fromhex(row["SpanId"]),
        parent_span_id=bytes.fromhex(row["ParentSpanId"]),
        name=row["SpanName"],
        kind=KINDS.index(row["SpanKind"]),
        flags=row["Flags"],
        start_time_unix_nano=row["Timestamp"],
        end_time_unix_nano=row["Timestamp"] + row["Duration"],
        attributes=_pairs(row["SpanAttributes"]),
        events=[
            Span.Event(time_unix_nano=at.value, name=name)
            for at, name in zip(row["Events.Timestamp"], row["Events.Name"], strict=True)
        ],
        status={"code": 2 if row["StatusCode"] == "Error" else 0},
    )


def _record(row: _Row) -> LogRecord:
    return LogRecord(
        trace_id=bytes.fromhex(row["TraceId"]),
        span_id=bytes.fromhex(row["SpanId"]),
        event_name=row["EventName"],
        time_unix_nano=row["Timestamp"],
        attributes=_pairs(row["LogAttributes"]),
    )


def _level(row: _Row) -> Metric:
    metric = Metric(name=row["MetricName"])
    metric.sum.aggregation_temporality = row["AggregationTemporality"]
    metric.sum.data_points.add(
        time_unix_nano=row["TimeUnix"],
        start_time_unix_nano=row["StartTimeUnix"],
        as_double=row["Value"],
        attributes=_pairs(row["Attributes"]),
    )
    return metric


def _pairs(attributes: list[tuple[str, str]]) -> list[KeyValue]:
    return [KeyValue(key=key, value={"string_value": value}) for key, value in attributes]
