"""Files to import: what the Collector's file exporter writes, and our captures; anything else is one clear error."""

from __future__ import annotations

import base64
import gzip
import json
import struct
from pathlib import Path
from typing import Any

import pytest
from contract.receiver import ONE, Recording, trace_request
from google.protobuf import json_format
from hypothesis import HealthCheck, given, settings
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from otlp_strategies import trace_requests

from tracecollect.errors import Busy, CaptureError
from tracecollect.ports import Telemetry
from tracecollect.receivers.files import import_file, read_file
from tracecollect.receivers.intake import Intake

DOCUMENT = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "orders"}}]},
            "futureField": {"x": 1},
            "scopeSpans": [
                {
                    "spans": [
                        {
                            "traceId": "5B8EFFF798038103D269B633813FC60C",
                            "spanId": "eee19b7ec3c1b174",
                            "parentSpanId": "",
                            "name": "GET /",
                            "kind": 2,
                            "start_time_unix_nano": "7",
                            "startTimeUnixNano": "1544712660000000000",
                            "endTimeUnixNano": 1544712661000000000,
                            "attributes": [
                                {"key": "n", "value": {"intValue": "5"}},
                                {"key": "d", "value": {"doubleValue": "NaN"}},
                                {"key": "b", "value": {"bytesValue": "AQI="}},
                                {"key": "e", "value": {}},
                            ],
                            "status": {"code": "STATUS_CODE_ERROR"},
                        }
                    ]
                }
            ],
        }
    ]
}


def read(path: Path) -> list[tuple[Telemetry, bytes]]:
    return [(one.telemetry, one.body) for one in read_file(path)]


def the_span(body: bytes) -> Any:
    return ExportTraceServiceRequest.FromString(body).resource_spans[0].scope_spans[0].spans[0]


@pytest.fixture(params=["plain", "gzip"])
def write(request: pytest.FixtureRequest, tmp_path: Path):
    def write(content: bytes) -> Path:
        path = tmp_path / "recorded"
        path.write_bytes(gzip.compress(content) if request.param == "gzip" else content)
        return path

    return write


def test_otlp_json_lines_follow_otlps_own_rules(write) -> None:
    path = write(json.dumps(DOCUMENT).encode() + b"\n\n" + json.dumps({"resourceLogs": []}).encode())
    (first, body), (second, _) = read(path)
    assert (first, second) == (Telemetry.TRACES, Telemetry.LOGS)
    span = the_span(body)
    assert span.trace_id.hex() == "5b8efff798038103d269b633813fc60c"
    assert span.span_id.hex() == "eee19b7ec3c1b174"
    assert span.parent_span_id == b""
    assert (span.start_time_unix_nano, span.end_time_unix_nano) == (1544712660000000000, 1544712661000000000)
    assert span.status.code == 2
    assert [one.value.WhichOneof("value") for one in span.attributes] == [
        "int_value",
        "double_value",
        "bytes_value",
        None,
    ]


def test_one_document_over_many_lines_is_read_too(write) -> None:
    ((telemetry, _),) = read(write(json.dumps(DOCUMENT, indent=2).encode()))
    assert telemetry is Telemetry.TRACES


def test_old_names_are_understood(write) -> None:
    text = json.dumps(DOCUMENT).replace("scopeSpans", "instrumentationLibrarySpans").replace("resourceSpans", "batches")
    ((_, body),) = read(write(text.encode()))
    assert the_span(body).name == "GET /"


def test_an_id_that_is_no_hex_costs_the_span_and_not_the_file(write) -> None:
    text = json.dumps(DOCUMENT).replace("eee19b7ec3c1b174", "not hex")
    recorder = Recording()
    report = import_file(write(text.encode()), Intake(recorder))
    assert (report.requests, report.rejected, sum(report.accepted.values())) == (1, 1, 0)
    assert "span id" in report.reasons[0]


def test_our_captures_are_read_byte_for_byte(write) -> None:
    lines = [{"signal": str(kind), "t": 1, "b64": base64.b64encode(body).decode()} for kind, body in ONE.items()]
    assert read(write("\n".join(map(json.dumps, lines)).encode())) == list(ONE.items())


def test_protobuf_messages_are_told_apart_by_their_content(write) -> None:
    timed = ExportTraceServiceRequest.FromString(ONE[Telemetry.TRACES])
    timed.resource_spans[0].scope_spans[0].spans[0].start_time_unix_nano = 5
    bodies = {**ONE, Telemetry.TRACES: timed.SerializeToString()}
    content = b"".join(struct.pack(">I", len(body)) + body for body in bodies.values())
    assert read(write(content)) == list(bodies.items())


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(trace_requests)
def test_any_request_survives_the_way_through_json(tmp_path_factory: pytest.TempPathFactory, request_: Any) -> None:
    document = json_format.MessageToDict(request_, use_integers_for_enums=True)
    _ids_to_hex(document)
    path = tmp_path_factory.getbasetemp() / "any.json"
    if not request_.resource_spans:
        return
    path.write_text(json.dumps(document) + "\n")
    ((_, body),) = read(path)
    assert repr(ExportTraceServiceRequest.FromString(body)) == repr(request_)


def _ids_to_hex(value: Any) -> None:
    for key, inner in value.items() if isinstance(value, dict) else ():
        if key in ("traceId", "spanId", "parentSpanId"):
            value[key] = base64.b64decode(inner).hex()
        _ids_to_hex(inner)
    for inner in value if isinstance(value, list) else ():
        _ids_to_hex(inner)


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"hello, world, this is no telemetry", "believable length"),
        (b'{"a": 1}\n', ":1: neither resourceSpans"),
        (json.dumps(DOCUMENT).encode() + b'\n{"resourceSpans": 5}\n', ":2: not OTLP JSON"),
        (json.dumps(DOCUMENT).encode() + b'\n{"resourceSpans": [', ":2: not OTLP JSON"),
        (b'{"signal": "traces", "b64": "%%%"}\n', ":1: not OTLP JSON and no capture"),
        (b'{"signal": "smoke", "b64": ""}\n', ":1: not OTLP JSON and no capture"),
        (struct.pack(">I", 50) + b"short", "ends in the middle"),
        (struct.pack(">I", 5) + b"wrong", "no OTLP export request"),
        (b"\n\n", "holds no telemetry"),
    ],
)
def test_a_wrong_file_is_one_clear_error_with_its_place(write, content: bytes, complaint: str) -> None:
    path = write(content)
    with pytest.raises(CaptureError) as error:
        read(path)
    assert complaint in error.value.message
    assert str(path) in error.value.message
    assert "file exporter" in error.value.hint


def test_a_damaged_gzip_file_and_a_missing_file_are_clear_errors(tmp_path: Path) -> None:
    path = tmp_path / "x.gz"
    path.write_bytes(gzip.compress(json.dumps(DOCUMENT).encode() * 50)[:-20])
    with pytest.raises(CaptureError, match="middle"):
        read(path)
    with pytest.raises(CaptureError, match="No such file"):
        read(tmp_path / "absent")


def test_an_empty_file_is_empty(write) -> None:
    assert read(write(b"")) == []


def test_what_came_before_the_error_stays_and_is_counted(write) -> None:
    recorder = Recording()
    line = {"signal": "traces", "t": 1, "b64": base64.b64encode(trace_request((b"t" * 16, b"s" * 8, "x"))).decode()}
    path = write(json.dumps(line).encode() + b'\n{"signal": "traces", "t": 1, "b64": "AAAA"}\n')
    with pytest.raises(CaptureError, match=r":2: not a well-formed"):
        import_file(path, Intake(recorder))
    assert len(recorder.taken) == 1


def test_a_sink_that_stays_busy_ends_the_import(write) -> None:
    recorder = Recording()
    recorder.busy = True
    line = {"signal": "logs", "t": 1, "b64": base64.b64encode(ONE[Telemetry.LOGS]).decode()}
    with pytest.raises(Busy):
        import_file(write(json.dumps(line).encode()), Intake(recorder), patience=0)
