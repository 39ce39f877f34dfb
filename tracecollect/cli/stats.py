"""`tracecollect stats`: where the bytes are."""

from __future__ import annotations

from pathlib import Path

import click

from tracecollect.cli import common, tables
from tracecollect.ports import TableUsage


@click.command("stats")
@common.as_json
@common.where
def command(json_: bool, server: str | None, data_dir: str | None, config: Path | None) -> None:
    """Where the bytes are: each table of the store, and the journal."""
    settings = common.settings_of(data_dir, config)
    with common.answers(server, settings) as answers:
        found = answers.status().usage
    if json_:
        common.write_json(found, tuple[TableUsage, ...])
        return
    shown = [one for one in found if one.rows]
    rows = [
        (
            one.table,
            f"{one.rows}",
            tables.size(one.bytes),
            tables.size(one.unpacked) if one.unpacked else "-",
            f"{one.bytes / one.rows:.0f}",
            f"{one.first_day} … {one.last_day}" if one.first_day else "-",
        )
        for one in shown
    ]
    names = ("table", "rows", "on disk", "unpacked", "bytes/row", "days")
    tables.table(names, rows, right=(1, 2, 3, 4))
    click.echo(f"\n{tables.size(sum(one.bytes for one in found))} in all")
