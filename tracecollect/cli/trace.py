"""`tracecollect trace ID`: one trace, as a tree or a picture."""

from __future__ import annotations

from pathlib import Path

import click

from tracecollect.cli import common, picture


@click.command("trace")
@click.argument("trace_id", metavar="ID")
@picture.drawn((*picture.TIMELINE, "otlp"), default="tree")
@click.option("--calls", is_flag=True, help="Draw who calls whom instead of the spans over time.")
@common.as_json
@common.where
def command(
    trace_id: str,
    notation: str | None,
    output: Path | None,
    calls: bool,
    json_: bool,
    server: str | None,
    data_dir: str | None,
    config: Path | None,
) -> None:
    """One trace, as a tree or a picture. The id may be shortened.

    `json` is everything we know of it, `otlp` the spans and logs as OTLP JSON lines.
    """
    notation = picture.chosen(notation, output, "tree")
    settings = common.settings_of(data_dir, config)
    with common.answers(server, settings) as answers:
        trace = answers.trace(trace_id)
    if json_ or notation == "json":
        picture.write(common.json_text(trace), output)
    elif notation == "otlp":
        from tracecollect.render import otlp

        picture.write("\n".join(otlp.lines(trace)) + "\n", output)
    else:
        from tracecollect import diagrams

        picture.draw(diagrams.call_graph(trace) if calls else diagrams.waterfall(trace), notation, output)
