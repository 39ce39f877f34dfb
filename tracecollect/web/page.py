"""The plain page on `/`: the findings and how much can be seen, as HTML without a script."""

from __future__ import annotations

import html
from collections.abc import Iterable
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from tracecollect import codec, diagrams, render
from tracecollect.lifecycle.findings import lost
from tracecollect.model import Coverage, CoverageLevel, Finding, LeakReport
from tracecollect.web.api import Desk, bounded

_STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1f24; background: #fff }
table { border-collapse: collapse; width: 100%; margin: 1rem 0 2rem }
th, td { text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #d0d7de; vertical-align: top }
td.number { text-align: right; font-variant-numeric: tabular-nums }
code { font: 14px ui-monospace, monospace; overflow-wrap: anywhere }
.leaked, .blind { font-weight: 700 }
.note { color: #57606a }
@media (prefers-color-scheme: dark) {
  body { color: #e6edf3; background: #0d1117 }
  th, td { border-color: #30363d }
  a { color: #6cb6ff }
  .note { color: #9198a1 }
}
"""
_MOST_DRAWN = 5_000
_SEND = "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 OTEL_EXPORTER_OTLP_PROTOCOL=grpc"


def routes(desk: Desk) -> list[Route]:
    """The page and its style."""

    async def home(request: Request) -> Response:
        query = desk.leak_query(request)
        report = await desk.ask(lambda: desk.answers.leaks(query))
        return HTMLResponse(_page(report))

    async def style(_: Request) -> Response:
        return Response(_STYLE, media_type="text/css", headers={"Cache-Control": "max-age=300"})

    async def lifecycle(request: Request) -> Response:
        query, name = desk.leak_query(request), request.path_params["subject"]
        return await desk.ask(lambda: _svg(diagrams.lifecycle(desk.answers.lifecycle(name, query))))

    async def trace(request: Request) -> Response:
        name = request.path_params["id"]
        return await desk.ask(lambda: _svg(diagrams.waterfall(bounded(desk.answers.trace(name), _MOST_DRAWN))))

    return [
        Route("/", home),
        Route("/style.css", style),
        Route("/lifecycle/{subject}.svg", lifecycle),
        Route("/traces/{id}.svg", trace),
    ]


def _svg(diagram: diagrams.Diagram) -> Response:
    # A picture carries its colours as attributes and inline styles; it may do nothing else.
    policy = "default-src 'none'; style-src 'unsafe-inline'; sandbox"
    return Response(
        render.data(diagram, "svg"),
        media_type=render.NOTATIONS["svg"].media_type,
        headers={"Content-Security-Policy": policy},
    )


def _page(report: LeakReport) -> str:
    return (
        "<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<title>tracecollect</title><link rel=stylesheet href=/style.css>"
        f"<h1>{html.escape(headline(report))}</h1>"
        f"<p class=note>As of {codec.spell_instant(report.as_of)}. "
        "The same as JSON: <a href=/api/v1/leaks>/api/v1/leaks</a>. In a terminal: <code>tracecollect leaks</code>.</p>"
        f"{_findings(report.findings)}{_coverage(report.coverage)}</html>"
    )


def headline(report: LeakReport) -> str:
    """The state in one line; blindness is never health."""
    accused = [one for one in report.findings if one.verdict in ("leaked", "suspected")]
    if accused:
        out = lost(accused)
        return f"{out} connection{'s' * (out != 1)} not given back, {len(accused)} leak site{'s' * (len(accused) != 1)}"
    if not report.coverage:
        return "Nothing has arrived that says anything about a connection"
    blind = sum(1 for one in report.coverage if one.level is CoverageLevel.BLIND)
    if blind:
        return f"No finding, but blind for {blind} of {len(report.coverage)} pools"
    return f"No leak in {len(report.coverage)} pool{'s' * (len(report.coverage) != 1)}"


def _findings(findings: Iterable[Finding]) -> str:
    rows = "".join(_finding(one) for one in findings)
    if not rows:
        return ""
    head = "<tr><th>Verdict<th>Out<th>Entry operation<th>Where<th>Pool<th>Since<th>Per hour<th>Example"
    return f"<table>{head}{rows}</table>"


def _finding(one: Finding) -> str:
    where = one.code or one.statement or "not said"
    rate = "" if one.per_hour is None else f"{one.per_hour:.0f}"
    picture = f"<a href='/lifecycle/{quote(one.id)}.svg'>lifecycle</a>"
    example = ""
    if one.instances:
        trace = one.instances[0].trace_id
        example = f" · <a href='/traces/{quote(trace)}.svg'>trace {html.escape(trace[:8])}</a>"
    return (
        f"<tr><td class={html.escape(one.verdict)}>{html.escape(one.verdict)}<td class=number>{one.leaked_count}"
        f"<td>{html.escape(one.entry or 'counted, not named')}<br><span class=note>{html.escape(one.service)}</span>"
        f"<td><code>{html.escape(where)}</code><td>{html.escape(one.pool)}<td>{codec.spell_instant(one.first_at)[:19]}"
        f"<td class=number>{rate}<td>{picture}{example}"
    )


def _coverage(coverage: Iterable[Coverage]) -> str:
    rows = "".join(
        f"<tr><td>{html.escape(one.service)}<td>{html.escape(one.pool)}<td class={one.level}>{one.level}"
        f"<td>{html.escape(one.why)}<br><span class=note>{html.escape(one.hint)}</span>"
        for one in coverage
    )
    if not rows:
        return (
            "<p>Point a service here: <code>"
            + _SEND
            + "</code>, then <code>tracecollect doctor</code> says what came.</p>"
        )
    head = "<tr><th>Service<th>Pool<th>Coverage<th>Why, and what would help"
    return f"<h2>How much can be seen</h2><table>{head}{rows}</table>"
