"""`tracecollect dialects`: what each library lets us see, and whether an own dialect file has meaning."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from tracecollect.cli import common, tables
from tracecollect.errors import UsageError

if TYPE_CHECKING:
    from tracecollect.lifecycle.dialects import Dialect


@click.group("dialects", invoke_without_command=True)
@common.as_json
@click.pass_context
def command(ctx: click.Context, json_: bool) -> None:
    """What each library lets us see; check an own dialect."""
    if ctx.invoked_subcommand is not None:
        return
    from tracecollect.lifecycle.dialects import shipped

    if json_:
        click.echo(json.dumps([_document(one) for one in shipped()], indent=2, ensure_ascii=False))
        return
    rows = [(one.name, one.library, one.coverage, ", ".join(one.scopes)) for one in shipped()]
    tables.table(("dialect", "library", "coverage", "scopes"), rows)


@command.command("check")
@click.argument("file", type=click.Path(path_type=Path))
def check(file: Path) -> None:
    """Whether a dialect file has meaning, alone and beside those that come with us."""
    from tracecollect.lifecycle.dialects import check_together, parse, shipped

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"cannot read {file}: {error}", hint="a dialect is a TOML file in UTF-8") from error
    one = parse(text, str(file))
    check_together([*(other for other in shipped() if other.name != one.name), one])
    click.echo(f"{one.name} {one.version}: coverage {one.coverage}, {len(one.rules)} rules, {len(one.series)} series")


def _document(one: Dialect) -> dict[str, Any]:
    return {
        "name": one.name,
        "version": one.version,
        "library": one.library,
        "scopes": list(one.scopes),
        "coverage": one.coverage,
        "why": one.why,
        "blind_to": one.blind_to,
        "hint": one.hint,
    }
