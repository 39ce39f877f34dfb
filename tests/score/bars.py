"""The bars of `bars.toml`, and which of them a recording misses."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from builders.store import Bench
from captures import Capture

from score.measure import Row, measure

FILE = Path(__file__).with_name("bars.toml")


@dataclass(frozen=True, slots=True)
class Bars:
    """What must be reached: for all recordings, by library, and the exceptions by recording."""

    common: Mapping[str, float]
    libraries: Mapping[str, str]
    samples: Mapping[str, Mapping[str, float | str]]
    simulated: Mapping[str, float]
    disturbed: Mapping[str, float]

    @property
    def grace(self) -> float:
        """In seconds."""
        return self.common["grace_seconds"]

    def expected(self, sample: str) -> str | None:
        """What its library lets be seen; None: not said here."""
        own = self.samples.get(sample, {}).get("expected")
        return str(own) if own else self.libraries.get(sample.rsplit("-", 1)[0])

    def misses(self, row: Row) -> list[str]:
        """The bars that a recording is below, in words."""
        bars = self.common | {k: v for k, v in self.samples.get(row.sample, {}).items() if isinstance(v, int | float)}
        found = [f"{row.false} false findings"] if row.false > bars["false_findings"] else []
        if row.precision is not None and row.precision < bars["named_precision"]:
            found.append(f"precision {row.precision:.3f}")
        if not row.leaks:
            return found
        if row.expected == "named":
            if (row.recall or 0.0) < bars["named_recall"]:
                found.append(f"recall {row.recall or 0.0:.3f}")
            if row.delay is not None and row.delay > bars["delay_seconds"]:
                found.append(f"named {row.delay:.1f} s after the grace")
        if row.expected == "counted" and abs(row.error) > max(bars["counted_error"], bars["counted_share"] * row.leaks):
            found.append(f"off by {row.error:+d} of {row.leaks}")
        if row.expected == "blind" and not row.coverage:
            found.append("blind, and not said")
        return found


def read(path: Path = FILE) -> Bars:
    """The bars of a file."""
    text = tomllib.loads(path.read_text("utf-8"))
    return Bars(
        text["bars"], text["libraries"], text.get("samples", {}), text.get("simulated", {}), text.get("disturbed", {})
    )


def held(bars: Bars, bench: Bench, name: str) -> Row:
    """One recording, measured and held to its bars."""
    row = measure(bench, Capture(name), bars.grace, bars.expected(name))
    row.below = bars.misses(row)
    return row
