"""A whole trace as a waterfall of any length: ordered once, drawn a stretch at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from tracecollect import graphs
from tracecollect.diagrams.holds import SEVERITY, role_of
from tracecollect.diagrams.shapes import Lane, Marker, Role, Segment, Timeline
from tracecollect.diagrams.waterfall import (
    HOLDS,
    critical_segments,
    heading,
    holds_by_node,
    inner_lane,
    meanwhile,
    remarks,
    span_lane,
    summary,
    whole_axis,
)
from tracecollect.graphs import Mark, TreeNode
from tracecollect.model import Hold, LogRecord, Span, StatusCode, Trace

_MARKERS = 20
"""Log records drawn on one lane; the span's own page has all of them."""
_LEGIBLE = 1000
"""Gaps smaller than this part of the axis are smaller than a pixel."""
_OUT = (Role.LEAKED, Role.SUSPECTED)


@dataclass(frozen=True, slots=True)
class Stretch:
    """Lanes `first` … of `total`. `below` says for each how many lanes belong under it: what folding it hides.

    `errors`, `missing` and `holds` are the numbers of lanes worth a jump; holds that were not given back come first.
    Of a trace too long for one scroll, `before` and `after` are the spans to skip for the scrolls beside this one.
    """

    total: int
    first: int
    timeline: Timeline
    below: tuple[int, ...]
    errors: tuple[int, ...]
    missing: tuple[int, ...]
    holds: tuple[int, ...]
    before: int | None = None
    after: int | None = None


@dataclass(frozen=True, slots=True)
class _Entry:
    node: TreeNode
    hold: Hold | None = None

    @property
    def depth(self) -> int:
        return self.node.depth + (self.hold is not None)


class Scroll:
    """Spans in tree order, each followed by the connections it held. Reads only; safe from any thread."""

    def __init__(self, trace: Trace, *, jumps: int = 1000, step: int = 0) -> None:
        """`jumps`: how many errors, missing spans and holds are listed at most; `step`: how many spans a scroll has."""
        self.trace = trace
        self._before = max(0, trace.earlier - step) if trace.earlier else None
        self._after = trace.earlier + step if trace.omitted else None
        self._tree = graphs.trace_tree(trace, adjust_skew=True)
        self._axis = whole_axis(self._tree, trace)
        self._critical = critical_segments(self._tree)
        self._never_came = {hold.key: hold for hold in trace.holds if hold.released_at is None}
        holds = holds_by_node(self._tree, trace.holds)
        self._entries = list(_ordered(self._tree, holds))
        self._below = _below(self._entries)
        self._rows = {entry.node.id: row for row, entry in enumerate(self._entries) if entry.hold is None}
        self._logs = _by_span(trace.logs)
        worst = sorted(trace.holds, key=lambda hold: (SEVERITY.index(role_of(hold)), hold.acquired_at, hold.key))
        self._notes = (*meanwhile(trace, worst[:HOLDS], self._axis.end), *remarks(self._tree, trace))
        jump = self._jumps()
        self._errors, self._missing, self._holds = (tuple(jump[name][:jumps]) for name in ("error", "missing", "hold"))

    @property
    def total(self) -> int:
        """How many lanes there are."""
        return len(self._entries)

    def stretch(self, first: int, limit: int) -> Stretch:
        """Up to `limit` lanes from number `first` on."""
        found = self._entries[first : first + limit]
        timeline = Timeline(
            title=heading(self._tree, self.trace),
            caption=summary(self._tree, self.trace),
            axis=self._axis,
            lanes=tuple(self._lane(entry) for entry in found),
            notes=self._notes,
        )
        below = tuple(self._below[first : first + limit])
        jumps = self._errors, self._missing, self._holds
        return Stretch(self.total, first, timeline, below, *jumps, self._before, self._after)

    def find(self, text: str, limit: int) -> Sequence[int]:
        """Numbers of the spans whose name, service, attributes, status or logs contain the text, whatever its case."""
        wanted = text.casefold()
        found: list[int] = []
        for id_, row in self._rows.items():
            if len(found) == limit:
                break
            if any(wanted in word.casefold() for word in self._said(id_)):
                found.append(row)
        return found

    def way_to(self, span_id: str) -> Sequence[int]:
        """The number of a span's lane, and before it those of the spans above; empty for an unknown span."""
        way: list[int] = []
        here: str | None = span_id if span_id in self._rows else None
        while here is not None:
            way.append(self._rows[here])
            here = self._tree.nodes[here].parent
        return way[::-1]

    def span(self, span_id: str) -> Span | None:
        """A span by its whole id; None for a parent that never arrived."""
        node = self._tree.nodes.get(span_id)
        return node.span if node is not None else None

    def logs_of(self, span_id: str) -> Sequence[LogRecord]:
        """The log records that name this span."""
        return self._logs.get(span_id, ())

    def _lane(self, entry: _Entry) -> Lane:
        if entry.hold is not None:
            return inner_lane(entry.hold, entry.node, self._axis)
        critical = self._legible(self._critical.get(entry.node.id, ()))
        lane = span_lane(entry.node, critical, self._never_came.get(entry.node.id))
        shift = entry.node.start - entry.node.span.start if entry.node.span is not None else 0
        said = [Marker(type(one.at)(one.at + shift), Role.LOG, one.body[:200]) for one in self.logs_of(entry.node.id)]
        return replace(lane, markers=(*lane.markers, *said[:_MARKERS])) if said else lane

    def _legible(self, steps: Sequence[Segment]) -> tuple[Segment, ...]:
        """Steps with nothing to be seen between them as one: a root of many calls has thousands of them."""
        gap = (self._axis.end - self._axis.start) // _LEGIBLE
        merged: list[Segment] = []
        for step in steps:
            if merged and step.start - merged[-1].end < gap:
                merged[-1] = replace(merged[-1], end=step.end)
            else:
                merged.append(step)
        return tuple(merged)

    def _said(self, span_id: str) -> Iterator[str]:
        node = self._tree.nodes[span_id]
        yield node.name
        yield span_id
        if node.span is not None:
            yield node.span.service
            yield node.span.status_message
            for name, value in node.span.attributes.items():
                yield f"{name}={value}"
        for one in self.logs_of(span_id):
            yield one.body

    def _jumps(self) -> Mapping[str, list[int]]:
        found: dict[str, list[int]] = {"error": [], "missing": [], "hold": []}
        later: list[int] = []
        for row, entry in enumerate(self._entries):
            if entry.hold is not None:
                (found["hold"] if role_of(entry.hold) in _OUT else later).append(row)
            elif Mark.MISSING in entry.node.marks:
                found["missing"].append(row)
            elif entry.node.span is not None and entry.node.span.status == StatusCode.ERROR:
                found["error"].append(row)
        found["hold"] += later
        return found


def _ordered(tree: graphs.TraceTree, holds: Mapping[str, list[Hold]]) -> Iterator[_Entry]:
    for node in tree:
        yield _Entry(node)
        for hold in sorted(holds.get(node.id, ()), key=lambda hold: (hold.acquired_at, hold.key)):
            yield _Entry(node, hold)


def _below(entries: Sequence[_Entry]) -> list[int]:
    """For each lane, how many of those after it are deeper, up to the next that is not."""
    below = [0] * len(entries)
    open_: list[int] = []
    for row, entry in enumerate(entries):
        while open_ and entries[open_[-1]].depth >= entry.depth:
            last = open_.pop()
            below[last] = row - last - 1
        open_.append(row)
    for last in open_:
        below[last] = len(entries) - last - 1
    return below


def _by_span(logs: Sequence[LogRecord]) -> Mapping[str, Sequence[LogRecord]]:
    found: dict[str, list[LogRecord]] = defaultdict(list)
    for one in logs:
        found[one.span_id].append(one)
    return found
