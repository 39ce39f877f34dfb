"""Zipkin's spans on the web port: taken, translated, refused with the reason."""

from __future__ import annotations

import gzip
import json

import httpx
import pytest
from contract.receiver import Recording
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tracecollect.receivers.intake import Intake
from tracecollect.settings import Address
from tracecollect.web import Vitals, WebServer
from tracecollect.wire.decode import decode, plain

SPAN = {
    "traceId": "463ac35c9f6413ad",
    "id": "a2fb4a1d1a96d312",
    "parentId": "0020000000000001",
    "name": "get /orders",
    "kind": "SERVER",
    "timestamp": 1_764_000_000_123_456,
    "duration": 2_500,
    "shared": True,
    "localEndpoint": {"serviceName": "orders", "ipv4": "10.0.0.1", "port": 8080},
    "remoteEndpoint": {"serviceName": "gateway", "ipv4": "10.0.0.2"},
    "annotations": [{"timestamp": 1_764_000_000_123_500, "value": "acquired"}],
    "tags": {"http.route": "/orders", "error": "boom", "otel.scope.name": "shop", "service.instance.id": "orders-1"},
}


class Taking:
    """A web server that takes spans in."""

    def __init__(self, answers, vitals) -> None:
        self.recorder = Recording()
        self.intake = Intake(self.recorder, max_body=100_000)
        self.server = WebServer(Address("127.0.0.1", 0))
        self.server.start(answers, lambda: vitals, grace=7, intake=self.intake)

    def post(self, body: bytes, **headers: str) -> httpx.Response:
        named = {"Content-Type": "application/json"} | {k.replace("_", "-"): v for k, v in headers.items()}
        return httpx.post(f"{self.server.url}/api/v2/spans", content=body, headers=named, trust_env=False)

    def rows(self) -> list[dict]:
        ((telemetry, body, _),) = self.recorder.taken
        return plain(decode(telemetry, [body], [1])["otel_traces"]).to_pylist()


@pytest.fixture
def taking(answers):
    found = Taking(answers, Vitals(ready=True))
    yield found
    found.server.stop()


def test_a_span_is_taken_with_everything_that_it_says(taking):
    assert taking.post(json.dumps([SPAN]).encode()).status_code == 202
    (row,) = taking.rows()
    assert (row["TraceId"], row["SpanId"]) == ("0000000000000000463ac35c9f6413ad", "a2fb4a1d1a96d312")
    assert (row["ParentSpanId"], row["SpanKind"], row["SpanName"]) == ("0020000000000001", "Server", "get /orders")
    assert (row["ServiceName"], row["ScopeName"], row["Duration"]) == ("orders", "shop", 2_500_000)
    assert (row["StatusCode"], row["StatusMessage"]) == ("Error", "boom")
    assert dict(row["ResourceAttributes"])["service.instance.id"] == "orders-1"
    said = dict(row["SpanAttributes"])
    assert (said["peer.service"], said["network.peer.address"], said["zipkin.shared"]) == (
        "gateway",
        "10.0.0.2",
        "true",
    )
    assert (said["network.local.port"], said["http.route"]) == ("8080", "/orders")
    assert row["Events.Name"] == ["acquired"]


def test_a_span_without_duration_is_open(taking):
    unfinished = {key: value for key, value in SPAN.items() if key != "duration"}
    taking.post(json.dumps([unfinished]).encode())
    (row,) = taking.rows()
    assert dict(row["SpanAttributes"])["tracecollect.open"] == "true"


def test_spans_of_different_services_keep_their_service(taking):
    other = SPAN | {"id": "1", "localEndpoint": {"serviceName": "gateway"}}
    taking.post(json.dumps([SPAN, other, SPAN | {"id": "2"}]).encode())
    assert sorted(row["ServiceName"] for row in taking.rows()) == ["gateway", "orders", "orders"]


def test_packed_spans_are_taken_and_an_empty_list_leaves_nothing(taking):
    assert taking.post(b"[]").status_code == 202
    assert taking.recorder.taken == []
    assert taking.post(gzip.compress(json.dumps([SPAN]).encode()), Content_Encoding="gzip").status_code == 202
    (message,) = [ExportTraceServiceRequest.FromString(body) for _, body, _ in taking.recorder.taken]
    assert message.resource_spans[0].scope_spans[0].spans[0].name == "get /orders"


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[1]", b'[{"id": "1"}]', b'[{"traceId": "zz", "id": "1"}]', b'[{"traceId": 7, "id": "1"}]',
     b'[{"traceId": "1", "id": "1", "timestamp": -5}]', b'[{"traceId": "1", "id": "1", "timestamp": 1e300}]',
     b'[{"traceId": "1", "id": "1", "timestamp": []}]', b'[{"traceId": "1", "id": "1", "tags": 3}]', b"[" * 90_000],
)  # fmt: skip
def test_what_is_no_zipkin_span_is_refused_with_a_hint_and_counted(taking, body):
    answer = taking.post(body)
    assert answer.status_code == 400
    assert answer.json()["hint"]
    assert taking.recorder.taken == []
    assert taking.intake.counters().refused == {"malformed": 1}


def test_too_much_and_a_bomb_will_never_fit_and_a_busy_journal_asks_to_come_again(taking):
    assert taking.post(b" " * 200_000).status_code == 413
    assert taking.post(gzip.compress(b" " * 50_000_000), Content_Encoding="gzip").status_code == 413
    taking.recorder.busy = True
    answer = taking.post(json.dumps([SPAN]).encode())
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "2")


def test_another_type_is_told_what_is_taken(taking):
    assert taking.post(b"\x0a\x00", Content_Type="application/x-protobuf").status_code == 415
