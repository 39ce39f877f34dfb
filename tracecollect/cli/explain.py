"""`tracecollect explain FINDING`: everything behind one finding, and what was said of it before."""

from __future__ import annotations

from pathlib import Path

import click

from tracecollect import codec
from tracecollect.cli import common, tables, words
from tracecollect.errors import NotFound
from tracecollect.model import Finding, Instant
from tracecollect.ports import Answers


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
        example = None if json_ else _example(answers, one)
    if json_:
        import json

        document = {"finding": codec.to_plain(one), "history": [codec.to_plain(change) for change in history]}
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
        return
    words.finding(one, as_of if as_of is not None else common.now(), whole=True)
    if example is not None:
        click.echo(f"\nthe last of them: {example}")
    if history:
        click.echo()
        rows = [(tables.clock(h.at), h.verdict, h.leaked_count, h.reason) for h in history]
        tables.table(("when", "verdict", "count", "why"), rows, right=(2,))
    click.echo()
    click.echo(f"next: tracecollect lifecycle {one.id} --as svg -o leak.svg{common.again(ctx)}")


def _example(answers: Answers, one: Finding) -> str | None:
    """What the newest trace that it names did with its connection before its request was over."""
    if not one.instances:
        return None
    try:
        trace = answers.trace(one.instances[-1].trace_id)
    except NotFound:  # it left with the retention; the finding stays
        return None
    from tracecollect.diagrams.words import spent
    from tracecollect.lifecycle.usage import usage

    hold = next((each for each in trace.holds if each.released_at is None and each.owner is not None), None)
    if hold is None or hold.owner is None:
        return None
    return f"{spent(usage(hold, trace.spans, hold.owner.end))} until its request ended; trace {trace.trace_id}"
