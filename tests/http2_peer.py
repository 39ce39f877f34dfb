"""A peer that speaks HTTP/2 as it likes, frame by frame: what no client library can be brought to send."""

from __future__ import annotations

import contextlib
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

from contract.receiver import LIMIT, ONE, Recording
from hpack import Decoder, Encoder

from tracecollect.ports import Telemetry
from tracecollect.receivers.frames import ACK, END_HEADERS, END_STREAM, PREFACE, Error, Kind, frame
from tracecollect.receivers.intake import Intake
from tracecollect.receivers.listeners import Listeners, Listening
from tracecollect.receivers.otlp_grpc import SERVICES

EXPORT = f"/{SERVICES[Telemetry.TRACES]}/Export"
BODY = ONE[Telemetry.TRACES]
# Names of settings.
ENABLE_PUSH, WINDOW, FRAME_SIZE = 2, 4, 5


class Served:
    """A receiver on a free port."""

    def __init__(self, **more) -> None:
        self.recorder = Recording()
        self.intake = Intake(self.recorder, max_body=LIMIT, max_in_flight=LIMIT)
        self.listeners = Listeners(self.intake, Listening(grpc=("127.0.0.1", 0), max_in_flight=LIMIT, **more))
        self.listeners.start()

    @property
    def port(self) -> int:
        return self.listeners.grpc_port

    def close(self) -> None:
        self.recorder.release.set()
        self.listeners.stop(0)


@dataclass(frozen=True, slots=True)
class Frame:
    """One that came."""

    kind: int
    flags: int
    stream: int
    payload: bytes

    @property
    def code(self) -> Error:
        """Why, of a reset or a farewell."""
        return Error(int.from_bytes(self.payload[4:8] if self.kind == Kind.GOAWAY else self.payload[:4], "big"))


class Peer:
    """A connection to a port."""

    def __init__(self, port: int, *, settings: bytes = b"", greeting: bool = True) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), 10)
        self._encoder, self._decoder = Encoder(), Decoder()
        self._rest = b""
        if greeting:
            self.socket.sendall(PREFACE + frame(Kind.SETTINGS, 0, 0, settings))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def send(self, kind: int, flags: int = 0, stream: int = 0, payload: bytes = b"") -> None:
        length = len(payload)
        self.socket.sendall(struct.pack(">HBBBI", length >> 8, length & 0xFF, kind, flags, stream) + payload)

    def fields(self, path: str, **more: str) -> bytes:
        """The header block of a call."""
        named = {":method": "POST", ":scheme": "http", ":path": path, ":authority": "x", "te": "trailers"}
        named |= {"content-type": "application/grpc"} | {name.replace("_", "-"): text for name, text in more.items()}
        return self._encoder.encode(named.items())

    def call(self, path: str, body: bytes = b"", stream: int = 1, *, end: bool = True, **more: str) -> None:
        """A whole call of one message, or one that does not end."""
        self.send(Kind.HEADERS, END_HEADERS, stream, self.fields(path, **more))
        self.send(Kind.DATA, END_STREAM * end, stream, message(body))

    def frames(self) -> Iterator[Frame]:
        """What comes, until the other side closes; its settings are acknowledged, and not shown."""
        while True:
            head = self._take(9)
            if len(head) < 9:
                return
            size, kind, flags, number = int.from_bytes(head[:3], "big"), head[3], head[4], head[5:]
            payload = self._take(size)
            if kind == Kind.SETTINGS and not flags & ACK:
                with contextlib.suppress(OSError):
                    self.send(Kind.SETTINGS, ACK)
            elif kind not in (Kind.SETTINGS, Kind.WINDOW_UPDATE):
                yield Frame(kind, flags, int.from_bytes(number, "big"), payload)

    def until(self, kind: int, stream: int | None = None) -> Frame:
        """The next frame of a kind."""
        return next(one for one in self.frames() if one.kind == kind and stream in (None, one.stream))

    def settle(self) -> None:
        """Returns when all that was sent before has been read: frames are answered in their order."""
        self.send(Kind.PING, payload=b"all read")
        assert self.until(Kind.PING).flags & ACK

    def status(self, stream: int = 1) -> str:
        """The gRPC status of a call."""
        for one in self.frames():
            if one.kind == Kind.HEADERS:
                said = dict(self._decoder.decode(one.payload))
                if one.stream == stream and "grpc-status" in said:
                    return said["grpc-status"]
        return "closed"

    def read(self, one: Frame) -> dict[str, str]:
        """Header fields that came."""
        return dict(self._decoder.decode(one.payload))

    def _take(self, size: int) -> bytes:
        while len(self._rest) < size:
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                data = b""
            if not data:
                break
            self._rest += data
        taken, self._rest = self._rest[:size], self._rest[size:]
        return taken


def message(body: bytes, packed: int = 0) -> bytes:
    """As gRPC frames it."""
    return bytes((packed,)) + len(body).to_bytes(4, "big") + body


def setting(number: int, value: int) -> bytes:
    """As a SETTINGS frame says it."""
    return struct.pack(">HI", number, value)
