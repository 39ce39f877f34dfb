"""`tracecollect explain FINDING`: everything behind one finding, and what was said of it before."""

from __future__ import annotations

from pathlib import Path

import click

from tracecollect import codec
from tracecollect.cli import common, tables, words
from tracecollect.model import Instant


@click.command("explain")
@click.argument("finding")
@common.about_leaks
@common.as_json
@common.where
@click.pass_context
def command(
    ctx: click.Context,
    finding: str,
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
    """Everything behind one finding, and its history. The id may be shortened."""
    settings = common.settings_of(data_dir, config)
    query = common.leak_query(since, as_of, grace, service, pool)
    with common.answers(server, settings) as answers:
        one, history = answers.finding(finding, query)
    if json_:
        import json

        document = {"finding": codec.to_plain(one), "history": [codec.to_plain(change) for change in history]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    words.finding(one, as_of if as_of is not None else common.now(), whole=True)
    if history:
        click.echo()
        rows = [(tables.clock(h.at), h.verdict, h.leaked_count, h.reason) for h in history]
        tables.table(("when", "verdict", "count", "why"), rows, right=(2,))
    click.echo()
    click.echo(f"next: tracecollect lifecycle {one.id} --as svg -o leak.svg{common.again(ctx)}")
