"""The web server: uvicorn on a thread of its own, on a socket that is bound before anything else is promised."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable

import uvicorn
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

import tracecollect
from tracecollect.errors import ListenError, TracecollectError
from tracecollect.ports import Answers
from tracecollect.receivers.intake import Intake
from tracecollect.receivers.listeners import bound
from tracecollect.settings import Address
from tracecollect.web import api, errors, openapi, page
from tracecollect.web import intake as taking
from tracecollect.web.caching import Tagged
from tracecollect.web.desk import Desk
from tracecollect.web.guard import Access, Guard
from tracecollect.web.live import News
from tracecollect.web.metrics import CONTENT_TYPE, Metrics, Vitals
from tracecollect.web.questions import PREFIX, routes

_START_SECONDS = 10
_BACKLOG = 128


def application(
    answers: Answers,
    vitals: Callable[[], Vitals],
    *,
    grace: int,
    public: bool = False,
    host: str = "127.0.0.1",
    intake: Intake | None = None,
    access: Access | None = None,
) -> tuple[Starlette, Desk, News]:
    """The ASGI application, and what is to be closed before and after it: the news, the desk.

    `intake` takes what is sent to the web port.
    """
    desk = Desk(answers, grace=grace)
    news = News(desk)
    described = openapi.description(api.QUESTIONS)
    hosts = None if public else {"localhost", "127.0.0.1", "::1", host}
    metrics = Metrics(vitals)

    async def healthz(_: Request) -> Response:
        return JSONResponse({"status": "alive", "version": tracecollect.__version__})

    async def readyz(_: Request) -> Response:
        now = vitals()
        return JSONResponse({"status": "ready" if now.ready else now.why_not}, 200 if now.ready else 503)

    async def prometheus(_: Request) -> Response:
        return await desk.ask(lambda: Response(metrics.text(), headers={"Content-Type": CONTENT_TYPE}))

    async def description(_: Request) -> Response:
        return JSONResponse(described)

    async def missing(request: Request, error: Exception) -> Response:
        return page.missing(request) or await errors.on_missing(request, error)

    app = Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", prometheus),
            Route(PREFIX + "/openapi.json", description),
            news.route(),
            *routes(desk, api.QUESTIONS),
            *page.routes(),
            *(taking.routes(intake) if intake is not None else ()),
        ],
        middleware=[
            Middleware(Guard, hosts=hosts, access=access or Access()),
            Middleware(GZipMiddleware, minimum_size=1000, compresslevel=5),
            Middleware(Tagged),
        ],
        exception_handlers={
            TracecollectError: errors.on_error,
            404: missing,
            405: errors.on_wrong_method,
            Exception: errors.on_error,
        },
    )
    return app, desk, news


class WebServer:
    """A listening web server. `address` has the bound port."""

    def __init__(self, address: Address) -> None:
        """Bind, so that a port in use is known before anything else is opened. Raises `ListenError`."""
        self._socket = bound(address.host, address.port, what="the web", flag="--web")
        self._socket.listen(_BACKLOG)
        self.address = Address(address.host, self._socket.getsockname()[1])
        self._scheme = "http"
        self._server: _Server | None = None
        self._desk: Desk | None = None
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self.address.host, self.address.host)  # noqa: S104 -- read
        return f"{self._scheme}://{Address(host, self.address.port)}"

    def start(
        self,
        answers: Answers,
        vitals: Callable[[], Vitals],
        *,
        grace: int,
        public: bool = False,
        intake: Intake | None = None,
        access: Access | None = None,
    ) -> None:
        """Return when it answers. Raises `ListenError` when the TLS files cannot be used."""
        tls = access.tls if access is not None else None
        if tls is not None:
            tls.context("http/1.1")
            self._scheme = "https"
        app, self._desk, news = application(
            answers, vitals, grace=grace, public=public, host=self.address.host, intake=intake, access=access
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            log_level="warning",
            access_log=False,
            lifespan="off",
            ws="none",
            server_header=False,
            timeout_graceful_shutdown=2,
            timeout_keep_alive=5,
            limit_concurrency=256,
            ssl_certfile=tls.certificate if tls is not None else None,
            ssl_keyfile=tls.key if tls is not None else None,
        )
        self._server = _Server(config, leaving=news.close)
        self._thread = threading.Thread(target=self._server.run, args=([self._socket],), name="web", daemon=True)
        self._thread.start()
        if not self._server.up.wait(_START_SECONDS):
            raise ListenError(f"the web server on {self.address} did not start", hint="look at the messages above")

    def stop(self) -> None:
        """Refuse new requests, let running ones end within two seconds. Idempotent."""
        if self._server is not None and self._thread is not None:
            self._server.leave()
            self._thread.join()
            self._server = None
        self._socket.close()
        if self._desk is not None:
            self._desk.close()
            self._desk = None


class _Server(uvicorn.Server):
    """Says when it is up, and leaves the signals to the main thread."""

    def __init__(self, config: uvicorn.Config, leaving: Callable[[], None]) -> None:
        super().__init__(config)
        self.up = threading.Event()
        self._leaving = leaving
        self._loop: asyncio.AbstractEventLoop | None = None

    def leave(self) -> None:
        """End soon; whoever listens is sent away first, or they would be waited for."""
        self.should_exit = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._leaving)

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.run(self.serve(sockets=sockets))

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets=sockets)
        self.up.set()
