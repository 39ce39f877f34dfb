"""`tracecollect import FILE…`: recorded OTLP, as the Collector's file exporter writes it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from tracecollect.cli import common

if TYPE_CHECKING:
    from tracecollect.receivers.files import FileReport


@click.command("import")
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--data-dir", metavar="DIR", help="Where the data is.")
@click.option("--config", type=click.Path(path_type=Path), help="Settings file (TOML).")
def command(files: tuple[Path, ...], data_dir: str | None, config: Path | None) -> None:
    """Take in recorded OTLP files: JSON lines, protobuf, captures, each also as .gz.

    What is taken in counts as of its own time: judge a recording with `tracecollect leaks --as-of` its end.
    """
    from tracecollect.app import import_files

    import_files(common.settings_of(data_dir, config), files, _done)


def _done(path: Path, report: FileReport) -> None:
    items = ", ".join(f"{count} {telemetry}" for telemetry, count in report.accepted.items()) or "nothing"
    common.note(f"{path}: {report.requests} requests, {items}")
    if report.rejected:
        common.note(f"  {report.rejected} items left out: {'; '.join(report.reasons)}")
