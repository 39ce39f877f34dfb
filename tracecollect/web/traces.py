"""A trace a stretch at a time, for whoever scrolls through it: lanes, one span, what contains a text, OTLP again."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from tracecollect.diagrams import Scroll, Stretch
from tracecollect.errors import NotFound, UsageError
from tracecollect.model import LogRecord, Span
from tracecollect.render import otlp
from tracecollect.web.desk import Desk, number
from tracecollect.web.questions import Drawn, Named, Question, drawn, named

Asked = Callable[[], Response]
_STRETCH = 300
_MOST_LANES = 2_000
_MOST_FOUND = 10_000
_MOST_LOGS = 1_000
_FARTHEST = 100_000_000
_OTLP = "application/x-ndjson"


# As of when the holds of the trace are judged; else what was said last of them is drawn.
_MOMENT = ("as_of", "grace")
# And which stretch of a very long trace is read.
_WHICH = (*_MOMENT, "skip")


def _scroll(desk: Desk, request: Request, *, anew: bool = False) -> Callable[[], Scroll]:
    given = {name: request.query_params[name] for name in _MOMENT if request.query_params.get(name)}
    moment = desk.leak_query(given) if given else None
    skip = number(request.query_params, "skip", 0, 0, _FARTHEST)
    return lambda: desk.scrolls.of(request.path_params["id"], moment, skip=skip, anew=anew)


def _lanes(desk: Desk, request: Request) -> Asked:
    given = request.query_params
    first, limit = number(given, "first", 0, 0, _FARTHEST), number(given, "limit", _STRETCH, 1, _MOST_LANES)
    scroll = _scroll(desk, request, anew=first == 0)
    return lambda: drawn(scroll().stretch(first, limit))


def _find(desk: Desk, request: Request) -> Asked:
    scroll, text = _scroll(desk, request), request.query_params.get("text", "")
    limit = number(request.query_params, "limit", _MOST_FOUND, 1, _MOST_FOUND)
    if not text:
        raise UsageError("nothing to look for", hint="give it as text=…")
    return lambda: named(lanes=(tuple(scroll().find(text, limit)), tuple[int, ...]))


def _span(desk: Desk, request: Request) -> Asked:
    asked, span_id = _scroll(desk, request), request.path_params["span_id"]

    def answer() -> Response:
        scroll = asked()
        span = scroll.span(span_id)
        if span is None:
            raise NotFound(
                f"there is no span {span_id} in trace {scroll.trace.trace_id}",
                hint="spans are named by their whole id; a parent that never arrived has nothing to show",
            )
        logs = tuple(scroll.logs_of(span_id))[:_MOST_LOGS]
        way = tuple(scroll.way_to(span_id))
        return named(span=(span, Span), logs=(logs, tuple[LogRecord, ...]), way=(way, tuple[int, ...]))

    return answer


def _logs(desk: Desk, request: Request) -> Asked:
    name, given = request.path_params["id"], request.query_params
    first, limit = number(given, "first", 0, 0, _FARTHEST), number(given, "limit", _STRETCH, 1, _MOST_LOGS)

    def answer() -> Response:
        logs = desk.scrolls.of(name).trace.logs
        return named(total=(len(logs), int), logs=(logs[first : first + limit], tuple[LogRecord, ...]))

    return answer


def _otlp(desk: Desk, request: Request) -> Asked:
    def answer() -> Response:
        trace = desk.answers.trace(request.path_params["id"])
        kept = {"Content-Disposition": f'attachment; filename="{trace.trace_id}.otlp.jsonl"'}
        return Response("\n".join(otlp.lines(trace)) + "\n", media_type=_OTLP, headers=kept)

    return answer


TRACES: Mapping[str, Question] = {
    "/traces/{id}/lanes": Question("a stretch of the waterfall", (*_WHICH, "first", "limit"), Drawn(Stretch), _lanes),
    "/traces/{id}/find": Question(
        "the lanes that contain a text", (*_WHICH, "text", "limit"), Named({"lanes": tuple[int, ...]}), _find
    ),
    "/traces/{id}/spans/{span_id}": Question(
        "one span with its logs, and the lanes that lead to it",
        _WHICH,
        Named({"span": Span, "logs": tuple[LogRecord, ...], "way": tuple[int, ...]}),
        _span,
    ),
    "/traces/{id}/logs": Question(
        "the log records of a trace",
        ("first", "limit"),
        Named({"total": int, "logs": tuple[LogRecord, ...]}),
        _logs,
    ),
    "/traces/{id}/otlp": Question("the trace as OTLP JSON lines", (), (_OTLP,), _otlp),
}
