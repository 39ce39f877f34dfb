"""HTTP/2 frame by frame: who breaks the protocol is told how and let go, and nobody can hold on to much."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
from contract.receiver import LIMIT
from hpack import Decoder, Encoder
from http2_peer import BODY, ENABLE_PUSH, EXPORT, FRAME_SIZE, WINDOW, Peer, Served, message, setting
from hypothesis import given
from hypothesis import strategies as st

from tracecollect.ports import Telemetry
from tracecollect.receivers import http2, tcp
from tracecollect.receivers.fields import FieldReader
from tracecollect.receivers.frames import ACK, END_HEADERS, END_STREAM, PADDED, Broken, Error, Kind

# --- who breaks it ----------------------------------------------------------------------------------

BROKEN = {
    "a frame that is too large": ((Kind.DATA, 0, 1, bytes(16_385)), Error.FRAME_SIZE_ERROR),
    "data before a request": ((Kind.DATA, 0, 1, b"x"), Error.PROTOCOL_ERROR),
    "data of the connection": ((Kind.DATA, 0, 0, b"x"), Error.PROTOCOL_ERROR),
    "more padding than there is": ((Kind.HEADERS, PADDED | END_HEADERS, 1, b"\x09abc"), Error.PROTOCOL_ERROR),
    "fields that cannot be read": ((Kind.HEADERS, END_HEADERS, 1, b"\xff" * 6), Error.COMPRESSION_ERROR),
    "a stream with an even number": ((Kind.HEADERS, END_HEADERS, 2, b"\x82"), Error.PROTOCOL_ERROR),
    "a continuation of nothing": ((Kind.CONTINUATION, END_HEADERS, 1, b"\x82"), Error.PROTOCOL_ERROR),
    "a reset before a request": ((Kind.RST_STREAM, 0, 1, bytes(4)), Error.PROTOCOL_ERROR),
    "a short reset": ((Kind.RST_STREAM, 0, 1, bytes(3)), Error.FRAME_SIZE_ERROR),
    "a promise": ((Kind.PUSH_PROMISE, 0, 1, bytes(4)), Error.PROTOCOL_ERROR),
    "half a setting": ((Kind.SETTINGS, 0, 0, bytes(5)), Error.FRAME_SIZE_ERROR),
    "an acknowledgement that says something": ((Kind.SETTINGS, ACK, 0, bytes(6)), Error.FRAME_SIZE_ERROR),
    "settings of a stream": ((Kind.SETTINGS, 0, 1, b""), Error.PROTOCOL_ERROR),
    "a push that is neither on nor off": ((Kind.SETTINGS, 0, 0, setting(ENABLE_PUSH, 2)), Error.PROTOCOL_ERROR),
    "frames of no size": ((Kind.SETTINGS, 0, 0, setting(FRAME_SIZE, 1)), Error.PROTOCOL_ERROR),
    "a window beyond all": ((Kind.SETTINGS, 0, 0, setting(WINDOW, 1 << 31)), Error.FLOW_CONTROL_ERROR),
    "windows that add up beyond all": ((Kind.WINDOW_UPDATE, 0, 0, b"\x7f\xff\xff\xff"), Error.FLOW_CONTROL_ERROR),
    "a window that does not grow": ((Kind.WINDOW_UPDATE, 0, 0, bytes(4)), Error.PROTOCOL_ERROR),
    "a window of no stream": ((Kind.WINDOW_UPDATE, 0, 1, b"\0\0\0\1"), Error.PROTOCOL_ERROR),
    "a short window": ((Kind.WINDOW_UPDATE, 0, 0, bytes(3)), Error.FRAME_SIZE_ERROR),
    "a short ping": ((Kind.PING, 0, 0, bytes(7)), Error.FRAME_SIZE_ERROR),
    "a ping of a stream": ((Kind.PING, 0, 1, bytes(8)), Error.PROTOCOL_ERROR),
    "a stream that depends on itself": ((Kind.PRIORITY, 0, 3, b"\0\0\0\3\0"), Error.PROTOCOL_ERROR),
    "a priority of nothing": ((Kind.PRIORITY, 0, 0, bytes(5)), Error.PROTOCOL_ERROR),
}  # fmt: skip


@pytest.mark.parametrize("what", BROKEN)
def test_who_breaks_the_protocol_is_told_how_and_let_go(peer: Peer, what: str) -> None:
    sent, code = BROKEN[what]
    peer.send(*sent)
    assert peer.until(Kind.GOAWAY).code == code
    assert list(peer.frames()) == []


def test_another_frame_in_the_middle_of_header_fields_breaks_it(peer: Peer) -> None:
    peer.send(Kind.HEADERS, 0, 1, peer.fields(EXPORT))
    peer.send(Kind.PING, 0, 0, bytes(8))
    assert peer.until(Kind.GOAWAY).code == Error.PROTOCOL_ERROR


def test_header_fields_without_an_end_break_it(peer: Peer) -> None:
    peer.send(Kind.HEADERS, 0, 1, bytes(16_000))
    for _ in range(3):
        peer.send(Kind.CONTINUATION, 0, 1, bytes(16_000))
    assert peer.until(Kind.GOAWAY).code == Error.ENHANCE_YOUR_CALM


@pytest.mark.parametrize("kind", [Kind.DATA, Kind.HEADERS])
def test_more_of_a_request_that_was_whole_breaks_it(peer: Peer, kind: Kind) -> None:
    peer.call(EXPORT, BODY)
    assert peer.status() == "0"
    peer.send(kind, END_HEADERS, 1, peer.fields(EXPORT) if kind == Kind.HEADERS else b"x")
    assert peer.until(Kind.GOAWAY).code == Error.STREAM_CLOSED


def test_one_window_that_is_too_large_ends_its_stream(served: Served, peer: Peer) -> None:
    peer.call(EXPORT, BODY, end=False)
    peer.send(Kind.WINDOW_UPDATE, 0, 1, b"\x7f\xff\xff\xff")
    assert peer.until(Kind.RST_STREAM).code == Error.FLOW_CONTROL_ERROR
    peer.call(EXPORT, BODY, 3)
    assert peer.status(3) == "0"


# --- who holds on -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.PING, Kind.SETTINGS, Kind.PRIORITY, 99])
def test_who_sends_a_thousand_frames_and_no_request_is_let_go(peer: Peer, kind: int) -> None:
    one = {Kind.PING: (0, bytes(8)), Kind.SETTINGS: (0, b""), Kind.PRIORITY: (3, bytes(5))}.get(kind, (0, b""))
    for _ in range(1001):
        peer.send(kind, 0, *one)
    assert peer.until(Kind.GOAWAY).code == Error.ENHANCE_YOUR_CALM


def test_who_opens_and_resets_a_thousand_streams_is_let_go(peer: Peer) -> None:
    for number in range(1, 2 * 1001, 2):
        peer.send(Kind.HEADERS, END_HEADERS, number, peer.fields(EXPORT))
        peer.send(Kind.RST_STREAM, 0, number, int(Error.CANCEL).to_bytes(4, "big"))
    assert peer.until(Kind.GOAWAY).code == Error.ENHANCE_YOUR_CALM


def test_a_stream_beyond_those_that_were_offered_is_refused_unworked(served: Served, peer: Peer) -> None:
    for number in range(1, 2 * 128, 2):
        peer.call(EXPORT, BODY, number, end=False)
    peer.call(EXPORT, BODY, 257)
    refused = peer.until(Kind.RST_STREAM)
    assert (refused.stream, refused.code) == (257, Error.REFUSED_STREAM)
    peer.send(Kind.DATA, END_STREAM, 1)
    assert peer.status(1) == "0"


def test_a_connection_beyond_the_bound_is_let_go_and_the_others_stay() -> None:
    served = Served(connections=1)
    with Peer(served.port) as first:
        first.call(EXPORT, BODY)
        assert first.status() == "0"
        with Peer(served.port) as second:
            assert second.until(Kind.GOAWAY).code == Error.ENHANCE_YOUR_CALM
        first.call(EXPORT, BODY, 3)
        assert first.status(3) == "0"
    served.close()


def test_bytes_that_were_received_are_let_go_whatever_became_of_them(served: Served, peer: Peer) -> None:
    half = message(bytes(LIMIT - 5))[: LIMIT - 5000]
    peer.send(Kind.HEADERS, END_HEADERS, 1, peer.fields(EXPORT))
    for at in range(0, len(half), 16_000):
        peer.send(Kind.DATA, 0, 1, half[at : at + 16_000])
    peer.call(EXPORT, bytes(10_000), 3)
    assert peer.status(3) == "14", "there is no room beside the first"
    peer.send(Kind.RST_STREAM, 0, 1, int(Error.CANCEL).to_bytes(4, "big"))
    for number in range(5, 105, 2):
        peer.call(EXPORT, BODY, number)
        assert peer.status(number) == "0"
    assert served.intake.counters().refused == {"in_flight": 1}


def test_a_call_that_never_ends_is_cut_after_its_time_and_its_connection_goes_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tcp, "_SWEEP_SECONDS", 0.01)
    bounds = tcp.Bounds
    monkeypatch.setattr("tracecollect.receivers.listeners.Bounds", lambda **more: bounds(**more, body_seconds=0.3))
    served = Served()
    with Peer(served.port) as slow:
        slow.call(EXPORT, BODY, end=False)
        assert slow.until(Kind.RST_STREAM).code == Error.CANCEL
        slow.call(EXPORT, BODY, 3)
        assert slow.status(3) == "0"
    served.close()


def test_an_answer_that_nobody_reads_is_cut_after_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "_SWEEP_SECONDS", 0.01)
    bounds = tcp.Bounds
    monkeypatch.setattr("tracecollect.receivers.listeners.Bounds", lambda **more: bounds(**more, body_seconds=0.3))
    served = Served()
    with Peer(served.port, settings=setting(WINDOW, 0)) as deaf:
        deaf.call(EXPORT, BODY)
        assert deaf.until(Kind.RST_STREAM).code == Error.CANCEL
        deaf.call(EXPORT, BODY, 3)
        assert deaf.until(Kind.HEADERS).stream == 3
    served.close()


def test_who_connects_and_says_nothing_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tcp, "_SWEEP_SECONDS", 0.01)
    bounds = tcp.Bounds
    monkeypatch.setattr("tracecollect.receivers.listeners.Bounds", lambda **more: bounds(**more, head_seconds=0.2))
    served = Served()
    with Peer(served.port, greeting=False) as silent:
        assert silent.socket.recv(10) == b""
    served.close()


def test_a_stop_waits_for_what_is_whole_and_sends_the_rest_elsewhere(served: Served, peer: Peer) -> None:
    served.recorder.release.clear()
    peer.call(EXPORT, BODY, 1)
    peer.call(EXPORT, BODY, 3, end=False)
    assert served.recorder.asked.wait(10)
    peer.settle()
    stopper = threading.Thread(target=served.listeners.stop, args=(10,))
    stopper.start()
    good_bye = peer.until(Kind.GOAWAY)
    assert (good_bye.code, int.from_bytes(good_bye.payload[:4], "big")) == (Error.NO_ERROR, 3)
    assert peer.status(3) == "14"
    peer.call(EXPORT, BODY, 5)
    assert peer.until(Kind.RST_STREAM, 5).code == Error.REFUSED_STREAM
    served.recorder.release.set()
    assert peer.status(1) == "0"
    stopper.join()


def test_what_was_sent_before_a_stop_is_kept_though_its_sender_is_gone(served: Served) -> None:
    # The loop is busy meanwhile, so that connecting, sending, leaving and the stop all wait for it.
    served.listeners._loop.call_soon_threadsafe(time.sleep, 0.5)
    with Peer(served.port) as gone:
        gone.call(EXPORT, BODY)
    served.listeners.stop(5)
    assert served.recorder.taken == [(Telemetry.TRACES, BODY, 1)]


class Wire(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[int] = []
        self.ended = self.aborted = False

    def write(self, data) -> None:
        while data:
            self.kinds.append(data[3])
            data = data[9 + int.from_bytes(data[:3], "big") :]

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.ended = True

    def abort(self) -> None:
        self.aborted = True


def test_a_silent_peer_is_asked_whether_it_lives_and_one_that_asks_nothing_is_let_go() -> None:
    async def play() -> None:
        wire = Wire()
        server = http2.http2_server(service=None, bounds=tcp.Bounds())
        connection = server._connect(server, asyncio.get_running_loop())
        connection.connection_made(wire)
        connection.data_received(http2.PREFACE)
        began = connection._heard
        connection.sweep(began + 59)
        await asyncio.sleep(0)
        assert Kind.PING not in wire.kinds
        connection.sweep(began + 61)
        await asyncio.sleep(0)
        assert wire.kinds.count(Kind.PING) == 1
        connection.sweep(began + 80)
        assert not wire.aborted
        connection.sweep(began + 82)
        assert wire.aborted
        connection.data_received(b"")
        connection.sweep(began + 601)
        assert wire.kinds[-1] == Kind.GOAWAY
        assert wire.ended
        wire.aborted = False
        connection.sweep(connection._left + 3)
        assert wire.aborted, "whoever does not go after the good-bye is cut"

    asyncio.run(play())


# --- header fields ----------------------------------------------------------------------------------

NAMES = st.sampled_from(["grpc-timeout", "user-agent", "x-a", "x-b", "authorization"])
BLOCKS = st.lists(
    st.tuples(st.lists(st.tuples(NAMES, st.sampled_from(["", "1S", "2S", "y" * 40])), max_size=4), st.booleans()),
    max_size=30,
)


@given(BLOCKS, st.sampled_from([4096, 120, 0]))
def test_fields_that_are_remembered_are_those_that_would_be_read(
    blocks: list[tuple[list[tuple[str, str]], bool]], size: int
) -> None:
    encoder, plain, ours = Encoder(), Decoder(), FieldReader()
    for number, (fields, plainly) in enumerate(blocks):
        if number == len(blocks) // 2:
            encoder.header_table_size = size
        block = encoder.encode([(name, value, plainly) for name, value in fields])
        assert ours(block) == dict(plain.decode(block, raw=True))


def test_fields_that_are_too_many_break_the_connection() -> None:
    encoder, ours = Encoder(), FieldReader()
    with pytest.raises(Broken):
        ours(encoder.encode([(f"x-{number}", "y" * 200) for number in range(100)]))
