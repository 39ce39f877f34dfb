"""Connections for a sender that must not be the bottleneck: bytes that are ready, one request at a time on each.

gRPC in Python takes some 150 µs a call, more than most receivers take for a small request. What a call of one request
and one answer needs of HTTP/2 is little: frames, windows, and the status among the trailers.
"""

from __future__ import annotations

import gzip
import socket
import struct
from typing import Protocol

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from bench.serving import EXPORT

_DATA, _HEADERS, _RESET, _SETTINGS, _PING, _GO_AWAY, _WINDOW = 0, 1, 3, 4, 6, 7, 8
_ACK, _END_STREAM, _END_HEADERS = 1, 1, 4
_FRAME = 16_384
# `grpc-status` as the trailers spell it: plain, and in HPACK's Huffman code.
_STATUS = (b"\x0bgrpc-status", b"\x88\x9a\xca\xc8\xb2\x12\x34\xda\x8f")
# Values of one digit, plain and in Huffman code (0, 1 and 2 have five bits, the others six).
_OK = (b"\x010", b"\x81\x07")


class Connection(Protocol):
    """One connection, one request at a time."""

    socket: socket.socket

    def start(self, body: bytes) -> None:
        """Begin a request."""

    def push(self) -> None:
        """Send what can be sent without waiting."""

    def receive(self) -> str | None:
        """What came: None while there is no answer yet, "" when all was taken, else why not."""

    @property
    def waiting(self) -> bool:
        """Whether the other side takes no more bytes at the moment."""


class _Socket:
    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=10)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self._out, self._in = bytearray(), bytearray()

    @property
    def waiting(self) -> bool:
        return bool(self._out)

    def _flush(self) -> bool:
        """Whether all of it went out."""
        while self._out:
            try:
                del self._out[: self.socket.send(self._out)]
            except BlockingIOError:
                return False
        return True

    def _fill(self) -> None:
        while True:
            try:
                data = self.socket.recv(65536)
            except BlockingIOError:
                return
            if not data:
                raise ConnectionError("the other side closed the connection")
            self._in += data


class Http(_Socket):
    """OTLP over HTTP/1.1, kept alive."""

    def __init__(self, address: str, path: str, *, packed: bool) -> None:
        super().__init__(address)
        self._head = f"POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/x-protobuf\r\n"
        if packed:
            self._head += "content-encoding: gzip\r\n"

    def start(self, body: bytes) -> None:
        self._out += f"{self._head}content-length: {len(body)}\r\n\r\n".encode() + body
        self.push()

    def push(self) -> None:
        self._flush()

    def receive(self) -> str | None:
        self._fill()
        self.push()
        head, found, rest = bytes(self._in).partition(b"\r\n\r\n")
        if not found:
            return None
        lines = head.lower().split(b"\r\n")
        length = next((int(one[15:]) for one in lines if one.startswith(b"content-length:")), 0)
        if len(rest) < length:
            return None
        self._in = bytearray(rest[length:])
        status = lines[0].split()[1].decode()
        return _rejected(rest[:length]) if status == "200" else f"HTTP {status}"


class Grpc(_Socket):
    """OTLP over gRPC. No table of headers is kept: each answer can be read without those before it."""

    def __init__(self, address: str, path: str = EXPORT, *, packed: bool) -> None:
        super().__init__(address)
        headers = {":method": "POST", ":scheme": "http", ":path": path, ":authority": address, "te": "trailers"}
        headers["content-type"] = "application/grpc"
        if packed:
            headers["grpc-encoding"] = "gzip"
        self._head = b"".join(b"\0" + _text(name) + _text(value) for name, value in headers.items())
        self._window = self._initial = 65_535
        self._stream, self._credit, self._rest = -1, 0, memoryview(b"")
        self._message = b""
        self._out += b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        self._out += _frame(_SETTINGS, 0, 0, struct.pack(">HIHI", 1, 0, 4, 1 << 20))
        self._out += _frame(_WINDOW, 0, 0, (1 << 30).to_bytes(4, "big"))
        self.push()

    def start(self, body: bytes) -> None:
        self._stream += 2
        self._credit, self._rest, self._message = self._initial, memoryview(body), b""
        self._out += _frame(_HEADERS, _END_HEADERS, self._stream, self._head)
        self.push()

    def push(self) -> None:
        """Frames as large as both windows allow; the last one ends the request."""
        while self._flush() and (size := min(len(self._rest), self._window, self._credit, 16 * _FRAME)) > 0:
            for at in range(0, size, _FRAME):
                part = self._rest[at : min(at + _FRAME, size)]
                last = at + len(part) == len(self._rest)
                self._out += _frame(_DATA, _END_STREAM if last else 0, self._stream, part)
            self._rest = self._rest[size:]
            self._window -= size
            self._credit -= size

    def receive(self) -> str | None:
        self._fill()
        answer, at = None, 0
        while len(self._in) - at >= 9:
            length = int.from_bytes(self._in[at : at + 3], "big")
            if len(self._in) - at < 9 + length:
                break
            kind, flags, stream = struct.unpack_from(">BBI", self._in, at + 3)
            said = self._took(kind, flags, stream, bytes(self._in[at + 9 : at + 9 + length]))
            answer = said if answer is None else answer
            at += 9 + length
        del self._in[:at]
        self.push()
        return answer

    def _took(self, kind: int, flags: int, stream: int, payload: bytes) -> str | None:
        if kind == _WINDOW:
            more = int.from_bytes(payload, "big")
            if stream == 0:
                self._window += more
            elif stream == self._stream:
                self._credit += more
        elif kind == _SETTINGS and not flags & _ACK:
            self._agreed(payload)
        elif kind == _PING and not flags & _ACK:
            self._out += _frame(_PING, _ACK, 0, payload)
        elif kind == _DATA:
            self._message += payload
        elif kind == _HEADERS and flags & _END_STREAM:
            return _status(payload) or _rejected(self._answer())
        elif kind == _RESET and stream == self._stream and payload != bytes(4):
            return f"reset, code {int.from_bytes(payload, 'big')}"
        elif kind == _GO_AWAY:
            raise ConnectionError(f"the other side ends the connection: {payload[8:].decode(errors='replace')}")
        return None

    def _answer(self) -> bytes:
        """The message of the answer; some pack what answers a packed request."""
        return gzip.decompress(self._message[5:]) if self._message[:1] == b"\1" else self._message[5:]

    def _agreed(self, payload: bytes) -> None:
        for name, value in struct.iter_unpack(">HI", payload):
            if name == 4:  # the window with which a stream begins
                self._credit += value - self._initial
                self._initial = value
        self._out += _frame(_SETTINGS, _ACK, 0, b"")


def packed(body: bytes, *, grpc: bool, zipped: bool) -> bytes:
    """A request as it goes over the wire, but for the frames."""
    if zipped:
        body = gzip.compress(body, 6)
    return struct.pack(">BI", zipped, len(body)) + body if grpc else body


def _text(text: str) -> bytes:
    raw = text.encode()
    assert len(raw) < 127, "longer texts have a longer length"
    return bytes([len(raw)]) + raw


def _frame(kind: int, flags: int, stream: int, payload: bytes | memoryview) -> bytes:
    return b"".join((len(payload).to_bytes(3, "big"), struct.pack(">BBI", kind, flags, stream), payload))


def _status(trailers: bytes) -> str:
    for name in _STATUS:
        _, found, rest = trailers.partition(name)
        if found:
            return "" if rest[:2] in _OK else f"gRPC status {_digits(rest)}"
    return f"trailers without a status: {trailers!r}"


def _digits(value: bytes) -> str:
    length, huffman = value[0] & 0x7F, value[0] & 0x80
    return value[1 : 1 + length].hex() if huffman else value[1 : 1 + length].decode(errors="replace")


def _rejected(message: bytes) -> str:
    spans = ExportTraceServiceResponse.FromString(message).partial_success.rejected_spans
    return f"{spans} spans rejected" if spans else ""
