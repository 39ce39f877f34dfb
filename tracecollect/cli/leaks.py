"""`tracecollect leaks`: who took a connection and never gave it back."""

from __future__ import annotations

from pathlib import Path

import click

from tracecollect.cli import common, words
from tracecollect.model import Instant


@click.command("leaks")
@common.about_leaks
@common.fails_on
@common.as_json
@common.where
@click.pass_context
def command(
    ctx: click.Context,
    since: str | None,
    as_of: Instant | None,
    grace: int | None,
    service: str,
    pool: str,
    fail_on: str | None,
    json_: bool,
    server: str | None,
    data_dir: str | None,
    config: Path | None,
) -> int:
    """Who took a connection and never gave it back.

    Pools that cannot be watched are listed as blind: no finding there is no proof of health.
    """
    settings = common.settings_of(data_dir, config)
    query = common.leak_query(since, as_of, grace, service, pool)
    with common.answers(server, settings) as answers:
        report = answers.leaks(query)
    with common.reader_may_leave():
        if json_:
            common.write_json(report)
        else:
            words.report(report, common.again(ctx))
    return common.status_of([one.verdict for one in report.findings], fail_on)
