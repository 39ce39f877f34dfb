"""Work that needs a store, in several processes: the embedded engine is one a process, and must not be forked."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing.util import Finalize
from pathlib import Path
from typing import TypeVar

from builders.store import Bench

Item = TypeVar("Item")
Done = TypeVar("Done")
_mine: list[Bench] = []


def spread(work: Callable[[Bench, Item], Done], items: Sequence[Item], jobs: int) -> list[Done]:
    """`work` on every item, in their order. A process opens one store and empties it after each item."""
    with (
        tempfile.TemporaryDirectory() as directory,
        ProcessPoolExecutor(
            max(1, min(jobs, len(items))), multiprocessing.get_context("spawn"), _open, (directory,)
        ) as pool,
    ):
        return list(pool.map(partial(_done, work), items))


def _open(directory: str) -> None:
    one = Bench(Path(directory) / str(multiprocessing.current_process().pid))
    _mine.append(one)
    Finalize(None, one.close, exitpriority=1)


def _done(work: Callable[[Bench, Item], Done], item: Item) -> Done:
    try:
        return work(_mine[0], item)
    finally:
        _mine[0].empty()
