"""Work that needs a store, in several processes: the embedded engine is one a process, and must not be forked."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import TypeVar

from builders.store import Bench, bench

Item = TypeVar("Item")
Done = TypeVar("Done")


def spread(work: Callable[[Bench, Item], Done], items: Sequence[Item], jobs: int) -> list[Done]:
    """`work` on every item, in their order. A process opens one store and empties it between its items."""
    jobs = max(1, min(jobs, len(items)))
    parts = [items[start::jobs] for start in range(jobs)]
    with ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn")) as pool:
        done = list(pool.map(_in_one_store, [work] * jobs, parts))
    return [done[number % jobs][number // jobs] for number in range(len(items))]


def _in_one_store(work: Callable[[Bench, Item], Done], items: Sequence[Item]) -> list[Done]:
    done = []
    with tempfile.TemporaryDirectory() as directory, bench(Path(directory) / "store") as one:
        for item in items:
            done.append(work(one, item))
            one.empty()
    return done
