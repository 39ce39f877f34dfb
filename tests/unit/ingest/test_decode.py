"""What is in an export request is in the columns, for every request there can be."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_flattener import Row, flatten_logs, flatten_metrics, flatten_traces
from otlp_strategies import log_requests, metric_requests, trace_requests, unknown_fields

from tracecollect.errors import Rejected
from tracecollect.ports import Telemetry
from tracecollect.wire.check import check
from tracecollect.wire.decode import decode, plain

often = settings(max_examples=120, deadline=None, suppress_health_check=list(HealthCheck))


def rows(table: pa.Table) -> list[Row]:
    """The table as Python, times as integers."""
    whole = plain(table)
    for number, field in enumerate(whole.schema):
        if pa.types.is_timestamp(field.type):
            whole = whole.set_column(number, field.name, whole.column(number).cast(pa.int64()))
        elif pa.types.is_list(field.type) and pa.types.is_timestamp(field.type.value_type):
            whole = whole.set_column(number, field.name, whole.column(number).cast(pa.list_(pa.int64())))
    return whole.to_pylist()


def decoded(telemetry: Telemetry, bodies: list[bytes]) -> dict[str, list[Row]]:
    tables = decode(telemetry, bodies, range(1000, 1000 + len(bodies)))
    return {name: rows(table) for name, table in tables.items()}


def same(found: list[Row], expected: list[Row]) -> None:
    assert [sorted(row) for row in found] == [sorted(row) for row in expected]
    for one, other in zip(found, expected, strict=True):
        for column, value in other.items():
            assert repr(one[column]) == repr(value), column


@often
@given(st.lists(st.tuples(trace_requests, unknown_fields), max_size=3))
def test_every_span_of_every_request_is_in_the_columns(requests: list[Any]) -> None:
    bodies = [request.SerializeToString() + extra for request, extra in requests]
    expected = [row for i, (request, _) in enumerate(requests) for row in flatten_traces(request, 1000 + i)]
    same(decoded(Telemetry.TRACES, bodies).get("otel_traces", []), expected)


@often
@given(st.lists(log_requests, max_size=3))
def test_every_log_record_is_in_the_columns(requests: list[Any]) -> None:
    expected = [row for i, request in enumerate(requests) for row in flatten_logs(request, 1000 + i)]
    same(decoded(Telemetry.LOGS, [r.SerializeToString() for r in requests]).get("otel_logs", []), expected)


@often
@given(st.lists(metric_requests, max_size=3))
def test_every_data_point_of_every_type_is_in_the_columns(requests: list[Any]) -> None:
    expected = defaultdict(list)
    for i, request in enumerate(requests):
        for table, row in flatten_metrics(request, 1000 + i):
            expected[table].append(row)
    found = decoded(Telemetry.METRICS, [r.SerializeToString() for r in requests])
    assert set(found) == set(expected)
    for table in expected:
        same(found[table], expected[table])


@often
@given(trace_requests)
def test_the_door_and_the_decoder_agree_on_which_spans_are_good(request: Any) -> None:
    body = request.SerializeToString()
    receipt, reasons = check(Telemetry.TRACES, body)
    assert receipt.accepted == len(decoded(Telemetry.TRACES, [body]).get("otel_traces", []))
    assert receipt.rejected == sum(reasons.values())
    assert bool(receipt.reason) == bool(receipt.rejected)


@often
@given(
    st.sampled_from(list(Telemetry)),
    st.one_of(st.binary(max_size=60), trace_requests.map(lambda r: r.SerializeToString()[:-1])),
)
def test_garbage_is_refused_or_read_but_never_breaks_anything(telemetry: Telemetry, body: bytes) -> None:
    # Whatever else is raised fails the test.
    for read in (lambda: check(telemetry, body), lambda: decode(telemetry, [body], [1])):
        with contextlib.suppress(Rejected):
            read()


def test_text_that_is_not_utf8_is_repaired_and_never_refused() -> None:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = "ABCD"
    span = resource.scope_spans.add().spans.add(trace_id=b"t" * 16, span_id=b"s" * 8, name="ABCD")
    span.attributes.add(key="ABCD").value.string_value = "ABCD"
    span.attributes.add(key="list").value.array_value.values.add().string_value = "ABCD"
    body = request.SerializeToString().replace(b"ABCD", b"A\xff\xfeD")
    receipt, _ = check(Telemetry.TRACES, body)
    assert receipt.accepted == 1
    (row,) = decoded(Telemetry.TRACES, [body])["otel_traces"]
    assert row["SpanName"] == row["ServiceName"] == "A��D"
    assert ("A��D", "A��D") in row["SpanAttributes"]
    assert ("list", '["A��D"]') in row["SpanAttributes"]


def test_a_value_nested_beyond_reason_is_refused_at_the_door() -> None:
    value = b""
    for _ in range(2000):
        inner = b"\x0a" + _varint(len(value)) + value
        value = b"\x2a" + _varint(len(inner)) + inner
    attribute = b"\x12" + _varint(len(value)) + value
    span = b"\x4a" + _varint(len(attribute)) + attribute
    body = span
    for field in (b"\x12", b"\x12", b"\x0a"):
        body = field + _varint(len(body)) + body
    with pytest.raises(Rejected):
        check(Telemetry.TRACES, body)


def _varint(number: int) -> bytes:
    out = b""
    while number > 127:
        out += bytes([number & 127 | 128])
        number >>= 7
    return out + bytes([number])
