"""Plain tables and safe text for the terminal: readable without colour, at 80 columns, and in a pipe."""

from __future__ import annotations

import shutil
import sys
import unicodedata
from collections.abc import Collection, Iterable, Sequence

import click

from tracecollect import codec
from tracecollect.model import SECOND, Instant, Verdict

_LEAST = 12
_COLOURS = {
    Verdict.LEAKED: "red",
    Verdict.SUSPECTED: "yellow",
    Verdict.UNKNOWN: "magenta",
}


def clean(text: str) -> str:
    """Text from strangers without what a terminal obeys: control characters become visible, lines are joined."""
    if text.isprintable():
        return text
    return "".join(_visible(c) for c in " ".join(text.split()))


def _visible(character: str) -> str:
    # Cf holds what turns the direction of writing around: text that reads as something else.
    return "�" if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co") else character


def table(headings: Sequence[str], rows: Iterable[Sequence[object]], *, right: Collection[int] = ()) -> None:
    """Columns as wide as what is in them; what does not fit the terminal is shortened in the widest column."""
    texts = [[clean(str(cell)) for cell in row] for row in rows]
    widths = [max([len(head), *(len(row[i]) for row in texts)]) for i, head in enumerate(headings)]
    room = room_or(10_000)
    while sum(widths) + 2 * (len(widths) - 1) > room and max(widths) > _LEAST:
        widest = widths.index(max(widths))
        widths[widest] -= 1
    click.echo(click.style(_line(headings, widths, right), bold=True))
    for row in texts:
        click.echo(_line(row, widths, right))


def room_or(otherwise: int) -> int:
    """How many columns the terminal has; `otherwise` where stdout is none."""
    return shutil.get_terminal_size((100, 24)).columns if sys.stdout.isatty() else otherwise


def _line(cells: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    fitted = []
    for number, (cell, width) in enumerate(zip(cells, widths, strict=True)):
        text = shorten(cell, width)
        fitted.append(text.rjust(width) if number in right else text.ljust(width))
    return "  ".join(fitted).rstrip()


def shorten(text: str, width: int) -> str:
    """At most so many characters, the end cut."""
    return text if len(text) <= width else text[: width - 1] + "…"


def ending(text: str, width: int) -> str:
    """At most so many characters, the beginning cut: of a place in the code the file's name and the line matter."""
    return text if len(text) <= width else "…" + text[1 - width :]


def verdict(one: Verdict) -> str:
    """A verdict that stands out with and without colour."""
    word = one.replace("_", " ")
    return click.style(
        word.upper() if one is Verdict.LEAKED else word, fg=_COLOURS.get(one), bold=one in _COLOURS or None
    )


def clock(at: Instant) -> str:
    """A time for people: UTC to the second, a dash for never."""
    return f"{codec.spell_instant(Instant(at - at % SECOND))[:-1].replace('T', ' ')}Z" if at else "-"


def length(nanos: float) -> str:
    """A duration for people: three digits and a unit."""
    for unit, size in (("d", 86400 * SECOND), ("h", 3600 * SECOND), ("min", 60 * SECOND), ("s", SECOND), ("ms", 10**6)):
        if nanos >= size * (2 if unit in ("d", "h", "min") else 1):
            return f"{nanos / size:.3g} {unit}"
    return f"{nanos / 1000:.3g} µs"


def size(value: int) -> str:
    """Bytes as a person reads them."""
    scaled = float(value)
    for unit in ("B", "KiB", "MiB", "GiB"):
        if scaled < 1024:
            return f"{scaled:.0f} {unit}" if unit == "B" else f"{scaled:.1f} {unit}"
        scaled /= 1024
    return f"{scaled:.1f} TiB"


def number(value: int | None) -> str:
    """A number, or a dash where nobody says one."""
    return "-" if value is None else str(value)
