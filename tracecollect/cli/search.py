"""`tracecollect search`: traces by what one of their spans is."""

from __future__ import annotations

from pathlib import Path

import click

from tracecollect import codec
from tracecollect.cli import common, tables
from tracecollect.model import SearchQuery, TraceSummary


@click.command("search")
@click.option("--service", default="", help="Of this service.")
@click.option("--operation", default="", help="With this span name.")
@click.option("--attr", "attributes", type=common.PAIR, multiple=True, help="With this attribute; may be repeated.")
@click.option("--min-duration", type=common.DURATION, default="0", help="At least so long.")
@click.option("--max-duration", type=common.DURATION, help="At most so long.")
@click.option("--error", is_flag=True, help="That failed.")
@click.option(
    "--limit", type=click.IntRange(1, codec.MAX_FOUND), default=20, show_default=True, help="At most so many."
)
@common.in_window
@common.as_json
@common.where
def command(
    service: str,
    operation: str,
    attributes: tuple[tuple[str, str], ...],
    min_duration: int,
    max_duration: int | None,
    error: bool,
    limit: int,
    since: str | None,
    until: str | None,
    json_: bool,
    server: str | None,
    data_dir: str | None,
    config: Path | None,
) -> None:
    """Traces with a span that meets every condition, newest first."""
    settings = common.settings_of(data_dir, config)
    query = SearchQuery(
        common.window(since, until), service, operation, min_duration, max_duration, dict(attributes), error, limit
    )
    with common.answers(server, settings) as answers:
        found = tuple(answers.search(query))
    if json_:
        common.write_json(found, tuple[TraceSummary, ...])
    elif found:
        tables.table(
            ("trace", "started", "duration", "spans", "errors", "service", "operation"),
            [_row(one) for one in found],
            right=(2, 3, 4),
        )
    else:
        common.note("no trace meets every condition; a longer --since may help")


def _row(one: TraceSummary) -> tuple[object, ...]:
    started, lasted = tables.clock(one.start), tables.length(one.duration)
    return (one.trace_id, started, lasted, one.span_count, one.error_count, one.root_service, one.root_name)
