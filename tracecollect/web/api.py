"""Our JSON API under /api/v1: the questions of `Answers`, spelled by `codec`. docs/api.md lists every route."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from starlette.requests import Request
from starlette.responses import Response

from tracecollect import diagrams
from tracecollect.errors import UsageError
from tracecollect.model import (
    Build,
    CallEdge,
    Finding,
    FindingChange,
    LeakReport,
    Lifecycle,
    PoolReport,
    ServiceReport,
    Starvation,
    Starved,
    Trace,
    TraceSummary,
    Verdict,
)
from tracecollect.ports import Status
from tracecollect.web.desk import Desk, number
from tracecollect.web.pictures import PICTURES
from tracecollect.web.questions import LEAK, WINDOW, Named, Question, json_of, named
from tracecollect.web.traces import TRACES

Asked = Callable[[], Response]
_ROWS = 200
_MOST_ROWS = 1000


def _leaks(desk: Desk, request: Request) -> Asked:
    query = desk.leak_query(request.query_params)
    return lambda: json_of(desk.answers.leaks(query))


def _overview(desk: Desk, request: Request) -> Asked:
    given = dict(request.query_params)
    # These choose among the findings; they do not change what is judged.
    since = desk.leak_query({"since": given.pop("since", ""), "as_of": given.get("as_of", "")}).since
    service, pool = given.pop("service", ""), given.pop("pool", "")
    limit = number(given, "limit", _ROWS, 1, _MOST_ROWS)
    verdicts = frozenset(request.query_params.getlist("verdict"))
    for one in verdicts - set(Verdict):
        raise UsageError(f"verdict={one!r} is none", hint=f"one of: {', '.join(Verdict)}")
    query = desk.leak_query(given)
    return lambda: json_of(
        diagrams.overview(
            desk.answers.leaks(query), service=service, pool=pool, verdicts=verdicts, since=since, limit=limit
        )
    )


def _finding(desk: Desk, request: Request) -> Asked:
    query, name = desk.leak_query(request.query_params), request.path_params["id"]

    def both() -> Response:
        finding, history = desk.answers.finding(name, query)
        return named(finding=(finding, Finding), history=(tuple(history), tuple[FindingChange, ...]))

    return both


def _trace(desk: Desk, request: Request) -> Asked:
    return lambda: json_of(desk.answers.trace(request.path_params["id"]))


def _lifecycle(desk: Desk, request: Request) -> Asked:
    query = desk.leak_query(request.query_params)
    return lambda: json_of(desk.answers.lifecycle(request.path_params["subject"], query))


def _pool(desk: Desk, request: Request) -> Asked:
    query = desk.leak_query(request.query_params)
    return lambda: json_of(desk.answers.pool(request.path_params["name"], query))


def _pools(desk: Desk, request: Request) -> Asked:
    query = desk.leak_query(request.query_params)
    return lambda: named(pools=(tuple(desk.answers.pools(query)), tuple[PoolReport, ...]))


def _starved(desk: Desk, request: Request) -> Asked:
    query, name = desk.leak_query(request.query_params), request.path_params["id"]
    return lambda: named(waits=(tuple(desk.answers.starved(name, query)), tuple[Starved, ...]))


def _starvation(desk: Desk, request: Request) -> Asked:
    query, subject = desk.leak_query(request.query_params), request.path_params["subject"]
    return lambda: json_of(desk.answers.starvation(subject, query))


def _search(desk: Desk, request: Request) -> Asked:
    query = desk.search_query(request)
    return lambda: named(traces=(tuple(desk.answers.search(query)), tuple[TraceSummary, ...]))


def _services(desk: Desk, request: Request) -> Asked:
    window = desk.window(request.query_params)
    return lambda: named(services=(tuple(desk.answers.services(window)), tuple[ServiceReport, ...]))


def _calls(desk: Desk, request: Request) -> Asked:
    window, service = desk.window(request.query_params), request.query_params.get("service", "")
    return lambda: named(calls=(tuple(desk.answers.calls(window, service)), tuple[CallEdge, ...]))


def _build(desk: Desk, request: Request) -> Asked:
    query = desk.build_query(request.query_params)
    return lambda: json_of(desk.answers.build(query))


def _status(desk: Desk, _: Request) -> Asked:
    return lambda: json_of(desk.answers.status())


QUESTIONS: Mapping[str, Question] = {
    "/leaks": Question("the leak report", LEAK, LeakReport, _leaks),
    "/overview": Question(
        "the leak sites in one line each, and how much can be seen",
        ("since", "as_of", "grace", "service", "pool", "verdict", "fresh", "limit"),
        diagrams.Overview,
        _overview,
    ),
    "/findings/{id}": Question(
        "one finding and what was said of it before",
        LEAK,
        Named({"finding": Finding, "history": tuple[FindingChange, ...]}),
        _finding,
    ),
    "/traces/{id}": Question("one whole trace", (), Trace, _trace),
    **TRACES,
    "/lifecycle/{subject}": Question("the holds of a trace or a finding", LEAK, Lifecycle, _lifecycle),
    "/pools": Question("every pool with its newest numbers", LEAK, Named({"pools": tuple[PoolReport, ...]}), _pools),
    # A pool's name may contain slashes: its address often is the name.
    "/pools/{name:path}/lifecycle": Question("the holds of a pool", LEAK, Lifecycle, _pool),
    "/starved/{id}": Question(
        "the long waits of a trace for connections, and who had them then",
        LEAK,
        Named({"waits": tuple[Starved, ...]}),
        _starved,
    ),
    "/starvation/{subject:path}": Question(
        "who kept whom waiting for a pool, or for the pool of a finding", LEAK, Starvation, _starvation
    ),
    "/search": Question(
        "traces with a span that meets every condition",
        (*WINDOW, "service", "operation", "min_duration", "max_duration", "error", "attr", "limit"),
        Named({"traces": tuple[TraceSummary, ...]}),
        _search,
    ),
    "/services": Question("every instance heard of", WINDOW, Named({"services": tuple[ServiceReport, ...]}), _services),
    "/calls": Question("who called whom", (*WINDOW, "service"), Named({"calls": tuple[CallEdge, ...]}), _calls),
    "/build": Question(
        "what the requests of one build of a service did with connections, and its leak sites",
        (*WINDOW, "service", "version", "grace"),
        Build,
        _build,
    ),
    "/status": Question("what doctor reports", (), Status, _status),
    **PICTURES,
}
