"""A trace as a waterfall: one lane per span in tree order, and under a span the connections it held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tracecollect import graphs
from tracecollect.diagrams.holds import SEVERITY, hold_lane, last_moment, role_of
from tracecollect.diagrams.shapes import Axis, Lane, Marker, Role, Segment, Timeline
from tracecollect.diagrams.words import axis, duration, left_out, many, spent
from tracecollect.graphs import Mark, TraceTree, TreeNode
from tracecollect.lifecycle.usage import usage
from tracecollect.model import SECOND, Hold, Instant, StatusCode, Trace, Verdict

LIMIT = 80
"""Spans that are drawn; beyond two screens nobody reads a waterfall."""
HOLDS = 24
"""Holds that are drawn under them, the worst first."""

_LONG = SECOND // 10
_IDLE = 0.8
_MOST_SPENT = 3
_MARKED = {
    Mark.MISSING: "never arrived",
    Mark.CYCLE: "cycle cut here",
    Mark.DUPLICATE: "arrived more than once",
}


def waterfall(trace: Trace, *, limit: int = LIMIT, adjust_skew: bool = True) -> Timeline:
    """Spans and holds of one trace. Skewed clocks are put right for display and the amount is written at the span.

    When there are more than `limit` spans, errors, the critical path, spans with holds and marks, and long spans are
    kept with those above them; the others are counted in `folded`.
    """
    tree = graphs.trace_tree(trace, adjust_skew=adjust_skew)
    critical = critical_segments(tree)
    shown = sorted(trace.holds, key=lambda hold: (SEVERITY.index(role_of(hold)), hold.acquired_at, hold.key))[:HOLDS]
    holds = holds_by_node(tree, shown)
    kept = _kept(tree, set(critical), set(holds), limit)
    holds = _lifted(tree, holds, kept)
    span = whole_axis(tree, trace)
    lanes: list[Lane] = []
    # Where the hold itself is a span that ends at close, a leaked one is known by its children alone.
    never_came = {hold.key: hold for hold in trace.holds if hold.released_at is None}
    for node in tree:
        if node.id not in kept:
            continue
        lanes.append(span_lane(node, critical.get(node.id, ()), never_came.get(node.id)))
        inside = sorted(holds.get(node.id, []), key=lambda hold: (hold.acquired_at, hold.key))
        lanes += [inner_lane(hold, node, span) for hold in inside]
    folded = ((len(tree.nodes) - len(kept), "more spans"), (len(trace.holds) - len(shown), "more connection holds"))
    return Timeline(
        title=heading(tree, trace),
        caption=summary(tree, trace),
        axis=span,
        lanes=tuple(lanes),
        folded=tuple(f"+{count:,} {noun}" for count, noun in folded if count),
        notes=(*meanwhile(trace, shown, span.end), *remarks(tree, trace)),
    )


def meanwhile(trace: Trace, holds: Sequence[Hold], until: int) -> Sequence[str]:
    """Of connections that did little of the time they were held: what the request did meanwhile."""
    told = ((hold, usage(hold, trace.spans, Instant(until))) for hold in holds)
    return [
        f"connection of {hold.pool or 'an unnamed pool'}: {spent(used)}"
        for hold, used in told
        if used.held >= _LONG and used.idle >= _IDLE * used.held
    ][:_MOST_SPENT]


def critical_segments(tree: TraceTree) -> dict[str, tuple[Segment, ...]]:
    """By span: the stretches in which the request waited for it itself."""
    found: dict[str, list[Segment]] = defaultdict(list)
    for step in graphs.critical_path(tree):
        found[step.id].append(Segment(step.start, step.end, Role.CRITICAL))
    return {id_: tuple(steps) for id_, steps in found.items()}


def whole_axis(tree: TraceTree, trace: Trace) -> Axis:
    """From the first span to the last thing known; beyond it where a hold runs off the right edge."""
    end = max([tree.end, *(last_moment(hold) for hold in trace.holds)])
    open_ = any(hold.released_at is None for hold in trace.holds)
    return axis(tree.start, end + (max((end - tree.start) // 8, 1000) if open_ else 0), clock=False)


def inner_lane(hold: Hold, node: TreeNode, span: Axis) -> Lane:
    """A hold as a lane under its span."""
    label = f"connection of {hold.pool}" if hold.pool else "connection"
    return hold_lane(hold, now=span.end, label=label, depth=node.depth + 1, since=False)


def holds_by_node(tree: TraceTree, holds: Sequence[Hold]) -> dict[str, list[Hold]]:
    """Each hold at the span that took it, else at its owner, else at the root."""
    found: dict[str, list[Hold]] = defaultdict(list)
    for hold in holds:
        owner = hold.owner.span_id if hold.owner else ""
        place = next((id_ for id_ in (hold.span_id, owner, *tree.roots) if id_ in tree.nodes), None)
        if place is not None:
            found[place].append(hold)
    return found


def _lifted(tree: TraceTree, holds: dict[str, list[Hold]], kept: set[str]) -> dict[str, list[Hold]]:
    """A hold whose span is not drawn is shown at the nearest span above it: leaks are never folded with spans."""
    found: dict[str, list[Hold]] = defaultdict(list)
    for id_, inside in holds.items():
        place: str | None = id_
        while place is not None and place not in kept:
            place = tree.nodes[place].parent
        found[place if place is not None else next(node.id for node in tree if node.id in kept)] += inside
    return found


def _kept(tree: TraceTree, critical: set[str], holders: set[str], limit: int) -> set[str]:
    if len(tree.nodes) <= limit:
        return set(tree.nodes)

    def rank(node: TreeNode) -> tuple[bool, bool, bool, int]:
        failed = node.span is not None and node.span.status == StatusCode.ERROR
        return (
            node.id not in holders,
            not (failed or node.marks),
            node.id not in critical,
            node.start - node.end,
        )

    kept: set[str] = set()
    for node in sorted(tree, key=rank):
        way: list[str] = []
        here: str | None = node.id
        while here is not None and here not in kept and len(way) <= limit:
            way.append(here)
            here = tree.nodes[here].parent
        if len(kept) + len(way) <= limit:
            kept.update(way)
        if len(kept) == limit:
            break
    return kept or set(list(tree.nodes)[:limit])


def span_lane(node: TreeNode, critical: tuple[Segment, ...], hold: Hold | None) -> Lane:
    """A span as a lane, its marks in words; `hold`: what it would have told of, had it come."""
    role = Role.SPAN
    if Mark.MISSING in node.marks:
        role = Role.MISSING
    elif node.span is not None and node.span.status == StatusCode.ERROR:
        role = Role.ERROR
    elif Mark.OPEN in node.marks:
        role = Role.OPEN
    length = duration(node.end - node.start)
    notes = [text for mark, text in _MARKED.items() if mark in node.marks]
    if role in (Role.MISSING, Role.OPEN):
        notes.append(f"open ≥ {length}")
    if Mark.SKEW in node.marks:
        notes.append(f"clock differs by {duration(abs(node.skew))}" if node.skew else "begins before its parent")
    if role is Role.ERROR and node.span is not None:
        notes.append(f"error: {node.span.status_message}" if node.span.status_message else "error")
    return Lane(
        id=node.id,
        label=node.name if hold is None or role is not Role.MISSING else f"connection of {hold.pool or hold.service}",
        role=role,
        segments=(Segment(node.start, node.end, role), *critical),
        markers=(Marker(Instant(node.start), Role.MISSING),) if role is Role.MISSING else (),
        detail=node.span.service if node.span else "",
        note=" · ".join(notes if role in (Role.MISSING, Role.OPEN) else [length, *notes]),
        depth=node.depth,
    )


def heading(tree: TraceTree, trace: Trace) -> str:
    """What was asked, how long it took, and what it never gave back."""
    if not tree.nodes:
        return f"Trace {trace.trace_id[:16]}: no spans"
    root = max((tree.nodes[id_] for id_ in tree.roots), key=lambda node: (node.span is not None, node.end - node.start))
    text = f"{root.name} took {duration(tree.end - tree.start)}"
    accused = (Verdict.LEAKED, Verdict.SUSPECTED)
    leaked = [hold for hold in trace.holds if hold.released_at is None and hold.verdict in accused]
    if not leaked:
        return text
    where = next((hold.code or hold.statement for hold in leaked if hold.code or hold.statement), "")
    text += f" and never gave back {many(len(leaked), 'connection')}"
    return f"{text}, taken in {where}" if leaked[0].code else f"{text}, last used by {where}" if where else text


def summary(tree: TraceTree, trace: Trace) -> str:
    """The trace in numbers."""
    services = {node.span.service for node in tree if node.span}
    failed = sum(node.span is not None and node.span.status == StatusCode.ERROR for node in tree)
    parts = [
        f"trace {trace.trace_id}",
        many(sum(node.span is not None for node in tree), "span"),
        many(len(services), "service"),
        many(failed, "error"),
    ]
    return " · ".join(parts + ([many(len(trace.holds), "connection hold")] if trace.holds else []))


def remarks(tree: TraceTree, trace: Trace) -> tuple[str, ...]:
    """What is unusual about the trace as a whole."""
    notes = [*left_out(trace.omitted, trace.earlier)]
    for mark, noun, text in (
        (Mark.MISSING, "parent", "never arrived; the spans below name it"),
        (Mark.CYCLE, "cycle", "of parents cut"),
        (Mark.SKEW, "span", "of a clock that disagrees; drawn where the caller waited for it"),
    ):
        if count := tree.count(mark):
            notes.append(f"{many(count, noun)} {text}.")
    if tree.duplicates:
        notes.append(f"{many(tree.duplicates, 'duplicate')} left out.")
    real_roots = sum(tree.nodes[id_].span is not None for id_ in tree.roots)
    return (*notes, f"{real_roots} roots.") if real_roots > 1 else tuple(notes)
