"""`tracecollect doctor`: is something arriving, what is seen of it, and the one change that would show more."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import click

from tracecollect import codec
from tracecollect.cli import common, tables, words
from tracecollect.cli.arrivals import Remark, remarks
from tracecollect.errors import NotFound, ServerGone, StoreError
from tracecollect.model import LeakQuery, LeakReport, SearchQuery, ServiceReport, Window
from tracecollect.ports import Answers, Check, Status
from tracecollect.settings import Settings

_NEWEST, _LOOKED_INTO = 200, 12
_SEND = """nothing has arrived. To send a first span, from any Python service:
  pip install opentelemetry-distro opentelemetry-exporter-otlp && opentelemetry-bootstrap -a install
  OTEL_SERVICE_NAME=hello OTEL_EXPORTER_OTLP_ENDPOINT=http://{address} \\
  OTEL_EXPORTER_OTLP_PROTOCOL=grpc opentelemetry-instrument python your_service.py
or look at one that leaks:
  tracecollect demo"""


@click.command("doctor")
@common.as_json
@common.where
def command(json_: bool, server: str | None, data_dir: str | None, config: Path | None) -> int:
    """Is something arriving, what is seen of it, what would help.

    Exits 2 when something is wrong.
    """
    settings = common.settings_of(data_dir, config)
    seen = _Seen()
    try:
        with common.answers(server, settings) as answers:
            status = answers.status()
            seen = _look(answers, settings)
    except (NotFound, StoreError, ServerGone) as error:
        status = Status("", (Check("reachable", False, error.message, error.hint),))
    with common.reader_may_leave():
        if json_:
            common.write_json(status)
        else:
            _tell(status, seen, settings)
    return 0 if all(check.ok for check in status.checks) else 2


@dataclass(frozen=True, slots=True)
class _Seen:
    """What has arrived, and what is said of it."""

    report: LeakReport | None = None
    services: Sequence[ServiceReport] = ()
    remarks: Sequence[Remark] = ()


def _look(answers: Answers, settings: Settings) -> _Seen:
    now = common.now()
    kept = Window(codec.read_moment(codec.spell_duration(settings.retention), now), now)
    services = answers.services(kept)
    newest = answers.search(SearchQuery(kept, limit=_NEWEST)) if services else ()
    traces = [answers.trace(one.trace_id) for one in newest[:_LOOKED_INTO]]
    return _Seen(answers.leaks(LeakQuery()), services, remarks(services, traces, newest))


def _tell(status: Status, seen: _Seen, settings: Settings) -> None:
    for check in status.checks:
        mark = click.style("ok  ", fg="green") if check.ok else click.style("FAIL", fg="red", bold=True)
        click.echo(f"{mark}  {check.name:<12}{tables.clean(check.detail)}")
        if check.hint and not check.ok:
            click.echo(f"      {'':<12}hint: {tables.clean(check.hint)}")
    _tell_services(seen)
    if seen.report is not None and seen.report.coverage:
        click.echo("\nwhat each pool lets us see")
        for one in seen.report.coverage:
            words.coverage_line(one)
    click.echo("\nsettings")
    effective = status.settings or settings.spelled()
    origins = status.origins if status.settings else settings.origins
    rows = [(name, value, origins.get(name, "default")) for name, value in effective.items()]
    tables.table(("name", "value", "from"), rows)
    click.echo(f"\nclock: {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())}Z here")
    if not seen.services:
        click.echo("\n" + _SEND.format(address=settings.otlp_grpc))


def _tell_services(seen: _Seen) -> None:
    """Who arrives, through what, and what would help."""
    if not seen.services:
        return
    click.echo("\nwhat arrives")
    rows = [
        (one.service, one.instance, one.spans, tables.clock(one.last_at), _through(one.scopes)) for one in seen.services
    ]
    tables.table(("service", "instance", "spans", "last", "through"), rows, right={2})
    for remark in seen.remarks:
        click.echo(f"{tables.clean(remark.service)}: {tables.clean(remark.text)}\n  change: {remark.change}")


def _through(scopes: Sequence[str]) -> str:
    """Libraries by their own names, without what all of their kind begin with."""
    return ", ".join(dict.fromkeys(one.removeprefix("opentelemetry.instrumentation.") for one in scopes))
