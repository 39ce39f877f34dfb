"""`tracecollect graph`: who calls whom in a stretch of time."""

from __future__ import annotations

from pathlib import Path

import click

from tracecollect.cli import common, picture
from tracecollect.errors import NotFound
from tracecollect.model import CallEdge


@click.command("graph")
@click.option("--service", default="", help="Only calls from and to this service.")
@click.option("--operations", is_flag=True, help="Operations, not only services.")
@picture.drawn(picture.GRAPH)
@common.in_window
@common.as_json
@common.where
def command(
    service: str,
    operations: bool,
    notation: str | None,
    output: Path | None,
    since: str | None,
    until: str | None,
    json_: bool,
    server: str | None,
    data_dir: str | None,
    config: Path | None,
) -> None:
    """Who calls whom in a stretch of time: counts, errors and durations."""
    notation = picture.chosen(notation, output, "tree")
    settings = common.settings_of(data_dir, config)
    with common.answers(server, settings) as answers:
        edges = tuple(answers.calls(common.window(since, until), service))
    if json_ or notation == "json":
        picture.write(common.json_text(edges, tuple[CallEdge, ...]), output)
        return
    if not edges:
        raise NotFound("no call in this window", hint="a longer --since may help; tracecollect doctor looks further")
    from tracecollect import diagrams

    picture.draw(diagrams.call_graph(edges) if operations else diagrams.service_graph(edges), notation, output)
