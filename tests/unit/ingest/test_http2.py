"""HTTP/2 frame by frame: whoever keeps to it is served, and who is mistaken is told so."""

from __future__ import annotations

import socket

import pytest
from contract.receiver import LIMIT
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2
from hpack import Encoder
from http2_peer import BODY, EXPORT, WINDOW, Peer, Served, message, setting

from tracecollect.ports import Telemetry
from tracecollect.receivers.frames import END_HEADERS, END_STREAM, PADDED, PREFACE, PRIORITY, Error, Kind
from tracecollect.receivers.grpc_about import HEALTH, REFLECTION
from tracecollect.receivers.otlp_grpc import SERVICES

# --- who keeps to it --------------------------------------------------------------------------------


def test_a_request_in_many_small_padded_frames_is_the_same_request(served: Served, peer: Peer) -> None:
    block, sent = peer.fields(EXPORT), message(BODY)
    peer.send(Kind.HEADERS, PADDED | PRIORITY, 1, b"\x03" + bytes(4) + b"\x10" + block[:7] + bytes(3))
    peer.send(Kind.CONTINUATION, 0, 1, block[7:9])
    peer.send(Kind.CONTINUATION, END_HEADERS, 1, block[9:])
    for at in range(len(sent)):
        peer.send(Kind.DATA, PADDED, 1, b"\x02" + sent[at : at + 1] + bytes(2))
    peer.send(Kind.DATA, END_STREAM, 1)
    assert peer.status() == "0"
    assert served.recorder.taken == [(Telemetry.TRACES, BODY, 1)]


def test_bytes_that_come_one_by_one_are_the_same_request(served: Served) -> None:
    with Peer(served.port, greeting=False) as slow:
        recorded: list[bytes] = []
        slow.socket, real = type("Tape", (), {"sendall": staticmethod(recorded.append)}), slow.socket
        slow.call(EXPORT, BODY)
        slow.socket = real
        real.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in PREFACE + bytes.fromhex("000000040000000000") + b"".join(recorded):
            real.send(bytes((byte,)))
        assert slow.status() == "0"


def test_a_body_that_ends_with_trailers_ends(peer: Peer) -> None:
    peer.call(EXPORT, BODY, end=False)
    peer.send(Kind.HEADERS, END_HEADERS | END_STREAM, 1, Encoder().encode([("x-checksum", "1")]))
    assert peer.status() == "0"


def test_calls_of_one_connection_are_answered_as_they_are_done(served: Served, peer: Peer) -> None:
    served.recorder.release.clear()
    peer.call(EXPORT, BODY, 1)
    peer.call(f"/{HEALTH}/Check", b"", 3)
    assert peer.status(3) == "0"
    served.recorder.release.set()
    assert peer.status(1) == "0"


def test_an_answer_waits_for_its_readers_window_and_comes_in_pieces_of_it(served: Served) -> None:
    asked = reflection_pb2.ServerReflectionRequest(file_containing_symbol=SERVICES[Telemetry.TRACES])
    with Peer(served.port, settings=setting(WINDOW, 10)) as reader:
        reader.call(f"/{REFLECTION[0]}/ServerReflectionInfo", asked.SerializeToString())
        first = reader.until(Kind.DATA)
        assert len(first.payload) == 10
        reader.send(Kind.SETTINGS, 0, 0, setting(WINDOW, 15))
        assert len(reader.until(Kind.DATA).payload) == 5
        size = int.from_bytes(first.payload[1:5], "big")
        reader.send(Kind.WINDOW_UPDATE, 0, 1, (1 << 20).to_bytes(4, "big"))
        got = 15
        for one in reader.frames():
            if one.kind == Kind.HEADERS:
                break
            got += len(one.payload)
        assert got == size + 5
        assert one.flags & END_STREAM


def test_a_long_body_is_let_come_without_waiting(served: Served, peer: Peer) -> None:
    peer.send(Kind.HEADERS, END_HEADERS, 1, peer.fields(EXPORT))
    received = 0
    while received < LIMIT - 20_000:
        peer.send(Kind.DATA, 0, 1, (message(bytes(LIMIT - 5))[:5] if not received else b"") + bytes(10_000))
        received += 10_000
    peer.call(f"/{HEALTH}/Check", b"", 3)
    assert peer.status(3) == "0"


def test_health_is_watched_until_the_server_stops(served: Served, peer: Peer) -> None:
    peer.call(f"/{HEALTH}/Watch", health_pb2.HealthCheckRequest(service="").SerializeToString())
    assert peer.until(Kind.DATA).payload == message(b"\x08\x01")
    served.listeners.stop(5)
    assert peer.until(Kind.DATA).payload == message(b"\x08\x02")
    assert peer.status() == "0"


def test_health_of_what_is_not_served_is_an_error(peer: Peer) -> None:
    peer.call(f"/{HEALTH}/Check", health_pb2.HealthCheckRequest(service="other").SerializeToString())
    assert peer.status() == "3"


# --- who is mistaken --------------------------------------------------------------------------------


def test_http_1_on_this_port_is_told_which_one_it_is(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), 10) as plain:
        plain.sendall(b"POST /v1/traces HTTP/1.1\r\nhost: x\r\n\r\n")
        answer = plain.recv(4096)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert b"speaks gRPC" in answer
    assert b"4318" in answer


def test_what_is_no_http_at_all_is_closed_without_a_word(served: Served) -> None:
    with socket.create_connection(("127.0.0.1", served.port), 10) as plain:
        plain.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        assert plain.recv(10) == b""


def test_http_2_without_grpc_is_an_unsupported_media_type(peer: Peer) -> None:
    peer.call(EXPORT, BODY, content_type="application/json")
    assert peer.read(peer.until(Kind.HEADERS))[":status"] == "415"
    assert b"gRPC" in peer.until(Kind.DATA).payload


@pytest.mark.parametrize(
    ("path", "more"),
    [
        pytest.param("/nobody/Nothing", {}, id="a service that is not here"),
        pytest.param(EXPORT, {"grpc_encoding": "snappy"}, id="an encoding that is not understood"),
    ],
)
def test_what_is_not_implemented_is_said_so(peer: Peer, path: str, more: dict[str, str]) -> None:
    peer.call(path, BODY, **more)
    assert peer.status() == "12"


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        pytest.param(b"", "3", id="no message"),
        pytest.param(message(BODY)[:-1], "3", id="half a message"),
        pytest.param(message(BODY) * 2, "3", id="two messages"),
        pytest.param(message(BODY, packed=2), "3", id="a flag that does not exist"),
        pytest.param(message(BODY, packed=1), "3", id="packed, and nobody said how"),
        pytest.param(b"\x00" + (LIMIT + 1).to_bytes(4, "big"), "8", id="too large, before it has come"),
    ],
)
def test_a_body_that_is_not_one_message_is_refused_for_good(
    served: Served, peer: Peer, sent: bytes, status: str
) -> None:
    peer.send(Kind.HEADERS, END_HEADERS, 1, peer.fields(EXPORT))
    peer.send(Kind.DATA, END_STREAM, 1, sent)
    assert peer.status() == status
    assert served.recorder.taken == []
    assert sum(served.intake.counters().refused.values()) == 1


def test_what_follows_a_refusal_is_thrown_away_and_the_connection_goes_on(served: Served, peer: Peer) -> None:
    peer.call(EXPORT, bytes(LIMIT + 1)[:10_000], end=False)
    peer.send(Kind.HEADERS, END_HEADERS, 3, peer.fields(EXPORT))
    peer.send(Kind.DATA, 0, 3, b"\x00" + (LIMIT + 1).to_bytes(4, "big"))
    assert peer.status(3) == "8"
    peer.send(Kind.DATA, 0, 3, bytes(5000))
    peer.send(Kind.DATA, END_STREAM, 3, bytes(5000))
    peer.call(EXPORT, BODY, 5)
    assert peer.status(5) == "0"


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        pytest.param([("te", "gzip")], False, id="te that is not trailers"),
        pytest.param([("connection", "close")], False, id="a field of HTTP/1.1"),
        pytest.param([(":other", "x")], False, id="an unknown pseudo-header"),
        pytest.param([(":path", "/b")], False, id="a pseudo-header twice"),
        pytest.param([("X-Upper", "x")], False, id="upper case"),
        pytest.param([("content-length", "9" * 5000)], False, id="a length that is no length"),
        pytest.param([("x-binary", "\xff\x00")], True, id="a value that is no text"),
    ],
)
def test_header_fields_that_a_request_must_not_have_end_it_and_not_the_connection(
    served: Served, change: list[tuple[str, str]], kept: bool
) -> None:
    base = [(":method", "POST"), (":scheme", "http"), (":path", EXPORT), ("content-type", "application/grpc")]
    encoder = Encoder()
    with Peer(served.port) as odd:
        odd.send(
            Kind.HEADERS, END_HEADERS, 1, encoder.encode([(a.encode(), b.encode("latin-1")) for a, b in base + change])
        )
        if not kept:
            assert odd.until(Kind.RST_STREAM).code == Error.PROTOCOL_ERROR
        odd.send(Kind.HEADERS, END_HEADERS, 3, encoder.encode(base))
        odd.send(Kind.DATA, END_STREAM, 3, message(BODY))
        assert odd.status(3) == "0"


def test_a_body_of_another_length_than_was_said_is_not_taken(served: Served, peer: Peer) -> None:
    peer.call(EXPORT, BODY, content_length=str(len(BODY) + 6))
    assert peer.until(Kind.RST_STREAM).code == Error.PROTOCOL_ERROR
    assert served.recorder.taken == []
