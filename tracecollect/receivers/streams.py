"""What a connection of HTTP/2 sends: the frames of one turn of the loop together, answers as there is room."""

from __future__ import annotations

import asyncio
import time
from typing import Protocol

from tracecollect.receivers.frames import (
    END_HEADERS,
    END_STREAM,
    FRAME,
    MOST_WINDOW,
    WINDOW,
    Broken,
    Error,
    Kind,
    frame,
)

# Of each stream's body so much comes without a word from us.
STREAM_WINDOW = 1 << 20
# What an answer may wait for its reader's window.
_UNREAD = 1 << 20
_PAST = 1024


class Handler(Protocol):
    """Who takes what comes on one stream."""

    def begin(self) -> None:
        """A request has begun; it may be answered at once."""

    def data(self, piece: bytes) -> None:
        """The next piece of the body."""

    def end(self) -> None:
        """The body is whole."""

    def over(self) -> None:
        """The stream is over: it was answered, or its sender wants no answer any more."""

    def finish(self) -> None:
        """The server is about to stop."""


class Stream:
    """One request and its answer. After `close` nothing more is sent."""

    __slots__ = ("_out", "_unread", "began", "ended", "handler", "last", "number", "promised", "waiting", "window")

    def __init__(self, out: Outgoing, number: int, window: int) -> None:
        self._out = out
        self.number, self.window = number, window
        self.began = time.monotonic()
        self.handler: Handler | None = None
        self.ended = False
        # Bytes of the body that are still to come, where the sender said how many there are.
        self.promised: int | None = None
        self.waiting = bytearray()
        self.last: bytes | None = None
        self._unread = 0

    @property
    def open(self) -> bool:
        """Whether an answer would still reach somebody."""
        return self._out.streams.get(self.number) is self

    def head(self, block: bytes) -> None:
        """Send header fields (HPACK without a table)."""
        if self.open:
            self._out.write(frame(Kind.HEADERS, END_HEADERS, self.number, block))

    def send(self, body: bytes) -> None:
        """Send a piece of the answer, as soon as its reader has room."""
        if self.open:
            self.waiting += body
            self._out.pump(self)

    def close(self, block: bytes) -> None:
        """Send the last header fields, where there are any, after everything else, and end."""
        if self.open:
            self.last = block
            self._out.pump(self)

    def took(self, size: int) -> None:
        """So much of the body was read: the sender may send as much again."""
        self._unread += size
        if self._unread >= STREAM_WINDOW // 2 and not self.ended:
            self._out.write(frame(Kind.WINDOW_UPDATE, 0, self.number, self._unread.to_bytes(4, "big")))
            self._unread = 0


class Outgoing:
    """The open streams of a connection and the way to its peer. `transport` is None where there is no peer."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.streams: dict[int, Stream] = {}
        self.transport: asyncio.Transport | None = None
        # No more requests are taken: the connection closes after its last answer.
        self.leaving = False
        self._loop = loop
        self._frames: list[bytes] = []
        self._window = self._initial = WINDOW
        # Streams that are over, the latest ones, and whether we ended them before their sender did.
        self._past: dict[int, bool] = {}

    def write(self, data: bytes) -> None:
        """Send with what else is sent in this turn of the loop."""
        if not self._frames:
            self._loop.call_soon(self.flush)
        self._frames.append(data)

    def flush(self) -> None:
        """Send now."""
        data, self._frames = b"".join(self._frames), []
        if self.transport is not None and data:
            self.transport.write(data)

    def opened(self, number: int) -> Stream:
        """A new stream."""
        stream = self.streams[number] = Stream(self, number, self._initial)
        return stream

    def pump(self, stream: Stream) -> None:
        """Send of a stream's answer what its reader has room for."""
        waiting = stream.waiting
        while waiting and (size := min(len(waiting), stream.window, self._window, FRAME)) > 0:
            self.write(frame(Kind.DATA, 0, stream.number, bytes(waiting[:size])))
            del waiting[:size]
            stream.window -= size
            self._window -= size
        if len(waiting) > _UNREAD:
            self.reset(stream.number, Error.ENHANCE_YOUR_CALM)
        elif stream.last is not None and not waiting:
            kind = Kind.HEADERS if stream.last else Kind.DATA
            self.write(frame(kind, END_HEADERS | END_STREAM if stream.last else END_STREAM, stream.number, stream.last))
            if not stream.ended:  # what is still on its way is not wanted
                self.write(_reset(stream.number, Error.NO_ERROR))
            self._over(stream.number, early=not stream.ended)

    def widen(self, number: int, more: int) -> None:
        """The peer reads on: on one stream, or (0) on the connection. Raises `Broken`."""
        if number == 0:
            self._window += more
            if self._window > MOST_WINDOW:
                raise Broken(Error.FLOW_CONTROL_ERROR, "a window that is too large")
            for one in tuple(self.streams.values()):
                self.pump(one)
        elif (stream := self.streams.get(number)) is not None:
            stream.window += more
            if stream.window > MOST_WINDOW:
                self.reset(number, Error.FLOW_CONTROL_ERROR)
            else:
                self.pump(stream)

    def begin_with(self, window: int) -> None:
        """The peer's initial window of streams, also of those that are open. Raises `Broken`."""
        if window > MOST_WINDOW:
            raise Broken(Error.FLOW_CONTROL_ERROR, "a window that is too large")
        for one in tuple(self.streams.values()):
            one.window += window - self._initial
            self.pump(one)
        self._initial = window

    def reset(self, number: int, code: Error) -> None:
        """End a stream without an answer."""
        self.write(_reset(number, code))
        self._over(number, early=True)

    def drop(self, number: int) -> None:
        """The peer has ended a stream."""
        self._over(number, early=False)

    def expect(self, number: int) -> None:
        """More of a stream that is over: on its way when we ended it early, else a mistake. Raises `Broken`."""
        if number not in self._past:
            raise Broken(Error.PROTOCOL_ERROR, "a stream that was not opened in its turn")
        if not self._past[number]:
            raise Broken(Error.STREAM_CLOSED, "more of a stream that is over")

    def _over(self, number: int, *, early: bool) -> None:
        stream = self.streams.pop(number, None)
        self._past[number] = early
        if len(self._past) > _PAST:
            del self._past[next(iter(self._past))]
        if stream is not None and stream.handler is not None:
            stream.handler.over()
        self.close_when_done()

    def drop_all(self) -> None:
        """Nobody hears any answer any more."""
        for number in tuple(self.streams):
            self.drop(number)

    def close_when_done(self) -> None:
        """Close a connection that is about to be left when nobody waits for an answer any more."""
        if self.leaving and not self.streams and self.transport is not None:
            self.flush()
            self.transport.close()


def _reset(number: int, code: Error) -> bytes:
    return frame(Kind.RST_STREAM, 0, number, int(code).to_bytes(4, "big"))
