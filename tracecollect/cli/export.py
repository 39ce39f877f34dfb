"""`tracecollect export`: traces as OTLP JSON lines, as the Collector's file exporter writes them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import click

from tracecollect import codec
from tracecollect.cli import common
from tracecollect.errors import UsageError
from tracecollect.model import SearchQuery

_MOST_SPANS = 1_000_000


@click.command("export")
@click.argument("trace_ids", nargs=-1, metavar="[TRACE]…")
@click.option("--service", default="", help="Of this service; without trace ids.")
@click.option(
    "--limit", type=click.IntRange(1, codec.MAX_FOUND), default=codec.MAX_FOUND, help="At most so many traces."
)
@click.option("-o", "--output", type=click.Path(path_type=Path), help="Write to this file.")
@common.in_window
@common.where
def command(
    trace_ids: tuple[str, ...],
    service: str,
    limit: int,
    output: Path | None,
    since: str | None,
    until: str | None,
    server: str | None,
    data_dir: str | None,
    config: Path | None,
) -> None:
    """Traces as OTLP JSON lines: those named, else those of a window."""
    from tracecollect.render import otlp

    settings = common.settings_of(data_dir, config)
    query = SearchQuery(common.window(since, until), service, limit=limit)
    with common.answers(server, settings) as answers:
        names = trace_ids or tuple(one.trace_id for one in answers.search(query))
        lines = (line + "\n" for name in names for line in otlp.lines(answers.trace(name, _MOST_SPANS)))
        # A wrong id is told before a file that is there already loses what is in it.
        first = next(lines, "")
        with _opened(output) as file:
            file.write(first)
            file.writelines(lines)
    if not trace_ids and len(names) == limit:
        common.note(
            f"stopped after {limit} traces, the newest; --until {settings.spelled()['retention']} goes further back"
        )
    common.note(f"{len(names)} trace{'' if len(names) == 1 else 's'}")


@contextlib.contextmanager
def _opened(path: Path | None) -> Iterator[IO[str]]:
    if path is None:
        yield sys.stdout
        return
    try:
        file = path.open("w", encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}", hint="choose another file with -o") from error
    with file:
        yield file
