"""`tracecollect pools`: every pool, how full it is and how much it lets us see."""

from __future__ import annotations

from pathlib import Path

import click

from tracecollect.cli import common, tables, words
from tracecollect.model import Instant, PoolReport


@click.command("pools")
@common.about_leaks
@common.as_json
@common.where
def command(
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
    """Every pool: occupancy and how much it lets us see. A dash is a number that nobody says."""
    settings = common.settings_of(data_dir, config)
    query = common.leak_query(since, as_of, grace, service, pool)
    with common.answers(server, settings) as answers:
        pools = tuple(answers.pools(query))
    if json_:
        common.write_json(pools, tuple[PoolReport, ...])
        return
    if not pools:
        common.note("no pool was seen; tracecollect doctor says what has arrived")
        return
    heads = ("service", "pool", "used", "idle", "max", "pending", "out", "leaked", "coverage")
    tables.table(heads, [_row(one) for one in pools], right=range(2, 8))
    click.echo()
    for one in pools:
        if one.coverage.hint:
            words.coverage_line(one.coverage)


def _row(one: PoolReport) -> tuple[str, ...]:
    numbers = (one.used, one.idle, one.max, one.pending, one.open_holds)
    return (one.service, one.pool, *(tables.number(value) for value in numbers), _leaked(one), one.coverage.level)


def _leaked(one: PoolReport) -> str:
    """What is leaked, and with a question mark what is only suspected."""
    said = [str(one.leaked)] if one.leaked or not one.suspected else []
    return "+".join([*said, *([f"{one.suspected}?"] if one.suspected else [])])
