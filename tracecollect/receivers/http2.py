"""HTTP/2 (RFC 9113) as far as a server of calls needs it: streams in, answers out, everything bounded.

What comes is read here, what goes is `streams`'; HPACK is read by the package of that name. Nothing is compressed that
we send, so that no answer depends on the one before it.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from typing import Protocol

from tracecollect.receivers.fields import FieldReader, Fields, trailers
from tracecollect.receivers.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    FRAME,
    MOST_WINDOW,
    PADDED,
    PREFACE,
    PRIORITY,
    WINDOW,
    Broken,
    Error,
    Kind,
    frame,
    settings,
    settings_of,
)
from tracecollect.receivers.streams import STREAM_WINDOW, Handler, Outgoing, Stream
from tracecollect.receivers.tcp import Bounds, Connection, Server

# A request of 512 spans comes without waiting for a word from us; what may be in memory is bounded by `buffered`.
_WINDOW = 16 << 20
_STREAMS = 128
# Frames that carry no request, since the last whole one: who sends more does nothing else.
_NOISE = 1000
# A peer that is gone without a word is noticed, and one that has asked nothing for long is let go.
_LINGER_SECONDS = 2.0
_SILENT_SECONDS, _PING_SECONDS, _IDLE_SECONDS = 60.0, 20.0, 600.0
_GREETING = settings(
    max_concurrent_streams=_STREAMS, initial_window_size=STREAM_WINDOW, max_header_list_size=FRAME
) + frame(Kind.WINDOW_UPDATE, 0, 0, (_WINDOW - WINDOW).to_bytes(4, "big"))
_WRONG_PORT = (
    b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-type: text/plain\r\n\r\n"
    b"this port speaks gRPC; OTLP over HTTP has another one (4318 unless told otherwise)\n"
)


class Service(Protocol):
    """Who answers the streams of a server."""

    def open(self, stream: Stream, fields: Fields) -> Handler:
        """Who takes a request that begins."""


def http2_server(service: Service, *, bounds: Bounds, tls: ssl.SSLContext | None = None) -> Server:
    """A server that does not listen yet."""
    return Server(lambda server, loop: _Connection(server, service, loop), bounds=bounds, tls=tls)


class _Connection(Connection):
    """One sender's connection: many streams at a time, answered as they are done."""

    def __init__(self, server: Server, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._server, self._service = server, service
        self._out = Outgoing(loop)
        self._fields = FieldReader()
        self._greeted = False
        self._rest = b""
        # Header fields whose end has not come: flags, stream, bytes.
        self._half: tuple[int, int, bytes] | None = None
        self._highest = 0
        self._unread = self._noise = 0
        self._busy = self._heard = time.monotonic()
        self._asked = self._left = 0.0

    # --- asyncio's side -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- only for the type checker
        self._out.transport = transport
        self._server.connections.add(self)

    def connection_lost(self, _: Exception | None) -> None:
        self._server.connections.discard(self)
        self._out.transport = None
        self._out.drop_all()

    def data_received(self, data: bytes) -> None:
        if self._left:
            return
        self._heard, self._asked = time.monotonic(), 0.0
        try:
            self._read(self._rest + data if self._rest else data)
        except Broken as error:
            self._leave(error.code, str(error))

    def pause_writing(self) -> None:
        if self._out.transport is not None:
            self._out.transport.pause_reading()

    def resume_writing(self) -> None:
        if self._out.transport is not None:
            self._out.transport.resume_reading()

    # --- frames -------------------------------------------------------------------------------------

    def _read(self, data: bytes) -> None:
        at, size = 0, len(data)
        if not self._greeted:
            if not PREFACE.startswith(data[: len(PREFACE)]):
                self._stranger(data)
                return
            self._greeted = size >= len(PREFACE)
            at = len(PREFACE) if self._greeted else size
            if self._greeted:
                self._out.write(_GREETING)
                if len(self._server.connections) > self._server.bounds.connections:
                    raise Broken(Error.ENHANCE_YOUR_CALM, "too many connections")
        while size - at >= 9 and not self._left:
            length = int.from_bytes(data[at : at + 3], "big")
            if length > FRAME:
                raise Broken(Error.FRAME_SIZE_ERROR, f"a frame of {length} bytes, the limit is {FRAME}")
            end = at + 9 + length
            if end > size:
                break
            number = int.from_bytes(data[at + 5 : at + 9], "big") & MOST_WINDOW
            self._frame(data[at + 3], data[at + 4], number, data[at + 9 : end])
            at = end
        self._rest = data[at if self._greeted else 0 :]

    def _frame(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        if self._half is not None and kind != Kind.CONTINUATION:
            raise Broken(Error.PROTOCOL_ERROR, "another frame in the middle of header fields")
        match kind:
            case Kind.DATA:
                self._data(flags, number, payload)
            case Kind.HEADERS:
                self._headers(flags, number, payload)
            case Kind.CONTINUATION:
                self._continued(flags, number, payload)
            case Kind.WINDOW_UPDATE:
                more = int.from_bytes(payload, "big") & MOST_WINDOW
                if len(payload) != 4:
                    raise Broken(Error.FRAME_SIZE_ERROR, "a window's growth has four bytes")
                if not more or number > self._highest:
                    raise Broken(Error.PROTOCOL_ERROR, "a window that does not grow, or of no stream")
                self._out.widen(number, more)
            case _:
                self._noisy()
                self._control(kind, flags, number, payload)

    def _data(self, flags: int, number: int, payload: bytes) -> None:
        if number == 0 or number > self._highest:
            raise Broken(Error.PROTOCOL_ERROR, "data on a stream that was not opened")
        self._unread += len(payload)
        if self._unread >= _WINDOW // 2:
            self._out.write(frame(Kind.WINDOW_UPDATE, 0, 0, self._unread.to_bytes(4, "big")))
            self._unread = 0
        piece = _unpadded(payload) if flags & PADDED else payload
        stream = self._out.streams.get(number)
        if stream is None or stream.handler is None:
            self._out.expect(number)
            return
        if stream.ended:
            raise Broken(Error.STREAM_CLOSED, "data after the end of a request")
        stream.ended = bool(flags & END_STREAM)
        if stream.promised is not None:
            stream.promised -= len(piece)
        stream.took(len(payload))
        if piece:
            stream.handler.data(piece)
        elif not stream.ended:
            self._noisy()
        if stream.ended:
            self._whole(stream)

    def _headers(self, flags: int, number: int, payload: bytes) -> None:
        block = _unpadded(payload) if flags & PADDED else payload
        if flags & PRIORITY:
            _dependency(number, block[:5])
            block = block[5:]
        if flags & END_HEADERS:
            self._opened(flags, number, block)
        else:
            self._half = (flags, number, block)

    def _continued(self, flags: int, number: int, payload: bytes) -> None:
        self._noisy()
        if self._half is None or self._half[1] != number:
            raise Broken(Error.PROTOCOL_ERROR, "a continuation of nothing")
        first, _, block = self._half
        block += payload
        if len(block) > self._server.bounds.head:
            raise Broken(Error.ENHANCE_YOUR_CALM, "the header fields are too large")
        self._half = None if flags & END_HEADERS else (first, number, block)
        if self._half is None:
            self._opened(first, number, block)

    def _opened(self, flags: int, number: int, block: bytes) -> None:
        # Read in any case: the table of the fields after these depends on them.
        fields, out = self._fields(block), self._out
        stream = out.streams.get(number)
        if stream is not None:
            if stream.ended:
                raise Broken(Error.STREAM_CLOSED, "header fields after the end of a request")
            if fields is None or not flags & END_STREAM or not trailers(fields):
                out.reset(number, Error.PROTOCOL_ERROR)
                return
            stream.ended = True
            self._whole(stream)
        elif number <= self._highest or number % 2 == 0:
            out.expect(number)
        else:
            self._highest = number
            self._begun(flags, number, fields)

    def _begun(self, flags: int, number: int, fields: Fields | None) -> None:
        out = self._out
        if out.leaving or len(out.streams) >= _STREAMS:
            self._noisy()
            out.reset(number, Error.REFUSED_STREAM)
        elif fields is None or trailers(fields):
            self._noisy()
            out.reset(number, Error.PROTOCOL_ERROR)
        else:
            stream = out.opened(number)
            stream.ended = bool(flags & END_STREAM)
            stream.promised = int(fields[b"content-length"]) if b"content-length" in fields else None
            stream.handler = self._service.open(stream, fields)
            stream.handler.begin()
            if stream.ended:
                self._whole(stream)

    def _whole(self, stream: Stream) -> None:
        self._noise = 0
        if stream.promised:
            self._out.reset(stream.number, Error.PROTOCOL_ERROR)
        elif stream.handler is not None:
            stream.handler.end()

    def _control(self, kind: int, flags: int, number: int, payload: bytes) -> None:
        _checked(kind, flags, number, len(payload))
        match kind:
            case Kind.SETTINGS if not flags & ACK:
                said = settings_of(payload)
                self._out.write(frame(Kind.SETTINGS, ACK, 0, b""))
                if "initial_window_size" in said:
                    self._out.begin_with(said["initial_window_size"])
            case Kind.PING if not flags & ACK:
                self._out.write(frame(Kind.PING, ACK, 0, payload))
            case Kind.PRIORITY:
                _dependency(number, payload)
            case Kind.RST_STREAM if number > self._highest:
                raise Broken(Error.PROTOCOL_ERROR, "a reset of a stream that was not opened")
            case Kind.RST_STREAM:
                self._out.drop(number)

    def _noisy(self) -> None:
        self._noise += 1
        if self._noise > _NOISE:
            raise Broken(Error.ENHANCE_YOUR_CALM, f"{_NOISE} frames without a request")

    # --- the end ------------------------------------------------------------------------------------

    def sweep(self, now: float) -> int:
        """See `Connection`."""
        if not self._greeted or self._left:
            if now > (self._left + _LINGER_SECONDS if self._left else self._busy + self._server.bounds.head_seconds):
                self.abort()
            return 0
        streams = tuple(self._out.streams.values())
        patience = self._server.bounds.body_seconds
        # Whose body does not come to its end, or who does not read the answer.
        late = [one for one in streams if (not one.ended or one.waiting) and now - one.began > patience]
        for one in late:
            self._out.reset(one.number, Error.CANCEL)
        if self._asked and now - self._asked > _PING_SECONDS:
            self.abort()
        elif not self._asked and now - self._heard > _SILENT_SECONDS:
            self._asked = now
            self._out.write(frame(Kind.PING, 0, 0, bytes(8)))
        if streams:
            self._busy = now
        elif now - self._busy > _IDLE_SECONDS:
            self._leave(Error.NO_ERROR, "idle")
        return len(late)

    def finish(self) -> None:
        """See `Connection`."""
        if not self._out.leaving and not self._left:
            self._out.leaving = True
            self._good_bye(Error.NO_ERROR, "stopping")
        for one in tuple(self._out.streams.values()):
            if one.handler is not None:
                one.handler.finish()
        self._out.close_when_done()

    def abort(self) -> None:
        """See `Connection`."""
        if self._out.transport is not None:
            self._out.transport.abort()

    def _leave(self, code: Error, why: str) -> None:
        """Say why, and close without answers; what still comes is thrown away, that the word is not lost."""
        self._good_bye(code, why)
        self._out.drop_all()
        self._out.flush()
        self._left = time.monotonic()
        transport = self._out.transport
        if transport is not None and transport.can_write_eof():
            transport.write_eof()
        elif transport is not None:
            transport.close()

    def _good_bye(self, code: Error, why: str) -> None:
        self._out.write(
            frame(Kind.GOAWAY, 0, 0, self._highest.to_bytes(4, "big") + int(code).to_bytes(4, "big") + why.encode())
        )

    def _stranger(self, data: bytes) -> None:
        """Whoever speaks HTTP/1.1 here has mistaken the port, and is told so."""
        if self._out.transport is not None:
            if data[:8].isascii() and b" /" in data[:8]:
                self._out.transport.write(_WRONG_PORT)
            self._out.transport.close()


def _unpadded(payload: bytes) -> bytes:
    padding = payload[0] if payload else 0
    if padding >= len(payload):
        raise Broken(Error.PROTOCOL_ERROR, "more padding than there is")
    return payload[1 : len(payload) - padding]


_ON_STREAMS = (Kind.RST_STREAM, Kind.PRIORITY)
_LENGTHS = {Kind.RST_STREAM: 4, Kind.PRIORITY: 5, Kind.PING: 8}


def _checked(kind: int, flags: int, number: int, length: int) -> None:
    """What RFC 9113, section 6, says of frames that are not about a request."""
    if kind == Kind.PUSH_PROMISE:
        raise Broken(Error.PROTOCOL_ERROR, "a client promises nothing")
    if kind in _ON_STREAMS and not number:
        raise Broken(Error.PROTOCOL_ERROR, "a frame about a stream that names none")
    if kind in (Kind.SETTINGS, Kind.PING, Kind.GOAWAY) and number:
        raise Broken(Error.PROTOCOL_ERROR, "a frame about the connection that names a stream")
    wrong = length != _LENGTHS[Kind(kind)] if kind in _LENGTHS else kind == Kind.SETTINGS and flags & ACK and length
    if wrong:
        raise Broken(Error.FRAME_SIZE_ERROR, f"a frame of kind {kind} with {length} bytes")


def _dependency(number: int, payload: bytes) -> None:
    if int.from_bytes(payload[:4], "big") & MOST_WINDOW == number:
        raise Broken(Error.PROTOCOL_ERROR, "a stream that depends on itself")
