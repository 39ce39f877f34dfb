"""`tracecollect doctor`: is something arriving, what is seen of it, and the one change that would show more."""

from __future__ import annotations

import time
from pathlib import Path

import click

from tracecollect import codec
from tracecollect.cli import common, tables, words
from tracecollect.errors import NotFound, ServerGone, StoreError
from tracecollect.model import LeakQuery, LeakReport, Window
from tracecollect.ports import Check, Status
from tracecollect.settings import Settings

_SEND = """to send a first span, from any Python service:
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
    try:
        with common.answers(server, settings) as answers:
            status = answers.status()
            report: LeakReport | None = answers.leaks(LeakQuery())
            heard = bool(
                answers.services(
                    Window(codec.read_moment(codec.spell_duration(settings.retention), common.now()), common.now())
                )
            )
    except (NotFound, StoreError, ServerGone) as error:
        status, report, heard = Status("", (Check("reachable", False, error.message, error.hint),)), None, False
    with common.reader_may_leave():
        if json_:
            common.write_json(status)
        else:
            _tell(status, report, settings, heard)
    return 0 if all(check.ok for check in status.checks) else 2


def _tell(status: Status, report: LeakReport | None, settings: Settings, heard: bool) -> None:
    for check in status.checks:
        mark = click.style("ok  ", fg="green") if check.ok else click.style("FAIL", fg="red", bold=True)
        click.echo(f"{mark}  {check.name:<12}{tables.clean(check.detail)}")
        if check.hint and not check.ok:
            click.echo(f"      {'':<12}hint: {tables.clean(check.hint)}")
    if report is not None and report.coverage:
        click.echo("\nwhat each pool lets us see")
        for one in report.coverage:
            words.coverage_line(one)
    click.echo("\nsettings")
    effective = status.settings or settings.spelled()
    origins = status.origins if status.settings else settings.origins
    rows = [(name, value, origins.get(name, "default")) for name, value in effective.items()]
    tables.table(("name", "value", "from"), rows)
    click.echo(f"\nclock: {time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime())}Z here")
    if not heard:
        click.echo("\n" + _SEND.format(address=settings.otlp_grpc))
