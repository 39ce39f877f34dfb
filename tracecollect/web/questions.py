"""What a question of the API consists of: what it is about, what it may be given, what it answers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracecollect import codec
from tracecollect.errors import UsageError
from tracecollect.web.desk import Desk

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

PREFIX = "/api/v1"

LEAK = ("since", "as_of", "grace", "service", "pool", "fresh")
WINDOW = ("since", "until")

PARAMETERS: Mapping[str, str] = {
    "since": "a time, or a duration back: 2026-11-23T03:44:00Z, 1h30m",
    "until": "a time, or a duration back; now if it is not given",
    "as_of": "judge as of this time instead of now",
    "grace": "how long a connection may still come back: 30s; the server's setting if it is not given",
    "service": "only of this service",
    "version": "only of this service.version",
    "pool": "only of this pool",
    "fresh": "false: what was judged last will do, and nothing is judged for this question",
    "verdict": "only with this verdict; may be repeated",
    "operation": "only spans with this name",
    "min_duration": "only spans that took so long: 200ms",
    "max_duration": "only spans that took no longer: 5s",
    "error": "true: only spans that failed",
    "attr": "only spans with this attribute, as name=value; may be repeated",
    "limit": "at most so many",
    "first": "the number of the first lane, from 0",
    "skip": "of a very long trace, pass over so many spans and show those that follow",
    "text": "what to look for, whatever its case",
    "as": "the notation: json, svg, png, dot, mermaid, html, tree, timeline",
    "dark": "true: colours for dark paper",
    "traces": "true: also tell of new traces",
}
"""Every parameter by its name, in words; the same name means the same everywhere."""

REPEATED = frozenset({"verdict", "attr"})


@dataclass(frozen=True, slots=True)
class Named:
    """An answer `{name: noun}`, for each pair."""

    parts: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Drawn:
    """An answer of the shape of a diagram: its times are integer nanoseconds, for who draws them."""

    kind: type


@dataclass(frozen=True, slots=True)
class Question:
    """`read` reads a request completely, and returns what then runs on a thread.

    `answer` is a noun's class, `Named` nouns, something `Drawn`, or the media types of what is not JSON of ours.
    """

    about: str
    parameters: tuple[str, ...]
    answer: object
    read: Callable[[Desk, Request], Callable[[], Response]]


def routes(desk: Desk, questions: Mapping[str, Question]) -> list[Route]:
    """A route for every question."""
    return [Route(PREFIX + path, _endpoint(desk, question)) for path, question in questions.items()]


def _endpoint(desk: Desk, question: Question) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        known_only(request, question.parameters)
        return await desk.ask(question.read(desk, request), request)

    return endpoint


def known_only(request: Request, known: Iterable[str]) -> None:
    """Refuse a parameter that the question does not know, and one given twice. Raises `UsageError`."""
    known = tuple(known)
    for name in request.query_params:
        if name not in known:
            may = f"known here: {', '.join(sorted(known))}" if known else "this question takes none"
            raise UsageError(f"unknown parameter {name}", hint=may)
        if name not in REPEATED and len(request.query_params.getlist(name)) > 1:
            raise UsageError(f"{name} is given more than once", hint="give it once")


def json_of(noun: object, kind: object = None) -> Response:
    """A noun as an answer."""
    return Response(codec.dumps(noun, kind), media_type="application/json")


def drawn(shape: DataclassInstance) -> Response:
    """The shape of a diagram as an answer."""
    return Response(json.dumps(asdict(shape), ensure_ascii=False), media_type="application/json")


def named(**parts: tuple[object, object]) -> Response:
    """Nouns under names, each with its kind."""
    inside = ", ".join(f'"{name}": {codec.dumps(noun, kind)}' for name, (noun, kind) in parts.items())
    return Response(f"{{{inside}}}", media_type="application/json")
