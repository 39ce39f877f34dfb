"""Every recording through one store a process."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from builders.store import bench
from captures import Capture

from score.bars import Bars
from score.measure import Row, measure


def measured(names: Sequence[str], bars: Bars, jobs: int) -> list[Row]:
    """Recordings in order of their names. The embedded engine is one a process, and forking it would not end well."""
    parts = [names[start::jobs] for start in range(jobs) if names[start::jobs]]
    with ProcessPoolExecutor(len(parts), multiprocessing.get_context("spawn")) as pool:
        return sorted(
            (row for part in pool.map(_measured, parts, [bars] * len(parts)) for row in part),
            key=lambda row: row.sample,
        )


def _measured(names: Sequence[str], bars: Bars) -> list[Row]:
    """One store for all of them, emptied in between: it opens once."""
    rows = []
    with tempfile.TemporaryDirectory() as directory, bench(Path(directory) / "store") as one:
        for name in names:
            row = measure(one, Capture(name), bars.grace, bars.expected(name))
            row.below = bars.misses(row)
            rows.append(row)
            one.empty()
    return rows
