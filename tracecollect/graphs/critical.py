"""The critical path: which span the request waited for, at every moment from its start to its end."""

from __future__ import annotations

from dataclasses import dataclass

from tracecollect.graphs.tree import TraceTree
from tracecollect.model import Instant


@dataclass(frozen=True, slots=True)
class PathStep:
    """A stretch of time in which the request waited for this span itself, not for a child of it."""

    id: str
    start: Instant
    end: Instant

    @property
    def duration(self) -> int:
        """Nanoseconds."""
        return self.end - self.start


def critical_path(tree: TraceTree, root: str | None = None) -> tuple[PathStep, ...]:
    """The steps in order of time; together they last as long as the root. Empty for an empty trace.

    Without `root`, the longest root is taken. A child counts as far as it lies inside its parent: what runs on
    after the parent's end kept nobody waiting. Build the tree with `adjust_skew=True` when clocks disagree.
    """
    if not tree.nodes:
        return ()
    if root is None:
        root = max(tree.roots, key=lambda id_: tree.nodes[id_].end - tree.nodes[id_].start)
    steps: list[PathStep] = []
    # Backwards from the end: (span, its children that began earliest first, where we are, where it began).
    stack = [(root, _by_end(tree, root), tree.nodes[root].end, tree.nodes[root].start)]
    while stack:
        id_, waiting, cursor, floor = stack.pop()
        while waiting and tree.nodes[waiting[-1]].start >= cursor:
            waiting.pop()
        child = tree.nodes[waiting.pop()] if waiting else None
        if child is None or child.end <= floor:
            _add(steps, id_, floor, cursor)
            continue
        end, start = min(child.end, cursor), max(child.start, floor)
        _add(steps, id_, end, cursor)
        stack.append((id_, waiting, start, floor))
        stack.append((child.id, _by_end(tree, child.id), end, start))
    return tuple(reversed(steps))


def _by_end(tree: TraceTree, id_: str) -> list[str]:
    return sorted(tree.nodes[id_].children, key=lambda child: (tree.nodes[child].end, tree.nodes[child].start))


def _add(steps: list[PathStep], id_: str, start: int, end: int) -> None:
    if end > start:
        steps.append(PathStep(id_, Instant(start), Instant(end)))
