"""`--as NOTATION -o FILE`: one way to draw for every command that draws."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tracecollect.cli import common
from tracecollect.errors import UsageError

if TYPE_CHECKING:
    from tracecollect.diagrams import Diagram

F = TypeVar("F", bound=Callable[..., Any])
# Known here, too, so that --help and completion load no renderer; a test holds them against render.NOTATIONS.
TIMELINE = ("tree", "timeline", "dot", "svg", "png", "mermaid", "html", "json")
GRAPH = TIMELINE
_WIDTH = 100


def drawn(notations: Sequence[str], default: str = "tree") -> Callable[[F], F]:
    """--as and -o."""

    def decorate(command: F) -> F:
        command = click.option(
            "-o", "--output", type=click.Path(path_type=Path), metavar="FILE", help="Write to this file."
        )(command)
        return click.option(
            "--as",
            "notation",
            type=click.Choice(notations),
            help=f"How to draw (default: by -o's ending, else {default}).",
        )(command)

    return decorate


def chosen(notation: str | None, output: Path | None, default: str) -> str:
    """What to draw: what was said, else what the file's ending says, else the default."""
    endings = {"svg": "svg", "png": "png", "dot": "dot", "gv": "dot", "mmd": "mermaid", "html": "html", "json": "json"}
    if notation is not None:
        return notation
    return endings.get(output.suffix.lstrip(".").lower(), default) if output is not None else default


def draw(diagram: Diagram, notation: str, output: Path | None) -> None:
    """Spell a diagram to a file or to stdout. Raises `UsageError` for pixels on a terminal."""
    from tracecollect import render

    known = render.NOTATIONS[notation]
    if output is not None:
        render.write(diagram, notation, output)
        common.note(f"wrote {output}")
    elif known.binary:
        if common.to_terminal():
            raise UsageError(f"{notation} is nothing to read on a terminal", hint=f"add -o picture{known.suffix}")
        sys.stdout.flush()
        sys.stdout.buffer.write(render.data(diagram, notation))
    else:
        terminal = common.to_terminal()
        width = shutil.get_terminal_size((_WIDTH, 24)).columns if terminal else _WIDTH
        click.echo(render.text(diagram, notation, width=width, color=terminal), nl=False)


def write(text: str, output: Path | None) -> None:
    """Text to a file or to stdout. Raises `UsageError` where it cannot be written."""
    if output is None:
        click.echo(text, nl=False)
        return
    try:
        output.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {output}: {error.strerror}", hint="choose another file with -o") from error
    common.note(f"wrote {output}")
