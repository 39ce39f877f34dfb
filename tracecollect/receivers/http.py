"""HTTP/1.1 for requests whose bodies are taken whole: everything is bounded before it is read.

A general server costs two to three times the CPU for a small request, buffers what it will refuse, and waits for
slow senders without an end (measured: docs/adr/0007). Parsing is llhttp's, through httptools.
"""

from __future__ import annotations

import asyncio
import http
import logging
import ssl
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

import httptools

from tracecollect.receivers.tcp import Bounds, Connection, Server

_log = logging.getLogger(__name__)
# A refused sender may still be sending: what it sends is thrown away for so long, then the connection is cut.
_LINGER_SECONDS = 2.0
_PIPELINED = 16
_OFFER = ("connection", "upgrade", "http2-settings")


@dataclass(slots=True)
class Request:
    """One request. Header names are in lower case; `body` is empty until it has been admitted and read."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes = b""

    def header(self, name: str) -> str:
        """A header's value, '' where there is none."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    def spelled(self, *, close: bool) -> bytes:
        """As bytes on the wire."""
        lines = [f"HTTP/1.1 {self.status} {_REASONS.get(self.status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in self.headers.items()]
        if self.status != http.HTTPStatus.NO_CONTENT:
            lines.append(f"content-length: {len(self.body)}")
        if close:
            lines.append("connection: close")
        return "\r\n".join((*lines, "", "")).encode("latin-1", "replace") + self.body


_REASONS = {int(one): one.phrase for one in http.HTTPStatus}


class Service(Protocol):
    """Who answers the requests of a server."""

    def admit(self, head: Request, size: int) -> Response | None:
        """Look at a head and how long its body says it is (-1: it does not); an answer refuses it unread."""

    def crowded(self, head: Request) -> Response:
        """The answer to a request for which there is no room now."""

    async def handle(self, request: Request) -> Response:
        """Answer a whole request."""


def http_server(service: Service, *, bounds: Bounds, tls: ssl.SSLContext | None = None) -> Server:
    """A server that does not listen yet."""
    return Server(lambda server, loop: _Connection(server, service, loop), bounds=bounds, tls=tls)


class _Connection(Connection):
    """One sender's connection: requests are answered in their order."""

    def __init__(self, server: Server, service: Service, loop: asyncio.AbstractEventLoop) -> None:
        self._server, self._service, self._loop = server, service, loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._url = b""
        self._headers: dict[str, str] = {}
        self._head_size = 0
        self._head: Request | None = None
        self._pieces: list[bytes] = []
        self._size = 0
        self._held = 0
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._task: asyncio.Task[None] | None = None
        self._refused = False
        self._last = False
        self._deadline = float("inf")

    # --- asyncio's side -----------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)  # noqa: S101 -- only for the type checker
        self._transport = transport
        self._server.connections.add(self)
        self._expect(self._server.bounds.head_seconds)
        if len(self._server.connections) > self._server.bounds.connections:
            self._refuse(Response(503, b"too many connections\n", {"retry-after": "1", "content-type": "text/plain"}))

    def connection_lost(self, _: Exception | None) -> None:
        self._server.connections.discard(self)
        self._head, self._pieces = None, []
        self._waiting.clear()
        self._let_go(self._held)
        self._transport = None

    def data_received(self, data: bytes) -> None:
        while data and not self._refused:
            try:
                self._parser.feed_data(data)
                data = b""
            except httptools.HttpParserUpgrade as error:
                # Java's client offers HTTP/2 with its first request, which llhttp then leaves without its body:
                # the same request without the offer.
                data = self._without_offer() + data[error.args[0] :]
                self._parser = httptools.HttpRequestParser(self)
            except httptools.HttpParserError as error:
                self._refuse(Response(400, f"not HTTP/1.1: {error}\n".encode(), {"content-type": "text/plain"}))

    def eof_received(self) -> bool:
        # A sender may close its half and still read the answer; without a request there is nothing to wait for.
        return self._task is not None and not self._task.done()

    def pause_writing(self) -> None:
        if self._transport is not None:
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    # --- the parser's side --------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        self._url, self._headers, self._pieces, self._size, self._head_size = b"", {}, [], 0, 1
        self._head = None
        self._expect(self._server.bounds.head_seconds)

    def on_url(self, url: bytes) -> None:
        self._url += url
        self._count(len(url))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        if self._refused or self._parser.should_upgrade():
            return
        path = self._url.partition(b"?")[0].decode("latin-1")
        head = Request(self._parser.get_method().decode("latin-1"), path, self._headers)
        length = self._headers.get("content-length", "")
        size = int(length) if length.isdecimal() else (-1 if "transfer-encoding" in self._headers else 0)
        refusal = self._service.admit(head, size)
        if refusal is not None:
            self._refuse(refusal)
            return
        self._head = head
        self._expect(self._server.bounds.body_seconds)
        if self._transport is not None and self._headers.get("expect", "").lower() == "100-continue":
            self._transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, body: bytes) -> None:
        if self._refused or self._head is None:
            return
        self._size += len(body)
        self._held += len(body)
        self._server.buffered += len(body)
        self._pieces.append(body)
        if self._size > self._server.bounds.body:
            # Only a body in chunks comes here: the others said their length and were refused unread.
            self._refuse(self._service.admit(self._head, self._size) or Response(413))
        elif self._server.buffered > self._server.bounds.buffered:
            self._refuse(self._service.crowded(self._head))

    def on_message_complete(self) -> None:
        if self._refused or self._head is None:
            return
        self._head.body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._waiting.append((self._head, self._parser.should_keep_alive()))
        self._head, self._pieces, self._head_size = None, [], 0
        self._deadline = float("inf")
        if len(self._waiting) > _PIPELINED and self._transport is not None:
            self._transport.pause_reading()
        if self._task is None or self._task.done():
            self._task = self._loop.create_task(self._answer())

    # --- inside -------------------------------------------------------------------------------------

    async def _answer(self) -> None:
        while self._waiting:
            request, keep = self._waiting.popleft()
            try:
                response = await self._service.handle(request)
            except Exception as error:
                # Our mistake ends this request, not its sender's connection.
                _log.error("a request failed inside", exc_info=error)
                response = Response(500)
            self._let_go(min(self._held, len(request.body)))
            transport = self._transport
            if transport is None or self._refused:
                return
            transport.write(response.spelled(close=not keep or self._last))
            if not keep or self._last:
                transport.close()
                return
        if self._transport is not None:
            self._transport.resume_reading()
            if not self._head_size:
                self._expect(self._server.bounds.idle_seconds)

    def _count(self, size: int) -> None:
        self._head_size += size
        if self._head_size > self._server.bounds.head and not self._refused:
            self._refuse(Response(431, b"the head of the request is too large\n", {"content-type": "text/plain"}))

    def _without_offer(self) -> bytes:
        kept = [f"{name}: {value}" for name, value in self._headers.items() if name not in _OFFER]
        method, url = self._parser.get_method().decode("latin-1"), self._url.decode("latin-1")
        return "\r\n".join((f"{method} {url} HTTP/1.1", *kept, "", "")).encode("latin-1")

    def _let_go(self, size: int) -> None:
        self._held -= size
        self._server.buffered -= size

    def _expect(self, seconds: float) -> None:
        self._deadline = time.monotonic() + seconds

    def _refuse(self, response: Response) -> None:
        """Answer without reading on; an answer sent into a closed connection might never be read."""
        self._refused, self._head, self._pieces = True, None, []
        self._let_go(self._held)
        self._expect(_LINGER_SECONDS)
        if self._transport is not None:
            self._transport.write(response.spelled(close=True))
            if self._transport.can_write_eof():
                self._transport.write_eof()

    def sweep(self, now: float) -> int:
        """See `Connection`."""
        if self._deadline >= now:
            return 0
        self.abort()
        # A request that has begun and not ended is cut for the sender's slowness, not for idleness.
        return int(bool(self._head_size) and not self._refused)

    def finish(self) -> None:
        """See `Connection`."""
        self._last = True
        if self._transport is not None and (self._task is None or self._task.done()) and not self._head_size:
            self._transport.close()

    def abort(self) -> None:
        """See `Connection`."""
        if self._transport is not None:
            self._transport.abort()
