"""Diagrams spelled for a terminal, Graphviz, Mermaid, HTML or JSON. Spelling only: the meaning is the diagram's.

    render.text(diagram, "tree", width=80)       one of the text notations, ends with a newline
    render.data(diagram, "png")                  any notation as bytes
    render.write(diagram, "svg", path)           the only function here that writes a file
    render.NOTATIONS                             every notation by name, for `--as`

Same input, same output, byte for byte (SVG and PNG: per layout engine). Every label is taken for hostile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tracecollect.diagrams import Diagram, Timeline
from tracecollect.errors import StoreFull, UsageError
from tracecollect.render import dot, dot_timeline, html, json, layout, mermaid, terminal


@dataclass(frozen=True, slots=True)
class Options:
    """What a renderer may be asked. `width` is in columns; `dark` chooses the theme's dark colours."""

    width: int = 80
    color: bool = False
    dark: bool = False
    engine: str = ""
    """A layout program to use instead of the one that is found: `dot` or `graphviz-pure`."""


@dataclass(frozen=True, slots=True)
class Notation:
    """One notation: its name for `--as`, what it is called on the web, and the function that spells it."""

    name: str
    suffix: str
    media_type: str
    binary: bool
    spell: Callable[[Diagram, Options], str | bytes]
    about: str


def _dot(diagram: Diagram, options: Options) -> str:
    return dot_source(diagram, dark=options.dark)


def dot_source(diagram: Diagram, *, dark: bool = False) -> str:
    """The DOT text that SVG and PNG are laid out from. Timelines carry their positions: any engine agrees on them."""
    if isinstance(diagram, Timeline):
        return dot_timeline.spell(diagram, dark=dark)
    return dot.spell(diagram, dark=dark)


def _svg(diagram: Diagram, options: Options) -> str:
    return _drawn(diagram, "svg", options).decode()


def _png(diagram: Diagram, options: Options) -> bytes:
    return _drawn(diagram, "png", options)


def _drawn(diagram: Diagram, form: str, options: Options) -> bytes:
    source = dot_source(diagram, dark=options.dark)
    return layout.draw(source, form, pinned=isinstance(diagram, Timeline), engine=options.engine)


def _html(diagram: Diagram, options: Options) -> str:
    return html.spell(diagram, _svg(diagram, options))


_ALL = (
    Notation(
        "tree",
        ".txt",
        "text/plain; charset=utf-8",
        False,
        lambda diagram, o: terminal.tree(diagram, width=o.width, color=o.color),
        "an indented tree for the terminal",
    ),
    Notation(
        "timeline",
        ".txt",
        "text/plain; charset=utf-8",
        False,
        lambda diagram, o: terminal.timeline(diagram, width=o.width, color=o.color),
        "lanes over a time axis for the terminal",
    ),
    Notation("dot", ".gv", "text/vnd.graphviz; charset=utf-8", False, _dot, "Graphviz text"),
    Notation("svg", ".svg", "image/svg+xml", False, _svg, "a picture that scales"),
    Notation("png", ".png", "image/png", True, _png, "a picture for chats and tickets"),
    Notation(
        "mermaid",
        ".mmd",
        "text/vnd.mermaid; charset=utf-8",
        False,
        lambda diagram, _: mermaid.spell(diagram),
        "text that Git hosts and wikis draw",
    ),
    Notation("html", ".html", "text/html; charset=utf-8", False, _html, "one offline page"),
    Notation(
        "json",
        ".json",
        "application/json",
        False,
        lambda diagram, _: json.spell(diagram),
        "the diagram itself, for programs",
    ),
)

NOTATIONS = {notation.name: notation for notation in _ALL}
"""Every notation by its name, in the order of `--as`."""


def text(
    diagram: Diagram,
    notation: str,
    *,
    width: int = 80,
    color: bool = False,
    dark: bool = False,
    engine: str = "",
) -> str:
    """One of the text notations; `UsageError` for an unknown or binary one. Ends with a newline."""
    chosen = _notation(notation)
    if chosen.binary:
        raise UsageError(f"{notation} is not text", hint="write it to a file with -o")
    spelled = chosen.spell(diagram, Options(width, color, dark, engine))
    assert isinstance(spelled, str)  # noqa: S101 - `binary` said so
    return spelled


def data(
    diagram: Diagram,
    notation: str,
    *,
    width: int = 80,
    color: bool = False,
    dark: bool = False,
    engine: str = "",
) -> bytes:
    """Any notation as bytes, text in UTF-8. `MissingExtra` when a picture needs a layout engine and there is none."""
    spelled = _notation(notation).spell(diagram, Options(width, color, dark, engine))
    return spelled.encode() if isinstance(spelled, str) else spelled


def write(diagram: Diagram, notation: str, path: Path | str, *, width: int = 100, dark: bool = False) -> Path:
    """Write a diagram to a file and return its path. `UsageError` when it cannot be written, and why."""
    body = data(diagram, notation, width=width, dark=dark)
    target = Path(path)
    try:
        target.write_bytes(body)
    except OSError as error:
        if error.errno == 28:  # ENOSPC
            raise StoreFull(f"no room for {target}", hint="free some disk space or write elsewhere with -o") from error
        raise UsageError(f"cannot write {target}: {error.strerror}", hint="choose another file with -o") from error
    return target


def _notation(name: str) -> Notation:
    try:
        return NOTATIONS[name]
    except KeyError:
        raise UsageError(f"there is no notation {name}", hint="one of: " + ", ".join(NOTATIONS)) from None


__all__ = ["NOTATIONS", "Notation", "Options", "data", "dot_source", "text", "write"]
