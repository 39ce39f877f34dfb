"""Spans that are told of before they end become the span that is meant, without an end."""

from __future__ import annotations

import json

from contract.receiver import trace_request
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tracecollect.ports import Telemetry
from tracecollect.wire.decode import decode, plain

OPEN = "tracecollect.open"
REAL, PENDING, PARENT = b"real-id!", b"pend-id!", b"parent!!"


def pending(parent: str) -> bytes:
    request = ExportTraceServiceRequest.FromString(
        trace_request((b"t" * 16, b"other-id", "other"), (b"t" * 16, PENDING, "sell"))
    )
    for span in request.resource_spans[0].scope_spans[0].spans:
        span.start_time_unix_nano = span.end_time_unix_nano = 7
        span.parent_span_id = REAL
    for key, value in {"logfire.span_type": "pending_span", "logfire.pending_parent_id": parent}.items():
        request.resource_spans[0].scope_spans[0].spans[1].attributes.add(key=key).value.string_value = value
    return request.SerializeToString()


def rows(telemetry: Telemetry, body: bytes) -> list[dict]:
    return plain(decode(telemetry, [body], [9])["otel_traces"]).to_pylist()


def test_a_pending_span_is_the_real_one_without_an_end() -> None:
    other, span = rows(Telemetry.TRACES, pending(PARENT.hex().upper()))
    assert (span["SpanId"], span["ParentSpanId"]) == (REAL.hex(), PARENT.hex())
    assert dict(span["SpanAttributes"])[OPEN] == "true"
    assert (other["SpanId"], other["ParentSpanId"]) == (b"other-id".hex(), REAL.hex())
    assert OPEN not in dict(other["SpanAttributes"])


def test_a_pending_root_has_no_parent() -> None:
    for parent in ("0" * 16, "", "nonsense"):
        _, span = rows(Telemetry.TRACES, pending(parent))
        assert (span["SpanId"], span["ParentSpanId"]) == (REAL.hex(), "")


def heartbeats(*records: tuple[str, str]) -> bytes:
    request = ExportLogsServiceRequest()
    scope = request.resource_logs.add().scope_logs.add()
    for event, body in records:
        record = scope.log_records.add(time_unix_nano=5)
        record.body.string_value = body
        if event:
            record.attributes.add(key="partial.event").value.string_value = event
    return request.SerializeToString()


def test_a_heartbeat_is_its_span_and_stays_a_log_record() -> None:
    span = {"traceId": (b"t" * 16).hex(), "spanId": REAL.hex(), "name": "sell", "startTimeUnixNano": "3"}
    text = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})
    body = heartbeats(("heartbeat", text), ("stop", text), ("heartbeat", "nonsense"), ("", text))
    tables = decode(Telemetry.LOGS, [body], [9])
    assert tables["otel_logs"].num_rows == 4
    (row,) = plain(tables["otel_traces"]).to_pylist()
    assert (row["SpanId"], row["SpanName"]) == (REAL.hex(), "sell")
    assert dict(row["SpanAttributes"])[OPEN] == "true"


def test_logs_without_heartbeats_make_no_spans() -> None:
    assert "otel_traces" not in decode(Telemetry.LOGS, [heartbeats(("", "hello"))], [9])
