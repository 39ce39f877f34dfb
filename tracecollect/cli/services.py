"""`tracecollect services`: every instance that was heard of, and through what."""

from __future__ import annotations

from pathlib import Path

import click

from tracecollect.cli import common, tables
from tracecollect.model import ServiceReport


@click.command("services")
@common.in_window
@common.as_json
@common.where
def command(
    since: str | None, until: str | None, json_: bool, server: str | None, data_dir: str | None, config: Path | None
) -> None:
    """Every instance that was heard of."""
    settings = common.settings_of(data_dir, config)
    with common.answers(server, settings) as answers:
        found = tuple(answers.services(common.window(since, until)))
    if json_:
        common.write_json(found, tuple[ServiceReport, ...])
    elif found:
        rows = [
            (one.service, one.instance or "-", one.spans, tables.clock(one.last_at), ", ".join(one.scopes))
            for one in found
        ]
        tables.table(("service", "instance", "spans", "last heard", "libraries"), rows, right=(2,))
    else:
        common.note("no service was heard of in this window; tracecollect doctor says what has arrived at all")
