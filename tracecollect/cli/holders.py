"""`tracecollect holders`: who holds connections, now or as of a moment, or while a request waited for one."""

from __future__ import annotations

from pathlib import Path

import click

from tracecollect.cli import common, starved_words, tables
from tracecollect.errors import NotFound
from tracecollect.lifecycle.holds import open_at
from tracecollect.model import Hold, Instant, LeakQuery, Starved
from tracecollect.ports import Answers


@click.command("holders")
@click.option("--trace", "trace_id", metavar="ID", help="Who had the connections that this request waited for.")
@click.option("--limit", default=50, show_default=True, type=click.IntRange(1, 10_000), help="At most so many.")
@common.about_leaks
@common.as_json
@common.where
@click.pass_context
def command(
    ctx: click.Context,
    trace_id: str | None,
    limit: int,
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
    """Who holds connections, now or as of a moment, longest first.

    With --trace: who had them while this request waited for one, the leaked ones first. The id may be shortened.
    """
    settings = common.settings_of(data_dir, config)
    query = common.leak_query(since, as_of, grace, service, pool)
    with common.answers(server, settings) as answers:
        if trace_id is not None:
            waits = tuple(answers.starved(trace_id, query))
        else:
            at = as_of if as_of is not None else common.now()
            held, unseen = _holders(answers, query, at)
    if trace_id is None:
        _told(held, unseen, at, limit, json_)
    elif json_:
        common.write_json(waits, tuple[Starved, ...])
    elif waits:
        starved_words.waits(waits, limit, common.again(ctx))
    else:
        common.note(f"no wait of 100 ms or more for a connection is seen in trace {trace_id}")
        common.note(f"hint: tracecollect trace {trace_id} shows what it did; a library that does not trace how")
        common.note("      connections are taken shows no waits: tracecollect pools says how much is seen")


def _told(held: list[Hold], unseen: list[str], at: Instant, limit: int, json_: bool) -> None:
    if json_:
        common.write_json(tuple(held[:limit]), tuple[Hold, ...])
        return
    if held:
        heads = ("held", "idle", "verdict", "entry operation", "service", "pool", "trace")
        tables.table(heads, [_row(hold, at) for hold in held[:limit]], right=(0, 1))
    else:
        common.note("nobody is seen holding a connection")
    if len(held) > limit:
        common.note(f"and {len(held) - limit} more: --limit {len(held)}")
    for name in unseen:
        common.note(f"blind: who holds connections of {name} cannot be seen; tracecollect pools says what would help")


def _holders(answers: Answers, query: LeakQuery, at: Instant) -> tuple[list[Hold], list[str]]:
    held: list[Hold] = []
    unseen: list[str] = []
    # Pools of several instances may share a name; one question answers for all of them.
    for name in dict.fromkeys(one.pool for one in answers.pools(query)):
        try:
            found = answers.pool(name, query).holds
        except NotFound:
            found = ()
        held += open_at(found, at)
        if not found:
            unseen.append(name)
    return sorted(held, key=lambda one: one.acquired_at), unseen


def _row(hold: Hold, at: Instant) -> tuple[str, ...]:
    entry = hold.owner.name if hold.owner is not None else "-"
    verdict = "-" if hold.verdict is None else hold.verdict.replace("_", " ")
    idle = tables.length(max(0, at - hold.last_used_at))
    return (tables.length(at - hold.acquired_at), idle, verdict, entry, hold.service, hold.pool, hold.trace_id)
