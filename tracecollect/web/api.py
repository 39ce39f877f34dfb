"""Our JSON API under /api/v1: the questions of `Answers`, spelled by `codec`. docs/api.md lists every route."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from tracecollect import codec
from tracecollect.errors import Busy, TooLarge, UsageError
from tracecollect.model import (
    CallEdge,
    FindingChange,
    Instant,
    LeakQuery,
    PoolReport,
    SearchQuery,
    ServiceReport,
    Trace,
    TraceSummary,
    Window,
)
from tracecollect.ports import Answers

T = TypeVar("T")
PREFIX = "/api/v1"
# Questions hold engine memory: few at once are faster than many.
_AT_ONCE = 4
_WAITING = 64
_MAX_SPANS = 200_000
_LEAK = frozenset({"since", "as_of", "grace", "service", "pool"})
_WINDOW = frozenset({"since", "until"})
_SEARCH = _WINDOW | {"service", "operation", "min_duration", "max_duration", "error", "limit", "attr"}


class Desk:
    """Asks `Answers` on threads of its own, so that a slow question does not stop the others."""

    def __init__(self, answers: Answers, *, grace: int) -> None:
        self.answers = answers
        self.grace = grace
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="answer")
        self._asked = 0

    async def ask(self, question: Callable[[], T]) -> T:
        """The answer. Raises `Busy` when too many wait."""
        if self._asked >= _AT_ONCE + _WAITING:
            raise Busy("too many questions are waiting", retry_after=2)
        self._asked += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, question)
        finally:
            self._asked -= 1

    def close(self) -> None:
        """Let the running questions end, forget the waiting ones."""
        self._threads.shutdown(cancel_futures=True)

    def leak_query(self, request: Request) -> LeakQuery:
        """What a request asks about leaks."""
        with _as_usage():
            return codec.read_leak_parameters(_given(request, _LEAK), grace=self.grace, now=_now())

    def window(self, request: Request, more: frozenset[str] = frozenset()) -> Window:
        """The window a request asks about."""
        with _as_usage():
            return codec.read_window_parameters(_given(request, _WINDOW | more), now=_now())

    def search_query(self, request: Request) -> SearchQuery:
        """What a request searches for."""
        with _as_usage():
            given = _given(request, _SEARCH)
            return codec.read_search_parameters(given, request.query_params.getlist("attr"), now=_now())


@contextlib.contextmanager
def _as_usage() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error), hint="docs/api.md lists the parameters") from error


def _now() -> Instant:
    return Instant(time.time_ns())


def _given(request: Request, known: frozenset[str]) -> Mapping[str, str]:
    for name in request.query_params:
        if name not in known:
            raise UsageError(f"unknown parameter {name}", hint=f"known here: {', '.join(sorted(known))}")
    return request.query_params


def _json(noun: object, kind: object = None) -> Response:
    return Response(codec.dumps(noun, kind), media_type="application/json")


def _listed(name: str, items: object, kind: object) -> Response:
    return Response(f'{{"{name}": {codec.dumps(items, kind)}}}', media_type="application/json")


Question = Callable[[Desk, Request], Callable[[], Response]]
"""Reads a request completely, and returns what then runs on a thread."""


def routes(desk: Desk) -> list[Route]:
    """Every route of the API."""
    return [Route(PREFIX + path, _endpoint(desk, question)) for path, question in QUESTIONS.items()]


def _endpoint(desk: Desk, question: Question) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await desk.ask(question(desk, request))

    return endpoint


def _leaks(desk: Desk, request: Request) -> Callable[[], Response]:
    query = desk.leak_query(request)
    return lambda: _json(desk.answers.leaks(query))


def _finding(desk: Desk, request: Request) -> Callable[[], Response]:
    query, name = desk.leak_query(request), request.path_params["id"]

    def both() -> Response:
        finding, history = desk.answers.finding(name, query)
        return JSONResponse({"finding": codec.to_plain(finding), "history": codec.to_plain(tuple(history), _History)})

    return both


def _trace(desk: Desk, request: Request) -> Callable[[], Response]:
    _given(request, frozenset())
    return lambda: _json(bounded(desk.answers.trace(request.path_params["id"])))


def _lifecycle(desk: Desk, request: Request) -> Callable[[], Response]:
    query = desk.leak_query(request)
    return lambda: _json(desk.answers.lifecycle(request.path_params["subject"], query))


def _pool(desk: Desk, request: Request) -> Callable[[], Response]:
    query = desk.leak_query(request)
    return lambda: _json(desk.answers.pool(request.path_params["name"], query))


def _pools(desk: Desk, request: Request) -> Callable[[], Response]:
    query = desk.leak_query(request)
    return lambda: _listed("pools", tuple(desk.answers.pools(query)), tuple[PoolReport, ...])


def _search(desk: Desk, request: Request) -> Callable[[], Response]:
    query = desk.search_query(request)
    return lambda: _listed("traces", tuple(desk.answers.search(query)), tuple[TraceSummary, ...])


def _services(desk: Desk, request: Request) -> Callable[[], Response]:
    window = desk.window(request)
    return lambda: _listed("services", tuple(desk.answers.services(window)), tuple[ServiceReport, ...])


def _calls(desk: Desk, request: Request) -> Callable[[], Response]:
    window, service = desk.window(request, frozenset({"service"})), request.query_params.get("service", "")
    return lambda: _listed("calls", tuple(desk.answers.calls(window, service)), tuple[CallEdge, ...])


def _status(desk: Desk, request: Request) -> Callable[[], Response]:
    _given(request, frozenset())
    return lambda: _json(desk.answers.status())


_History = tuple[FindingChange, ...]
QUESTIONS: Mapping[str, Question] = {
    "/leaks": _leaks,
    "/findings/{id}": _finding,
    "/traces/{id}": _trace,
    "/lifecycle/{subject}": _lifecycle,
    "/pools": _pools,
    # A pool's name may contain slashes: its address often is the name.
    "/pools/{name:path}/lifecycle": _pool,
    "/search": _search,
    "/services": _services,
    "/calls": _calls,
    "/status": _status,
}


def bounded(trace: Trace, most: int = _MAX_SPANS) -> Trace:
    """The trace, unless it is larger than a document should be. Raises `TooLarge`."""
    if len(trace.spans) > most:
        raise TooLarge(
            f"trace {trace.trace_id} has {len(trace.spans)} spans, an answer has at most {most}",
            hint="tracecollect trace draws it in a terminal, tracecollect export writes it to a file",
        )
    return trace
