"""Judge every labelled recording and say how right that was. `make score` runs it; exit 1 below the bars.

    python -m score [NAME…] [--json] [--jobs 2] [--simulated]

NAME       only recordings whose names begin so
--json     one JSON object instead of the table
--jobs N   in how many processes (two)
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict

from captures import NAMES

from score.bars import read
from score.measure import Row
from score.recorded import measured

COLUMNS = ("sample", "expected", "leaks", "precision", "recall", "counted", "error", "false", "coverage", "delay")


def table(rows: Sequence[Row]) -> str:
    """For a person: one line a recording, and what it misses."""
    lines = [[*map(_spelled, COLUMNS)], *([_spelled(getattr(row, name)) for name in COLUMNS] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(COLUMNS))]
    marks = ["", *(f"  BELOW: {'; '.join(row.below)}" if row.below else "" for row in rows)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + mark
        for line, mark in zip(lines, marks, strict=True)
    )


def _spelled(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}" if value <= 1 else f"{value:.1f}"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="score", description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help="only recordings whose names begin so")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    parser.add_argument("--jobs", type=int, default=2, help="in how many processes")
    return parser.parse_args()


def main() -> int:
    """The table on stdout; what is below the bars decides the exit status."""
    asked, bars = _arguments(), read()
    names = [name for name in NAMES if not asked.names or name.startswith(tuple(asked.names))]
    if not names:
        print(f"no recording is called {', '.join(asked.names)}\nhint: see tests/samples", file=sys.stderr)
        return 2
    rows = measured(names, bars, max(1, min(asked.jobs, len(names))))
    below = sum(bool(row.below) for row in rows)
    if asked.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "below": below}, indent=1))
    else:
        print(table(rows))
        print(f"\n{len(rows)} recordings, {below} below the bars (tests/score/bars.toml)")
    return int(bool(below))


if __name__ == "__main__":
    sys.exit(main())
