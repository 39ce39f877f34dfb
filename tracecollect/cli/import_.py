"""`tracecollect import FILE…`: recorded OTLP, as the Collector's file exporter writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracecollect.cli import common, tables
from tracecollect.model import Instant

if TYPE_CHECKING:
    from tracecollect.receivers.files import FileReport
    from tracecollect.settings import Settings


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--data-dir", metavar="DIR", help="Where the data is.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (TOML).")
def command(files: tuple[Path, ...], data_dir: str | None, config: Path | None) -> None:
    """Take in recorded OTLP files: JSON lines, protobuf, captures, each also as .gz.

    What is taken in counts as of its own time: judge a recording with `tracecollect leaks --as-of` its end.
    """
    from tracecollect.app import import_files

    settings = common.settings_of(data_dir, config)
    import_files(settings, files, lambda path, report: _done(path, report, settings))


def _done(path: Path, report: FileReport, settings: Settings) -> None:
    items = ", ".join(f"{count} {telemetry}" for telemetry, count in report.accepted.items()) or "nothing"
    common.note(f"{path}: {report.requests} requests, {items}")
    if report.rejected:
        common.note(f"  {report.rejected} items left out: {'; '.join(report.reasons)}")
    if report.newest and report.newest < common.now() - settings.retention:
        kept = settings.spelled()["retention"]
        ended = tables.clock(Instant(report.newest))
        common.note(f"  it ends {ended}: what is older than the retention ({kept}) is soon dropped")
        common.note("hint: keep it with a longer retention: TRACECOLLECT_RETENTION=3650d, or in the settings file")
