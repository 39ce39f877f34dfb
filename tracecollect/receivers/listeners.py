"""The listeners of one process on one event loop: OTLP over gRPC and over HTTP, in front of one intake."""

from __future__ import annotations

import asyncio
import socket
import threading
from dataclasses import dataclass, field

from tracecollect.errors import ListenError
from tracecollect.receivers.access import Tls, Tokens
from tracecollect.receivers.http import http_server
from tracecollect.receivers.intake import MAX_IN_FLIGHT, Homing, Intake
from tracecollect.receivers.otlp_grpc import OtlpGrpcReceiver
from tracecollect.receivers.otlp_http import OtlpHttpService
from tracecollect.receivers.tcp import Bounds


@dataclass(frozen=True, slots=True)
class Listening:
    """What to listen on, and for whom. Ports of 0 are any free ones; None: not at all.

    `tokens`: bearer tokens, one of which a sender must have; `tls_*`: PEM files; `origins`: web pages that may send;
    `reuse_port`: other processes listen on the same ports and share what comes.
    """

    grpc: tuple[str, int] | None = None
    http: tuple[str, int] | None = None
    tokens: tuple[str, ...] = field(default=(), repr=False)
    tls_certificate: str = ""
    tls_key: str = ""
    tls_client_ca: str = ""
    origins: tuple[str, ...] = ()
    connections: int = 4096
    max_in_flight: int = MAX_IN_FLIGHT
    reuse_port: bool = False

    @property
    def tls(self) -> Tls | None:
        """The TLS files, if there are any."""
        if not self.tls_certificate:
            return None
        return Tls(self.tls_certificate, self.tls_key, self.tls_client_ca)


class Listeners:
    """The running listeners. `grpc_port` and `http_port` are the bound ones once `start` returns, else 0."""

    def __init__(self, intake: Intake, wanted: Listening) -> None:
        self._intake, self._wanted = intake, wanted
        self.grpc_port = self.http_port = 0
        self._up = threading.Event()
        self._failure: BaseException | None = None
        self._grace = 0.0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ended: asyncio.Event | None = None
        self._thread = threading.Thread(target=self._run, name="listeners", daemon=True)

    def start(self) -> None:
        """Return when requests are accepted. Raises `ListenError`."""
        self._thread.start()
        self._up.wait()
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self, grace: float) -> None:
        """Refuse new requests, answer the running ones within `grace` seconds. Idempotent."""
        if self._loop is not None and self._ended is not None and self._thread.is_alive():
            self._grace = grace
            self._loop.call_soon_threadsafe(self._ended.set)
            self._thread.join()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            self._failure = error
        finally:
            self._up.set()

    async def _serve(self) -> None:
        wanted, loop = self._wanted, asyncio.get_running_loop()
        self._loop, self._ended = loop, asyncio.Event()
        home, tokens = Homing(loop), Tokens(wanted.tokens)
        grpc = http = None
        try:
            if wanted.http is not None:
                listening = bound(*wanted.http, what="OTLP/HTTP", flag="--otlp-http", reuse_port=wanted.reuse_port)
                self.http_port = listening.getsockname()[1]
                service = OtlpHttpService(self._intake, home, tokens=tokens, origins=wanted.origins)
                tls = wanted.tls.context("http/1.1") if wanted.tls is not None else None
                http = http_server(service, bounds=self._bounds(), tls=tls)
                await http.start(listening)
            if wanted.grpc is not None:
                listening = bound(*wanted.grpc, what="OTLP/gRPC", flag="--otlp-grpc", reuse_port=wanted.reuse_port)
                self.grpc_port = listening.getsockname()[1]
                grpc = OtlpGrpcReceiver(self._intake, home, bounds=self._bounds(), tokens=tokens, tls=wanted.tls)
                await grpc.start(listening)
            self._up.set()
            await self._ended.wait()
        finally:
            stops = [one.stop(self._grace) for one in (grpc, http) if one is not None]
            await asyncio.gather(*stops)

    def _bounds(self) -> Bounds:
        buffered = max(self._wanted.max_in_flight, self._intake.max_body)
        return Bounds(body=self._intake.max_body, buffered=buffered, connections=self._wanted.connections)


def bound(host: str, port: int, *, what: str, flag: str, reuse_port: bool = False) -> socket.socket:
    """A bound socket that does not listen yet. Raises `ListenError`."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    fresh = socket.socket(family, socket.SOCK_STREAM)
    try:
        fresh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            fresh.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        # Accepted connections inherit it; asyncio sets it only where a socket was made with the protocol's number.
        # Without it an answer in two writes waits 40 ms for the reader's delayed acknowledgement.
        fresh.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        fresh.bind((host, port))
    except OSError as error:
        fresh.close()
        raise ListenError(
            f"cannot listen on {host}:{port} for {what}: {error.strerror}",
            hint=f"is another program using port {port}? choose another address with {flag} HOST:PORT",
        ) from error
    return fresh
