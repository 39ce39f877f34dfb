"""`tracecollect lifecycle`: connections from open to close, of a trace, a finding or a pool."""

from __future__ import annotations

from pathlib import Path

import click

from tracecollect.cli import common, picture
from tracecollect.errors import UsageError
from tracecollect.model import Instant, Lifecycle, Starvation


@click.command("lifecycle")
@click.argument("subject", metavar="[TRACE|FINDING]", required=False)
@picture.drawn(picture.TIMELINE, default="timeline")
@click.option("--starved", is_flag=True, help="Draw who kept whom waiting for the pool instead.")
@common.about_leaks
@common.as_json
@common.where
def command(
    subject: str | None,
    starved: bool,
    notation: str | None,
    output: Path | None,
    since: str | None,
    as_of: Instant | None,
    grace: int | None,
    service: str,
    pool: str,
    json_: bool,
    server: str | None,
    data_dir: str | None,
    config: Path | None,
) -> None:
    """Connections from open to close: of a trace, a finding (f_…) or --pool NAME."""
    if (subject is None) == (not pool):
        raise UsageError("lifecycle of what?", hint="name a trace, a finding (tracecollect leaks) or --pool NAME")
    if starved and subject is not None and not subject.startswith("f_"):
        raise UsageError("who starved a trace is a list", hint=f"tracecollect holders --trace {subject}")
    notation = picture.chosen(notation, output, "timeline")
    settings = common.settings_of(data_dir, config)
    query = common.leak_query(since, as_of, grace, service, pool)
    found: Starvation | Lifecycle
    with common.answers(server, settings) as answers:
        if starved:
            found = answers.starvation(subject or pool, query)
        else:
            found = answers.pool(pool, query) if subject is None else answers.lifecycle(subject, query)
    if json_ or notation == "json":
        picture.write(common.json_text(found), output)
        return
    from tracecollect import diagrams

    drawn = diagrams.starvation(found) if isinstance(found, Starvation) else diagrams.lifecycle(found)
    picture.draw(drawn, notation, output)
