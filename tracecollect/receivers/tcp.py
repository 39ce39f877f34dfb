"""A listener with a bounded number of connections, whatever they speak; all of them are looked at twice a second."""

from __future__ import annotations

import abc
import asyncio
import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass

_SWEEP_SECONDS = 0.5
_BACKLOG = 512
# Turns of the loop in which a connection that waits is accepted, and what it sent is read: three, and some for parts.
_TURNS_BEFORE_STOP = 8


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one listener bears. Sizes in bytes as they come over the wire."""

    body: int = 64 << 20
    buffered: int = 256 << 20
    head: int = 32 << 10
    connections: int = 4096
    head_seconds: float = 10.0
    body_seconds: float = 60.0
    idle_seconds: float = 120.0


class Connection(asyncio.Protocol, abc.ABC):
    """One sender's connection. All methods belong to the server's event loop."""

    @abc.abstractmethod
    def sweep(self, now: float) -> int:
        """Cut what has taken too long by `time.monotonic()`; how many requests that were."""

    @abc.abstractmethod
    def finish(self) -> None:
        """Close after what is being worked on."""

    @abc.abstractmethod
    def abort(self) -> None:
        """Close at once."""


class Server:
    """Listens on a bound socket. `connect` makes the connections, which enter and leave `connections` themselves."""

    def __init__(
        self,
        connect: Callable[[Server, asyncio.AbstractEventLoop], Connection],
        *,
        bounds: Bounds,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.bounds = bounds
        self.connections: set[Connection] = set()
        self.buffered = 0
        self.cut = 0
        self._connect, self._tls = connect, tls
        self._server: asyncio.Server | None = None
        self._sweeper: asyncio.Task[None] | None = None

    async def start(self, listening: socket.socket) -> None:
        """Accept connections."""
        loop = asyncio.get_running_loop()
        patience = None if self._tls is None else self.bounds.head_seconds
        self._server = await loop.create_server(
            lambda: self._connect(self, loop),
            sock=listening,
            ssl=self._tls,
            backlog=_BACKLOG,
            ssl_handshake_timeout=patience,
        )
        self._sweeper = loop.create_task(self._sweep())

    async def stop(self, grace: float) -> None:
        """Accept nothing new, answer what is being worked on within `grace` seconds, close."""
        if self._server is None:
            return
        # What has come is read before: who ended after sending cannot send it to anybody else.
        for _ in range(_TURNS_BEFORE_STOP):
            await asyncio.sleep(0)
        self._server.close()
        end = time.monotonic() + grace
        for one in tuple(self.connections):
            one.finish()
        while self.connections and time.monotonic() < end:
            await asyncio.sleep(0.01)
        for one in tuple(self.connections):
            one.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._sweeper
        await asyncio.sleep(0)

    async def _sweep(self) -> None:
        # One look at all of them costs less than a timer for each request.
        while True:
            await asyncio.sleep(_SWEEP_SECONDS)
            now = time.monotonic()
            for one in tuple(self.connections):
                self.cut += one.sweep(now)
