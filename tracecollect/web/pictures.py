"""Diagrams in any notation: the same that the command line draws, for the page and for downloads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from tracecollect import diagrams, render
from tracecollect.codec import read_flag
from tracecollect.errors import UsageError
from tracecollect.web.desk import Desk, as_usage
from tracecollect.web.questions import LEAK, WINDOW, Question

Asked = Callable[[], Response]
Diagram = diagrams.Diagram
_DRAWN = ("as", "dark")
# What a waterfall of more lanes than this shows is found by scrolling, not by looking.
_LANES = 5_000
# A picture carries its colours as attributes and inline styles; it may do nothing else.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
_MEDIA = tuple(sorted({one.media_type.partition(";")[0] for one in render.NOTATIONS.values()}))


def _drawn(view: Callable[[Desk, Request], Callable[[], Diagram]]) -> Callable[[Desk, Request], Asked]:
    """A question that answers a diagram in the notation that is asked for."""

    def read(desk: Desk, request: Request) -> Asked:
        name = request.query_params.get("as") or "json"
        if name not in render.NOTATIONS:
            raise UsageError(f"there is no notation {name}", hint=f"one of: {', '.join(render.NOTATIONS)}")
        with as_usage():
            dark = read_flag(request.query_params, "dark", default=False)
        draw, notation = view(desk, request), render.NOTATIONS[name]

        def answer() -> Response:
            body = render.data(draw(), name, dark=dark)
            headers = {
                "Content-Security-Policy": _POLICY,
                "Content-Disposition": f'inline; filename="tracecollect{notation.suffix}"',
            }
            return Response(body, media_type=notation.media_type, headers=headers)

        return answer

    return read


def _lifecycle(desk: Desk, request: Request) -> Callable[[], Diagram]:
    query, subject = desk.leak_query(request.query_params), request.path_params["subject"]
    return lambda: diagrams.lifecycle(desk.answers.lifecycle(subject, query))


def _finding(desk: Desk, request: Request) -> Callable[[], Diagram]:
    query, name = desk.leak_query(request.query_params), request.path_params["id"]
    return lambda: diagrams.finding_summary(desk.answers.finding(name, query)[0])


def _pool(desk: Desk, request: Request) -> Callable[[], Diagram]:
    query, name = desk.leak_query(request.query_params), request.path_params["name"]
    return lambda: diagrams.lifecycle(desk.answers.pool(name, query))


def _starvation(desk: Desk, request: Request) -> Callable[[], Diagram]:
    query, subject = desk.leak_query(request.query_params), request.path_params["subject"]
    return lambda: diagrams.starvation(desk.answers.starvation(subject, query))


def _trace(desk: Desk, request: Request) -> Callable[[], Diagram]:
    return lambda: diagrams.waterfall(desk.answers.trace(request.path_params["id"], _LANES))


def _calls(desk: Desk, request: Request) -> Callable[[], Diagram]:
    return lambda: diagrams.call_graph(desk.answers.trace(request.path_params["id"]))


def _compared(desk: Desk, request: Request) -> Callable[[], Diagram]:
    names = (request.path_params["first"], request.path_params["second"])
    return lambda: diagrams.comparison(*(desk.answers.trace(name) for name in names))


def _services(desk: Desk, request: Request) -> Callable[[], Diagram]:
    window, service = desk.window(request.query_params), request.query_params.get("service", "")
    return lambda: replace(diagrams.service_graph(desk.answers.calls(window, service)), title="Services of the window")


def _picture(
    about: str, parameters: tuple[str, ...], view: Callable[[Desk, Request], Callable[[], Diagram]]
) -> Question:
    return Question(about, (*parameters, *_DRAWN), _MEDIA, _drawn(view))


PICTURES: Mapping[str, Question] = {
    "/diagrams/lifecycle/{subject}": _picture("connections of a finding or a trace over time", LEAK, _lifecycle),
    "/diagrams/finding/{id}": _picture("a finding in one picture", LEAK, _finding),
    "/diagrams/pool/{name:path}": _picture("connections of a pool over time", LEAK, _pool),
    "/diagrams/starvation/{subject:path}": _picture("who kept whom waiting for a pool", LEAK, _starvation),
    "/diagrams/trace/{id}": _picture("the waterfall of a trace, its most telling spans", (), _trace),
    "/diagrams/calls/{id}": _picture("who calls whom in a trace", (), _calls),
    "/diagrams/compare/{first}/{second}": _picture("the calls of two traces beside each other", (), _compared),
    "/diagrams/services": _picture("who calls whom in a window", (*WINDOW, "service"), _services),
}
