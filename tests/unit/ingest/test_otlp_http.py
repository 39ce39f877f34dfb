"""OTLP over HTTP keeps the receiver's promises in protobuf and in JSON, and those that only HTTP has."""

from __future__ import annotations

import contextlib
import gzip
import http.client
import json
import socket
import sys
import threading
import time
import zlib
from collections.abc import Iterator, Mapping

import pytest
from contract.receiver import GOOD, LIMIT, ONE, Answer, ReceiverContract, Recording, trace_request
from google.protobuf import json_format
from google.rpc.error_details_pb2 import BadRequest, RetryInfo
from google.rpc.status_pb2 import Status
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor

from tracecollect.ports import Telemetry
from tracecollect.receivers import tcp
from tracecollect.receivers.intake import Intake
from tracecollect.receivers.listeners import Listeners, Listening
from tracecollect.wire.status import _NAMES

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

PROTOBUF, JSON = "application/x-protobuf", "application/json"
CODES = {400: "INVALID_ARGUMENT", 413: "RESOURCE_EXHAUSTED", 503: "UNAVAILABLE", 500: "INTERNAL"}
PAGE = "http://shop.example:8080"
JSON_SPAN = {
    "resourceSpans": [
        {
            "resource": {"attributes": [{"key": "service.name", "value": {"stringValue": "orders"}}]},
            "scopeSpans": [
                {"spans": [{"traceId": "5B8EFFF798038103D269B633813FC60C", "spanId": "eee19b7ec3c1b174", "name": "x"}]}
            ],
        }
    ]
}  # fmt: skip


class Client:
    """An HTTP receiver on a free port and a sender to it."""

    def __init__(self) -> None:
        self.recorder = Recording()
        self.intake = Intake(self.recorder, max_body=LIMIT, max_in_flight=LIMIT)
        self.server = Listeners(self.intake, Listening(http=("127.0.0.1", 0), origins=(PAGE,)))
        self.server.start()
        self.port = self.server.http_port

    def ask(
        self, path: str, body: bytes, headers: Mapping[str, str], method: str = "POST"
    ) -> tuple[int, Mapping[str, str], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, body, dict(headers))
            answer = connection.getresponse()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
        finally:
            connection.close()

    def send(self, telemetry: Telemetry, body: bytes, *, compressed: bool = False) -> Answer:
        headers = {"Content-Type": PROTOBUF}
        if compressed:
            body, headers["Content-Encoding"] = gzip.compress(body), "gzip"
        code, said, raw = self.ask(f"/v1/{telemetry}", body, headers)
        assert said["content-type"] == PROTOBUF
        if code == 200:
            partial = ExportTraceServiceResponse.FromString(raw).partial_success
            return Answer("OK", partial.error_message, partial.rejected_spans)
        status = Status.FromString(raw)
        assert _NAMES[status.code] == CODES[code]
        retry = None
        for one in status.details:
            info = RetryInfo()
            if one.Unpack(info):
                retry = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
        assert (retry is None) == ("retry-after" not in said)
        return Answer(CODES[code], status.message, 0, retry)

    def close(self) -> None:
        self.recorder.release.set()
        self.server.stop(0)


@pytest.fixture
def receiver() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


class TestOtlpHttp(ReceiverContract):
    """The contract, over HTTP in protobuf."""


def test_what_was_sent_before_a_stop_is_kept_though_its_sender_is_gone(receiver: Client) -> None:
    # The loop is busy meanwhile, so that connecting, sending, leaving and the stop all wait for it.
    receiver.server._loop.call_soon_threadsafe(time.sleep, 0.5)
    body = ONE[Telemetry.TRACES]
    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=20)
    connection.request("POST", "/v1/traces", body, {"Content-Type": PROTOBUF})
    connection.close()
    receiver.server.stop(5)
    assert receiver.recorder.taken == [(Telemetry.TRACES, body, 1)]


# --- JSON -------------------------------------------------------------------------------------------


def test_a_json_request_is_recorded_as_protobuf_and_answered_in_json(receiver: Client) -> None:
    code, said, body = receiver.ask(
        "/v1/traces", json.dumps(JSON_SPAN).encode(), {"Content-Type": f"{JSON}; charset=utf-8"}
    )
    assert (code, said["content-type"], body) == (200, JSON, b"{}")
    ((telemetry, taken, items),) = receiver.recorder.taken
    assert (telemetry, items) == (Telemetry.TRACES, 1)
    assert bytes.fromhex("5b8efff798038103d269b633813fc60c") in taken


def test_bad_spans_in_json_are_counted_as_a_string(receiver: Client) -> None:
    document = json.loads(json.dumps(JSON_SPAN))
    spans = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    spans.append(spans[0] | {"traceId": "not hex"})
    _, _, body = receiver.ask("/v1/traces", json.dumps(document).encode(), {"Content-Type": JSON})
    assert json.loads(body)["partialSuccess"]["rejectedSpans"] == "1"


@pytest.mark.parametrize(
    "text",
    [b"", b"[]", b"{", b'{"resourceSpans": 7}',
     b'{"resourceSpans": [{"scopeSpans": [{"spans": [{"kind": {}}]}]}]}', b"[" * 200_000,
     b'{"resourceSpans": [{"schemaUrl": "\\ud800"}]}', b"\xff"],
)  # fmt: skip
def test_json_that_is_none_is_refused_in_json_with_the_reason(receiver: Client, text: bytes) -> None:
    code, said, body = receiver.ask("/v1/traces", text[: LIMIT - 1], {"Content-Type": JSON})
    status = json_format.Parse(body, Status())
    assert (code, said["content-type"], status.code) == (400, JSON, 3)
    bad = BadRequest()
    assert status.details[0].Unpack(bad)
    assert bad.field_violations[0].description
    assert receiver.recorder.taken == []


# --- encodings --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress), ("identity", bytes),
     ("gzip", lambda body: gzip.compress(body[:9]) + gzip.compress(body[9:]))],
)  # fmt: skip
def test_every_encoding_is_unpacked(receiver: Client, encoding: str, pack) -> None:
    body = ONE[Telemetry.TRACES]
    code, _, _ = receiver.ask("/v1/traces", pack(body), {"Content-Type": PROTOBUF, "Content-Encoding": encoding})
    assert code == 200
    assert receiver.recorder.taken == [(Telemetry.TRACES, body, 1)]


@pytest.mark.parametrize(
    ("encoding", "pack"), [("gzip", gzip.compress), ("deflate", zlib.compress), ("zstd", zstd.compress)]
)
def test_the_limit_counts_what_comes_out_whatever_the_encoding(receiver: Client, encoding: str, pack) -> None:
    packed = pack(bytes(50_000_000))
    assert len(packed) < LIMIT
    code, _, _ = receiver.ask("/v1/traces", packed, {"Content-Type": PROTOBUF, "Content-Encoding": encoding})
    assert code == 413


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "zstd"])
def test_a_stream_that_ends_in_the_middle_is_bad_data(receiver: Client, encoding: str) -> None:
    pack = {"gzip": gzip.compress, "deflate": zlib.compress, "zstd": zstd.compress}[encoding]
    packed = pack(ONE[Telemetry.TRACES])[:-3]
    code, _, _ = receiver.ask("/v1/traces", packed, {"Content-Type": PROTOBUF, "Content-Encoding": encoding})
    assert code == 400
    assert receiver.intake.counters().refused == {"not_packed": 1}


# --- what only HTTP can get wrong -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "headers", "code"),
    [
        ("POST", "/v1/traces", {"Content-Type": "text/plain"}, 415),
        ("POST", "/v1/traces", {}, 415),
        ("POST", "/v1/traces", {"Content-Type": PROTOBUF, "Content-Encoding": "br"}, 415),
        ("GET", "/v1/traces", {}, 405),
        ("PUT", "/v1/metrics", {"Content-Type": PROTOBUF}, 405),
        ("POST", "/v1/profiles", {"Content-Type": PROTOBUF}, 404),
        ("GET", "/", {}, 404),
    ],
)
def test_what_is_no_export_request_is_told_so(receiver: Client, method, path, headers, code) -> None:
    found, said, body = receiver.ask(path, b"x" if method != "GET" else b"", headers, method)
    assert (found, said["content-type"].split(";")[0]) == (code, "text/plain")
    assert len(body) > 10


def test_a_body_in_chunks_is_taken_and_bounded(receiver: Client) -> None:
    body = ONE[Telemetry.TRACES]

    def chunks(total: bytes) -> Iterator[bytes]:
        for start in range(0, len(total), 10_000):
            yield total[start : start + 10_000]

    connection = http.client.HTTPConnection("127.0.0.1", receiver.port, timeout=20)
    connection.request("POST", "/v1/traces", chunks(body), {"Content-Type": PROTOBUF}, encode_chunked=True)
    assert connection.getresponse().read() == b""
    connection.request(
        "POST", "/v1/traces", chunks(bytes(LIMIT + 20_000)), {"Content-Type": PROTOBUF}, encode_chunked=True
    )
    assert connection.getresponse().status == 413
    connection.close()


def raw(port: int, data: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", port), 20) as connection:
        connection.sendall(data)
        found = b""
        while piece := connection.recv(65536):
            found += piece
        return found


def post(body: bytes, *more: str) -> bytes:
    lines = ["POST /v1/traces HTTP/1.1", "host: x", f"content-type: {PROTOBUF}", f"content-length: {len(body)}", *more]
    return ("\r\n".join(lines) + "\r\n\r\n").encode() + body


def test_requests_in_one_breath_are_answered_one_after_the_other(receiver: Client) -> None:
    body = ONE[Telemetry.TRACES]
    answer = raw(receiver.port, post(body) * 40 + post(b"", "connection: close"))
    assert answer.count(b"HTTP/1.1 200 OK") == 41
    assert len(receiver.recorder.taken) == 40


def test_a_client_that_offers_http2_with_its_request_is_served_as_it_is(receiver: Client) -> None:
    offer = (
        "connection: Upgrade, HTTP2-Settings",
        "upgrade: h2c",
        "http2-settings: AAEAAEAAAAIAAAABAAMAAABkAAQBAAAAAAUAAEAA",
    )
    answer = raw(receiver.port, post(ONE[Telemetry.TRACES], *offer) + post(b"", "connection: close"))
    assert answer.count(b"HTTP/1.1 200 OK") == 2
    assert len(receiver.recorder.taken) == 1


def test_a_sender_that_asks_first_is_told_to_go_on(receiver: Client) -> None:
    body = ONE[Telemetry.TRACES]
    with socket.create_connection(("127.0.0.1", receiver.port), 20) as connection:
        connection.sendall(post(body, "expect: 100-continue", "connection: close")[: -len(body)])
        assert connection.recv(65536).startswith(b"HTTP/1.1 100 ")
        connection.sendall(body)
        assert connection.recv(65536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize(
    "text",
    [b"GARBAGE\r\n\r\n", b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"],
)
def test_what_is_not_http_is_answered_and_cut(receiver: Client, text: bytes) -> None:
    assert raw(receiver.port, text).startswith(b"HTTP/1.1 400 ")
    assert receiver.send(Telemetry.TRACES, ONE[Telemetry.TRACES]) == Answer("OK")


def test_a_head_without_an_end_is_cut(receiver: Client) -> None:
    endless = b"POST /v1/traces HTTP/1.1\r\n" + b"".join(b"x-%d: %s\r\n" % (n, b"y" * 1000) for n in range(40))
    assert raw(receiver.port, endless).startswith(b"HTTP/1.1 431 ")


def test_slow_senders_are_cut_after_their_time_and_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "_SWEEP_SECONDS", 0.01)
    monkeypatch.setattr(
        "tracecollect.receivers.listeners.Bounds",
        lambda **given: tcp.Bounds(**given, head_seconds=0.3, body_seconds=0.3),
    )
    client = Client()
    slow = [socket.create_connection(("127.0.0.1", client.port), 20) for _ in range(50)]
    for number, one in enumerate(slow):
        one.sendall(post(bytes(1000))[: 20 if number % 2 else 200])
    assert client.send(Telemetry.TRACES, ONE[Telemetry.TRACES]) == Answer("OK")
    for one in slow:
        with contextlib.suppress(ConnectionResetError):
            assert one.recv(100) == b""
        one.close()
    client.close()


def test_a_stop_answers_the_running_request_and_refuses_others(receiver: Client) -> None:
    receiver.recorder.release.clear()
    answers: list[Answer] = []
    sender = threading.Thread(target=lambda: answers.append(receiver.send(Telemetry.LOGS, ONE[Telemetry.LOGS])))
    sender.start()
    assert receiver.recorder.asked.wait(10)
    stopper = threading.Thread(target=receiver.server.stop, args=(10,))
    stopper.start()
    receiver.recorder.release.set()
    sender.join()
    stopper.join()
    assert answers == [Answer("OK")]
    with pytest.raises(ConnectionRefusedError):
        receiver.send(Telemetry.LOGS, ONE[Telemetry.LOGS])


# --- web pages --------------------------------------------------------------------------------------


def test_a_page_on_the_list_may_send_and_another_may_not(receiver: Client) -> None:
    asks = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type,x-tenant"}
    code, said, _ = receiver.ask("/v1/traces", b"", {"Origin": PAGE, **asks}, "OPTIONS")
    assert (code, said["access-control-allow-origin"]) == (204, PAGE)
    assert said["access-control-allow-headers"] == "content-type,x-tenant"
    assert int(said["access-control-max-age"]) > 0
    code, said, _ = receiver.ask("/v1/traces", json.dumps(JSON_SPAN).encode(), {"Origin": PAGE, "Content-Type": JSON})
    assert (code, said["access-control-allow-origin"]) == (200, PAGE)
    for method, body in (("OPTIONS", b""), ("POST", b"{}")):
        _, said, _ = receiver.ask(
            "/v1/traces", body, {"Origin": "http://evil.example", "Content-Type": JSON, **asks}, method
        )
        assert "access-control-allow-origin" not in said


# --- a real sender ----------------------------------------------------------------------------------


def test_the_official_exporter_delivers(receiver: Client) -> None:
    tracing = TracerProvider(resource=Resource({"service.name": "orders"}))
    tracing.add_span_processor(SimpleSpanProcessor(OTLPSpanExporter(f"http://127.0.0.1:{receiver.port}/v1/traces")))
    with tracing.get_tracer("shop").start_as_current_span("pay"):
        pass
    tracing.shutdown()
    ((telemetry, body, items),) = receiver.recorder.taken
    assert (telemetry, items) == (Telemetry.TRACES, 1)
    assert b"pay" in body


def test_one_bad_span_among_good_ones_over_http_keeps_the_good_ones(receiver: Client) -> None:
    answer = receiver.send(Telemetry.TRACES, trace_request(GOOD, (b"", b"", "bad")))
    assert (answer.code, answer.rejected) == ("OK", 1)
