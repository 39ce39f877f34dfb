"""Trees for monospaced text: guides for rows of known depth, and a graph unrolled from its roots."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tracecollect.diagrams import Edge, Graph, Node

DEEPEST = 10
"""Levels that are indented; what lies deeper says how deep instead, or it would leave no room for words."""


@dataclass(frozen=True, slots=True)
class Branch:
    """One line of an unrolled graph. `again`: the node was written before, with what is below it."""

    node: Node
    edge: Edge | None
    guide: str
    again: bool


def guides(depths: Sequence[int]) -> list[str]:
    """What stands before each row of a pre-order tree: `│ ├─` and `└─`, in characters of one column."""
    found = []
    more = [False] * (DEEPEST + 2)
    for depth in reversed(depths):
        shown = min(depth, DEEPEST)
        more[shown + 1 :] = [False] * (len(more) - shown - 1)
        guide = "".join("│ " if more[level] else "  " for level in range(1, shown))
        if shown:
            guide += "├─" if more[shown] else "└─"
        more[shown] = True
        found.append(guide + (f"+{depth - shown} " if depth > shown else ""))
    return found[::-1]


def branches(graph: Graph) -> Iterator[Branch]:
    """Every node once with what it leads to, from the nodes nobody leads to; circles are entered at their first."""
    rows = list(_walk(graph))
    for (node, edge, _, again), guide in zip(rows, guides([depth for _, _, depth, _ in rows]), strict=True):
        yield Branch(node, edge, guide, again)


def _walk(graph: Graph) -> Iterator[tuple[Node, Edge | None, int, bool]]:
    nodes = {node.id: node for node in graph.nodes}
    out: dict[str, list[Edge]] = defaultdict(list)
    for link in graph.edges:
        out[link.source].append(link)
    led_to = {link.target for link in graph.edges if link.target != link.source}
    starts = [node for node in graph.nodes if node.id not in led_to] + [n for n in graph.nodes if n.id in led_to]
    written: set[str] = set()
    for start in starts:
        if start.id in written:
            continue
        pending: list[tuple[str, Edge | None, int]] = [(start.id, None, 0)]
        while pending:
            id_, edge, depth = pending.pop()
            again = id_ in written
            written.add(id_)
            yield nodes[id_], edge, depth, again and bool(out[id_])
            if not again:
                pending += [(after.target, after, depth + 1) for after in reversed(out[id_])]
