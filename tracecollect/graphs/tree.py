"""A trace as a tree that survives missing parents, several roots, cycles, duplicates and clock skew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from tracecollect.model import SECOND, Instant, Span, Trace

if TYPE_CHECKING:
    import networkx as nx

# JavaScript and some .NET clocks count whole milliseconds, so a smaller difference says nothing about the clocks.
_CLOCK_STEP = SECOND // 1000


class Mark(StrEnum):
    """What is unusual about a node. Marks are shown, never repaired away."""

    MISSING = "missing"
    """A placeholder: children name this parent, which never arrived."""
    CYCLE = "cycle"
    """Its parent is its own descendant; the link to the parent was cut here."""
    DUPLICATE = "duplicate"
    """More than one copy arrived; this is the richest."""
    SKEW = "skew"
    """It began before its parent, or outside the call that waited for it: the clocks disagree."""
    OPEN = "open"
    """It had not ended when last heard of."""


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One span, or the placeholder of a parent that never arrived (`span` is None).

    `start` and `end` are as stored, or corrected by `skew` nanoseconds when the tree was asked to adjust.
    """

    id: str
    span: Span | None
    parent: str | None
    children: tuple[str, ...]
    depth: int
    marks: frozenset[Mark]
    start: Instant
    end: Instant
    skew: int = 0

    @property
    def name(self) -> str:
        """The operation, or what is said in place of one."""
        return self.span.name if self.span else "parent never arrived"


@dataclass(frozen=True, slots=True)
class TraceTree:
    """A whole trace. `nodes` is in pre-order: a parent, then its children by start. Times in nanoseconds."""

    trace_id: str
    nodes: Mapping[str, TreeNode]
    roots: tuple[str, ...]
    duplicates: int

    def __iter__(self) -> Iterator[TreeNode]:
        return iter(self.nodes.values())

    def count(self, mark: Mark) -> int:
        """How many nodes carry a mark."""
        return sum(mark in node.marks for node in self)

    @property
    def start(self) -> Instant:
        """The earliest start, 0 for an empty trace."""
        return min((node.start for node in self), default=Instant(0))

    @property
    def end(self) -> Instant:
        """The latest end, 0 for an empty trace."""
        return max((node.end for node in self), default=Instant(0))

    def digraph(self) -> nx.DiGraph[str]:
        """The same tree for networkx: node ids are span ids, the attribute `node` holds the `TreeNode`."""
        import networkx as nx  # 17 MB, needed when somebody looks at a graph

        graph: nx.DiGraph[str] = nx.DiGraph(trace_id=self.trace_id)
        graph.add_nodes_from((node.id, {"node": node}) for node in self)
        graph.add_edges_from((node.parent, node.id) for node in self if node.parent is not None)
        return graph


def trace_tree(trace: Trace, *, adjust_skew: bool = False) -> TraceTree:
    """Build the tree of a trace; linear in its spans and safe for any depth.

    `adjust_skew` moves spans of a skewed clock into their callers for display; the mark and the amount stay.
    """
    spans, copies = _richest(trace.spans)
    parents, cut = _parents(spans)
    children = _children(spans, parents)
    roots = _ordered(spans, children, (id_ for id_, parent in parents.items() if parent is None))
    nodes: dict[str, TreeNode] = {}
    pending = [(root, 0, 0) for root in reversed(roots)]
    while pending:
        id_, depth, inherited = pending.pop()
        node = _node(id_, depth, inherited, nodes, spans, parents, children)
        marks = set(node.marks)
        marks |= {Mark.CYCLE} if id_ in cut else set()
        marks |= {Mark.DUPLICATE} if id_ in copies else set()
        shift = node.skew if adjust_skew else 0
        nodes[id_] = TreeNode(
            id=id_,
            span=node.span,
            parent=node.parent,
            children=node.children,
            depth=depth,
            marks=frozenset(marks),
            start=Instant(node.start + shift),
            end=Instant(node.end + shift),
            skew=node.skew,
        )
        pending += [(child, depth + 1, node.skew) for child in reversed(node.children)]
    return TraceTree(trace.trace_id, nodes, tuple(roots), trace.duplicates + sum(copies.values()))


def _richest(spans: tuple[Span, ...]) -> tuple[dict[str, Span], dict[str, int]]:
    best: dict[str, Span] = {}
    copies: dict[str, int] = {}
    for number, span in enumerate(spans):
        id_ = span.span_id or f"no id {number}"
        known = best.setdefault(id_, span)
        if known is not span:
            copies[id_] = copies.get(id_, 0) + 1
            best[id_] = max(known, span, key=_richness)
    return best, copies


def _richness(span: Span) -> tuple[bool, int, int, int]:
    said = len(span.attributes) + len(span.events) + len(span.links)
    return not span.open, said, span.duration, -span.start


def _parents(spans: Mapping[str, Span]) -> tuple[dict[str, str | None], set[str]]:
    """The parent of every span and placeholder, and where a cycle was cut: at its earliest span."""
    parents: dict[str, str | None] = {id_: span.parent_id or None for id_, span in spans.items()}
    parents |= dict.fromkeys((parent for parent in parents.values() if parent and parent not in spans), None)
    seen: dict[str, int] = {}
    cut = set()
    for walk, first in enumerate(parents):
        path: list[str] = []
        here: str | None = first
        while here is not None and here not in seen:
            seen[here] = walk
            path.append(here)
            here = parents[here]
        if here is not None and seen[here] == walk:
            cycle = path[path.index(here) :]
            earliest = min(cycle, key=lambda id_: (spans[id_].start, id_))
            parents[earliest] = None
            cut.add(earliest)
    return parents, cut


def _children(spans: Mapping[str, Span], parents: Mapping[str, str | None]) -> dict[str, list[str]]:
    children: dict[str, list[str]] = {id_: [] for id_ in parents}
    for id_ in spans:
        parent = parents[id_]
        if parent is not None:
            children[parent].append(id_)
    for below in children.values():
        below.sort(key=lambda id_: (spans[id_].start, id_))
    return children


def _ordered(spans: Mapping[str, Span], children: Mapping[str, list[str]], ids: Iterator[str]) -> list[str]:
    def start(id_: str) -> int:
        return spans[id_].start if id_ in spans else min(spans[child].start for child in children[id_])

    return sorted(ids, key=lambda id_: (start(id_), id_ in spans, id_))


def _node(
    id_: str,
    depth: int,
    inherited: int,
    above: Mapping[str, TreeNode],
    spans: Mapping[str, Span],
    parents: Mapping[str, str | None],
    children: Mapping[str, list[str]],
) -> TreeNode:
    below = tuple(children[id_])
    parent = parents[id_]
    span = spans.get(id_)
    if span is None:
        start = min(spans[child].start for child in below)
        end = max(spans[child].end for child in below)
        return TreeNode(id_, None, None, below, depth, frozenset({Mark.MISSING}), start, end)
    marks = {Mark.OPEN} if span.open else set()
    skew = 0
    caller = above[parent].span if parent else None
    if caller is not None:
        same_clock = (caller.service, caller.instance) == (span.service, span.instance)
        skew = inherited if same_clock else _skew(caller, span, inherited)
        if skew if not same_clock else span.start + _CLOCK_STEP < caller.start:
            marks.add(Mark.SKEW)
    return TreeNode(id_, span, parent, below, depth, frozenset(marks), span.start, span.end, skew)


def _skew(caller: Span, callee: Span, inherited: int) -> int:
    """How far to move the callee, in nanoseconds, given how far its caller was moved.

    A call that begins before its caller, or a server that ends after the client that waited for it, is put in the
    middle of the caller: half of the slack for each way over the network, as NTP assumes.
    """
    start, end = caller.start + inherited, caller.end + inherited
    waited = caller.kind == "Client" and callee.kind == "Server" and not caller.open and not callee.open
    early = callee.start + _CLOCK_STEP < start
    late = waited and callee.duration <= caller.duration and callee.end > end + _CLOCK_STEP
    if not early and not late:
        return 0
    slack = max(0, caller.duration - callee.duration) // 2 if waited else 0
    return start + slack - callee.start
