"""gRPC over HTTP/2 (PROTOCOL-HTTP2.md of grpc/grpc): messages in, messages and a status out.

A server of our own, because a request of one span costs more than twice as much with grpcio (docs/adr/0016).
"""

from __future__ import annotations

import asyncio
import base64
import logging
import urllib.parse
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

from tracecollect.errors import Busy, Rejected, TooLarge, TracecollectError
from tracecollect.receivers.fields import Fields
from tracecollect.receivers.frames import literal
from tracecollect.receivers.streams import Handler, Stream
from tracecollect.wire.status import wire_status

_UNIMPLEMENTED = 12
_PREFIX = 5
_MAX_OPEN, _MAX_REQUESTS = 16_384, 1024
# gRPC's "deflate" is zlib; "gzip" is what exporters use.
_ENCODINGS = ("", "identity", "gzip", "deflate")
# What a status message keeps as it is: printable ASCII but the percent sign.
_PRINTABLE = "".join(map(chr, range(0x20, 0x7F))).replace("%", "")
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Message:
    """One message; `encoding` is '' where it is not packed."""

    body: bytes
    encoding: str = ""


@dataclass(frozen=True, slots=True)
class Method:
    """How the calls of one path are answered.

    `admit` looks at the authorization before anything is read; `failed` hears of calls that did not come as far as
    `answer`. `many`: every message has an answer of its own; `farewell`: the call stays open, this is its last message.
    """

    answer: Callable[[Message], Awaitable[bytes]]
    admit: Callable[[str], None] | None = None
    failed: Callable[[Exception], None] | None = None
    many: bool = False
    farewell: bytes | None = None


class GrpcService:
    """The methods of a server, by path. Sizes in bytes as they come over the wire, of one message and of all calls."""

    def __init__(self, methods: Mapping[str, Method], *, largest: int, most: int) -> None:
        self._methods = {path.encode(): method for path, method in methods.items()}
        self.largest, self.most = largest, most
        self.open_calls = self.running = self.received = 0

    def open(self, stream: Stream, fields: Fields) -> Handler:
        """See `Service` of http2."""
        if fields[b":method"] != b"POST" or not fields.get(b"content-type", b"").startswith(b"application/grpc"):
            return _Stranger(stream)
        method = self._methods.get(fields[b":path"])
        return Call(self, stream, method, fields)


class Call:
    """One call: its messages as they come, and its answers."""

    __slots__ = ("_early", "_encoding", "_headed", "_held", "_length", "_messages", "_method", "_pieces", "_service",
                 "_size", "_stream", "_task")  # fmt: skip

    def __init__(self, service: GrpcService, stream: Stream, method: Method | None, fields: Fields) -> None:
        self._service, self._stream, self._method = service, stream, method or _UNKNOWN
        self._encoding = fields.get(b"grpc-encoding", b"").decode("latin-1")
        self._pieces: list[bytes] = []
        # Bytes in `_pieces`, and those that count as being received.
        self._size = self._held = 0
        self._length: int | None = None
        self._messages: list[Message] = []
        self._task: asyncio.Task[None] | None = None
        self._headed = False
        service.open_calls += 1
        self._early = self._reason(fields.get(b"authorization", b"").decode("latin-1"))

    def _reason(self, authorization: str) -> Rejected | Busy | None:
        """Why it is refused before anything is read."""
        if self._service.open_calls > _MAX_OPEN:
            return Busy(f"{_MAX_OPEN} calls are open already", reason="streams")
        try:
            if self._method.admit is not None:
                self._method.admit(authorization)
        except Rejected as error:
            return error
        return None

    # --- what comes ---------------------------------------------------------------------------------

    def begin(self) -> None:
        """See `Handler`."""
        if self._method is _UNKNOWN:
            self._end_with(_UNIMPLEMENTED, "nothing of that name is served here")
        elif self._encoding not in _ENCODINGS:
            self._end_with(_UNIMPLEMENTED, f"grpc-encoding must be one of {', '.join(_ENCODINGS[1:])}")
        elif self._early is not None:
            self._refuse(self._early)

    def data(self, piece: bytes) -> None:
        """See `Handler`."""
        self._pieces.append(piece)
        self._size += len(piece)
        try:
            self._hold(len(piece))
            self._cut()
        except (Rejected, Busy) as error:
            self._refuse(error)

    def end(self) -> None:
        """See `Handler`."""
        if self._stream.open and self._task is None:
            if self._messages:
                self._start()
            elif self._size or not self._method.many:
                self._refuse(Rejected("the call ends before its message does"))
            elif self._method.farewell is None:
                self._stream.close(_OK)

    def over(self) -> None:
        """See `Handler`. What is being worked on goes on: it may be on disk already."""
        self._service.open_calls -= 1
        self._pieces, self._messages = [], []
        self._let_go(self._held)

    def finish(self) -> None:
        """See `Handler`."""
        if self._method.farewell is not None:
            self._say(self._method.farewell)
            self._stream.close(_OK)
        elif not self._stream.ended:
            self._refuse(Busy("the collector is stopping"))

    def _cut(self) -> None:
        """Take whole messages out of what came. Raises `Rejected`."""
        while self._size >= _PREFIX:
            if self._length is None:
                self._length = self._prefix()
            end = _PREFIX + self._length
            if self._size < end:
                return
            data = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
            rest = data[end:]
            self._pieces, self._size, self._length = ([rest] if rest else []), len(rest), None
            self._messages.append(Message(data[_PREFIX:end], self._encoding if data[0] else ""))
            if self._method.many:
                self._start()
            elif rest or len(self._messages) > 1:
                raise Rejected("a second message in a call that has one")

    def _prefix(self) -> int:
        if len(self._pieces[0]) < _PREFIX:
            self._pieces = [b"".join(self._pieces)]
        head = self._pieces[0]
        length = int.from_bytes(head[1:_PREFIX], "big")
        if head[0] > 1 or (head[0] and not self._encoding):
            raise Rejected("a gRPC message begins with 0, or with 1 where grpc-encoding says how it is packed")
        if length > self._service.largest:
            raise TooLarge(f"the request has {length} bytes, the limit is {self._service.largest}")
        return length

    def _hold(self, size: int) -> None:
        self._held += size
        self._service.received += size
        if self._service.received > self._service.most:
            raise Busy("too many bytes are being received already", reason="in_flight")

    def _let_go(self, size: int) -> None:
        size = min(size, self._held)
        self._held -= size
        self._service.received -= size

    # --- what goes ----------------------------------------------------------------------------------

    def _start(self) -> None:
        if self._task is not None:
            return
        if self._service.running >= _MAX_REQUESTS:
            self._refuse(Busy(f"{_MAX_REQUESTS} requests are being worked on already", reason="streams"))
        else:
            self._service.running += 1
            # It waits for what others hold on to: nothing needs to keep the task.
            self._task = asyncio.get_running_loop().create_task(self._answer())

    async def _answer(self) -> None:
        try:
            while self._messages:
                message = self._messages.pop(0)
                answer = await self._method.answer(message)
                self._let_go(_PREFIX + len(message.body))
                self._say(answer)
            if self._stream.ended and self._method.farewell is None:
                self._stream.close(_OK)
        except Exception as error:
            self._fail(error)
        finally:
            self._service.running -= 1
            self._task = None

    def _say(self, message: bytes) -> None:
        if not self._headed:
            self._headed = True
            self._stream.head(_HEAD)
        self._stream.send(b"\0" + len(message).to_bytes(4, "big") + message)

    def _refuse(self, error: Rejected | Busy) -> None:
        """Answer without reading on."""
        if self._stream.open:
            if self._method.failed is not None:
                self._method.failed(error)
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if not isinstance(error, TracecollectError):
            _log.error("a request failed inside", exc_info=error)
        status = wire_status(error)
        self._end_with(status.grpc, status.message, status.details())

    def _end_with(self, code: int, message: str, details: bytes = b"") -> None:
        """End with a status that is not OK."""
        block = literal(b"grpc-status", str(code).encode())
        block += literal(b"grpc-message", urllib.parse.quote(message, safe=_PRINTABLE).encode())
        if details:
            block += literal(b"grpc-status-details-bin", base64.b64encode(details).rstrip(b"="))
        self._stream.close(block if self._headed else _HEAD + block)


# 0x88 is `:status: 200` of HPACK's static table.
_HEAD = b"\x88" + literal(b"content-type", b"application/grpc")
_OK = literal(b"grpc-status", b"0")
_NOT_GRPC = literal(b":status", b"415") + literal(b"content-type", b"text/plain")


class _Stranger:
    """A request of HTTP/2 that is no call."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def begin(self) -> None:
        """It is heard to its end: an answer before that is not always read."""

    def data(self, piece: bytes) -> None:
        """What it says is thrown away."""

    def end(self) -> None:
        """See `Handler`."""
        self._stream.head(_NOT_GRPC)
        self._stream.send(b"this port speaks gRPC: POST, and a content-type of application/grpc\n")
        self._stream.close(b"")

    def over(self) -> None:
        """Nothing is kept."""

    def finish(self) -> None:
        """See `Handler`."""
        self.end()


async def _nothing(_: Message) -> bytes:
    return b""


_UNKNOWN = Method(_nothing)
