"""`tracecollect run -- COMMAND`: a collector around any command, and a verdict when it has ended."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracecollect.cli import common, tables, verdict_files
from tracecollect.errors import UsageError
from tracecollect.model import SECOND, CoverageLevel, Finding, Verdict

if TYPE_CHECKING:
    from tracecollect.app.gate import Outcome

_FILE = click.Path(path_type=Path, dir_okay=False)
_NOTHING = """tracecollect: nothing arrived from the command, so nothing can be said of its connections
hint: for Python, pip install 'tracecollect[probe]' opentelemetry-distro opentelemetry-exporter-otlp beside it;
      else docs/dialects.md says what to switch on"""

_NOBODYS = """tracecollect: cannot tell for {count} connection{s} ({pools})
      that neither a request nor code of the service took
hint: a library may keep them for itself; a service that is installed as a wheel names its packages
      with TRACECOLLECT_PROBE_OWN (docs/probe.md)"""


@click.command("run", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@common.fails_on
@click.option("--report", type=_FILE, metavar="FILE", help="Draw the connections into one offline page (HTML).")
@click.option("--junit", type=_FILE, metavar="FILE", help="Write what was found as JUnit XML.")
@click.option("--sarif", type=_FILE, metavar="FILE", help="Write what was found as SARIF: at file and line.")
@click.option("--no-probe", is_flag=True, help="Do not switch the probe on in Python processes.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (TOML).")
@click.argument("command_line", metavar="-- COMMAND…", nargs=-1, required=True, type=click.UNPROCESSED)
def command(
    fail_on: str | None,
    report: Path | None,
    junit: Path | None,
    sarif: Path | None,
    no_probe: bool,
    config: Path | None,
    command_line: tuple[str, ...],
) -> int:
    """Run a command inside a collector of its own, and say which connections it never gave back.

    When the command has ended nothing can come back any more. Exits with the command's status; with 1 when it
    succeeded and there is a finding at or above --fail-on (leaked, unless something else is said).
    """
    from tracecollect import settings
    from tracecollect.app import gate

    for path in filter(None, (report, junit, sarif)):
        if not path.absolute().parent.is_dir():
            raise UsageError(f"there is no directory for {path}", hint="make it first: the command was not run")
    outcome = gate.around(settings.load(config=config), command_line, name=_service(command_line), probe=not no_probe)
    tell(outcome)
    if report is not None:
        _drawn(outcome, report)
    if junit is not None:
        verdict_files.write(junit, verdict_files.junit(outcome.report))
    if sarif is not None:
        verdict_files.write(sarif, verdict_files.sarif(outcome.report))
    if os.environ.get("GITHUB_ACTIONS") == "true":
        for line in verdict_files.github(outcome.report):
            click.echo(line)
    found = [one.verdict for one in outcome.report.findings]
    return outcome.status or common.status_of(found, fail_on or Verdict.LEAKED)


def tell(outcome: Outcome) -> None:
    """A short table on stderr. No leak, no noise; but silence is not health, so what nobody could see is said."""
    accused = verdict_files.accused(outcome.report)
    if accused:
        count = sum(one.leaked_count for one in accused)
        common.note(f"\ntracecollect: {count} {'connection was' if count == 1 else 'connections were'} not given back")
        _table([_row(one) for one in accused])
    if outcome.collected:
        where = Counter(one.code or one.statement or one.pool for one in outcome.collected)
        count = len(outcome.collected)
        common.note(f"\ntracecollect: {count} came back only because the garbage collector took them")
        _table([(str(number), "recovered", place, "", "") for place, number in where.most_common()])
    nobodys = [one for one in outcome.report.findings if one.verdict is Verdict.UNKNOWN and not (one.code or one.entry)]
    if nobodys:
        count, pools = sum(one.leaked_count for one in nobodys), ", ".join(sorted({one.pool for one in nobodys}))
        common.note(_NOBODYS.format(count=count, s="s" * (count > 1), pools=tables.clean(pools)))
    blind = sorted({one.pool or one.service for one in outcome.report.coverage if one.level is CoverageLevel.BLIND})
    if not outcome.heard:
        common.note(_NOTHING)
    elif blind:
        hint = next(one.hint for one in outcome.report.coverage if one.level is CoverageLevel.BLIND)
        common.note(f"tracecollect: cannot tell for {tables.clean(', '.join(blind))}\nhint: {tables.clean(hint)}")


def _row(one: Finding) -> tuple[str, str, str, str, str]:
    held = max((hold.held_seconds for hold in one.instances), default=0)
    place = one.code or one.statement or "counted, not named"
    return str(one.leaked_count), str(one.verdict), place, one.entry or one.pool, tables.length(round(held * SECOND))


def _table(rows: list[tuple[str, str, str, str, str]]) -> None:
    widths = [max(len(tables.clean(row[column])) for row in rows) for column in range(5)]
    for row in rows:
        cells = [tables.clean(cell).ljust(width) for cell, width in zip(row, widths, strict=True)]
        common.note("  " + "  ".join((cells[0].strip().rjust(widths[0]), *cells[1:])).rstrip())


def _service(command_line: tuple[str, ...]) -> str:
    """A name for a service that has none: the script, the module, else the program."""
    words = [Path(one).name for one in command_line if not one.startswith("-")]
    if words[0].startswith("python") and len(words) > 1:
        return words[1].removesuffix(".py")
    return words[0] if words else command_line[0]


def _drawn(outcome: Outcome, path: Path) -> None:
    from tracecollect import diagrams, render

    render.write(diagrams.lifecycle(outcome.picture), "html", path)
