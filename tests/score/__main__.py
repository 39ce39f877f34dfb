"""Judge everything whose truth is known, and say how right that was. `make score` runs it; exit 1 below the bars.

    python -m score [NAME…] [--simulated | --disturbed] [--seeds 1] [--jobs 2] [--json]

NAME         only recordings whose names begin so; with --simulated, only worlds whose names contain it
--simulated  simulated worlds instead of recordings
--disturbed  recordings that were sampled, cut off, late, doubled, or of which one percent got lost
--seeds N    each world so many times
--jobs N     in how many processes
--json       one JSON object instead of the table
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import partial

from captures import NAMES
from simulator.scenarios import ALL

from score import disturbed, simulated
from score.bars import Bars, held, read
from score.disturbed import DisturbedRow
from score.exhaustion import coverages
from score.measure import Row
from score.processes import spread
from score.simulated import SimulatedRow

RECORDED = ("sample", "expected", "leaks", "precision", "recall", "counted", "error", "false", "coverage", "delay")
SIMULATED: Mapping[str, Callable[[SimulatedRow], object]] = {
    "world": lambda row: row.scenario + (" (held out)" if row.held_out else ""),
    "leaks": lambda row: row.leaks,
    "named": lambda row: row.named,
    "precision": lambda row: row.precision,
    "found": lambda row: row.recall if row.words in simulated.NAMING else None,
    "innocent suspected": lambda row: row.suspects,
    "victims": lambda row: row.victims,
    "path first": lambda row: row.paths_right / row.paths if row.paths else None,
    "counted": lambda row: f"{row.counted} of {row.held}",
}


def table(head: Sequence[str], rows: Sequence[Sequence[object]], marks: Sequence[Sequence[str]]) -> str:
    """For a person: one line each, and what it misses."""
    lines = [list(head), *([_spelled(cell) for cell in row] for row in rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(head))]
    ends = ["", *(f"  BELOW: {'; '.join(mark)}" if mark else "" for mark in marks)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + end
        for line, end in zip(lines, ends, strict=True)
    )


def _spelled(value: object) -> str:
    if value is None:
        return "–"
    if isinstance(value, float):
        return f"{value:.3f}" if value <= 1 else f"{value:.1f}"
    return ", ".join(value) if isinstance(value, list) else str(value)


def _chosen(asked: argparse.Namespace) -> list[str]:
    return [name for name in NAMES if not asked.names or name.startswith(tuple(asked.names))]


def recorded(asked: argparse.Namespace, bars: Bars) -> tuple[list[Row], list[str], str]:
    """The rows, what is below the bars, and the table."""
    names = _chosen(asked)
    rows = spread(partial(held, bars), names, asked.jobs) if names else []
    below = [f"{row.sample}: {miss}" for row in rows for miss in row.below]
    cells = [[getattr(row, name) for name in RECORDED] for row in rows]
    return rows, below, table(RECORDED, cells, [row.below for row in rows])


def worlds(asked: argparse.Namespace, bars: Bars) -> tuple[list[SimulatedRow], list[str], str]:
    """The same of simulated worlds, whose bars are for all of them together."""
    chosen = [one for one in ALL if not asked.names or any(name in one.name for name in asked.names)]
    work = [(one, seed + 1) for one in chosen for seed in range(asked.seeds)]
    rows = spread(simulated.measure, work, asked.jobs) if work else []
    cells = [[cell(row) for cell in SIMULATED.values()] for row in rows]
    text = table(list(SIMULATED), cells, [[] for _ in rows])
    below = simulated.misses(rows, bars.simulated)
    if not asked.names:
        shares = coverages()
        text += "\n\nhow often the interval of exhaustion (90 %) holds the truth\n"
        text += table(["pool", "covered"], list(shares.items()), [[] for _ in shares])
        mean = sum(shares.values()) / len(shares)
        if not bars.simulated["coverage_low"] <= mean <= bars.simulated["coverage_high"]:
            below.append(f"the interval of exhaustion holds the truth in {mean:.3f}")
    return rows, below, text


def shaken(asked: argparse.Namespace, bars: Bars) -> tuple[list[DisturbedRow], list[str], str]:
    """The same of recordings to which something happened on the way, all of a kind in one line."""
    names = _chosen(asked)
    work = [(name, kind) for name in names for kind in disturbed.KINDS]
    rows = spread(partial(disturbed.measure, grace=bars.grace), work, asked.jobs) if work else []
    cells = []
    for kind in disturbed.KINDS:
        some = [row for row in rows if row.kind == kind]
        sums = [sum(getattr(row, name) for row in some) for name in ("leaks", "named", "innocent", "false")]
        cells.append([kind, len(some), *sums])
    text = table(("disturbance", "recordings", "leaks", "named", "innocent", "false"), cells, [[] for _ in cells])
    return rows, disturbed.misses(rows, bars.disturbed), text


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="score", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--simulated", action="store_true", help="simulated worlds instead of recordings")
    parser.add_argument("--disturbed", action="store_true", help="recordings to which something happened on the way")
    parser.add_argument("--seeds", type=int, default=1, help="each world so many times")
    parser.add_argument("--jobs", type=int, default=2, help="in how many processes")
    parser.add_argument("--json", action="store_true", help="one JSON object instead of the table")
    return parser.parse_args()


def main() -> int:
    """The table on stdout; what is below the bars decides the exit status."""
    asked, bars = _arguments(), read()
    kind = worlds if asked.simulated else shaken if asked.disturbed else recorded
    rows, below, text = kind(asked, bars)
    if not rows:
        print(f"nothing is called {', '.join(asked.names)}\nhint: without a name all are judged", file=sys.stderr)
        return 2
    if asked.json:
        print(json.dumps({"rows": [asdict(row) for row in rows], "below": below}, indent=1))
    else:
        print(text, f"\n{len(rows)} judged, {len(below)} below the bars (tests/score/bars.toml)", sep="\n")
        for miss in below if asked.simulated or asked.disturbed else ():
            print(f"  {miss}")
    return int(bool(below))


if __name__ == "__main__":
    sys.exit(main())
