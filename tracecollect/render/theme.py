"""viz/theme.json: how a role looks. The one place that knows where it lies and what its keys mean."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tracecollect.diagrams import Role

_PACKAGE = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Look:
    """How one role looks. `pattern`: solid, stripes, dashed, thin. `glyph` is one column wide."""

    words: str
    light: str
    dark: str
    pattern: str
    shape: str
    glyph: str
    ascii: str

    def color(self, *, dark: bool) -> str:
        """`#rrggbb` for light or dark paper."""
        return self.dark if dark else self.light


@dataclass(frozen=True, slots=True)
class Paper:
    """The colours of what is not a mark."""

    paper: str
    ink: str
    quiet: str
    rule: str
    band: str
    font: str


def viz_dir() -> Path:
    """Where the files for people's eyes are: `viz/` of a checkout, `tracecollect/_viz` of an installed wheel."""
    shipped = _PACKAGE / "_viz"
    return shipped if shipped.is_dir() else _PACKAGE.parent / "viz"


@cache
def looks() -> dict[Role, Look]:
    """The look of every role."""
    return {Role(name): Look(**look) for name, look in _theme()["roles"].items()}


def look(role: Role) -> Look:
    """The look of one role."""
    return looks()[role]


def paper(*, dark: bool = False) -> Paper:
    """Paper, ink and rules."""
    theme = _theme()
    return Paper(font=theme["type"]["font"], **theme["paper"]["dark" if dark else "light"])


@cache
def _theme() -> dict[str, Any]:
    theme: dict[str, Any] = json.loads((viz_dir() / "theme.json").read_text(encoding="utf-8"))
    return theme
