"""A trace as a waterfall: one lane per span in tree order, and under a span the connections it held."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from tracecollect import graphs
from tracecollect.diagrams.holds import SEVERITY, hold_lane, last_moment, role_of
from tracecollect.diagrams.shapes import Lane, Marker, Role, Segment, Timeline
from tracecollect.diagrams.words import axis, duration, many, spent
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
    critical = defaultdict(list)
    for step in graphs.critical_path(tree):
        critical[step.id].append(Segment(step.start, step.end, Role.CRITICAL))
    shown = sorted(trace.holds, key=lambda hold: (SEVERITY.index(role_of(hold)), hold.acquired_at, hold.key))[:HOLDS]
    holds = _holds_by_node(tree, shown)
    kept = _kept(tree, set(critical), set(holds), limit)
    holds = _lifted(tree, holds, kept)
    end = max([tree.end, *(last_moment(hold) for hold in trace.holds)])
    unreleased = [hold for hold in trace.holds if hold.released_at is None]
    margin = max((end - tree.start) // 8, 1000) if unreleased else 0
    span = axis(tree.start, end + margin, clock=False)
    lanes: list[Lane] = []
    # Where the hold itself is a span that ends at close, a leaked one is known by its children alone.
    never_came = {hold.key: hold for hold in trace.holds if hold.released_at is None}
    for node in tree:
        if node.id not in kept:
            continue
        lanes.append(_lane(node, tuple(critical.get(node.id, ())), never_came.get(node.id)))
        for hold in sorted(holds.get(node.id, []), key=lambda hold: (hold.acquired_at, hold.key)):
            label = f"connection of {hold.pool}" if hold.pool else "connection"
            lanes.append(hold_lane(hold, now=span.end, label=label, depth=node.depth + 1, since=False))
    left_out = ((len(tree.nodes) - len(kept), "more spans"), (len(trace.holds) - len(shown), "more connection holds"))
    return Timeline(
        title=_title(tree, trace, unreleased),
        caption=_caption(tree, trace),
        axis=span,
        lanes=tuple(lanes),
        folded=tuple(f"+{count:,} {noun}" for count, noun in left_out if count),
        notes=(*_spent(trace, shown, span.end), *_notes(tree)),
    )


def _spent(trace: Trace, holds: Sequence[Hold], until: int) -> Sequence[str]:
    """Of connections that did little of the time they were held: what the request did meanwhile."""
    told = ((hold, usage(hold, trace.spans, Instant(until))) for hold in holds)
    return [
        f"connection of {hold.pool or 'an unnamed pool'}: {spent(used)}"
        for hold, used in told
        if used.held >= _LONG and used.idle >= _IDLE * used.held
    ][:_MOST_SPENT]


def _holds_by_node(tree: TraceTree, holds: Sequence[Hold]) -> dict[str, list[Hold]]:
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


def _lane(node: TreeNode, critical: tuple[Segment, ...], hold: Hold | None) -> Lane:
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


def _title(tree: TraceTree, trace: Trace, unreleased: list[Hold]) -> str:
    if not tree.nodes:
        return f"Trace {trace.trace_id[:16]}: no spans"
    root = max((tree.nodes[id_] for id_ in tree.roots), key=lambda node: (node.span is not None, node.end - node.start))
    text = f"{root.name} took {duration(tree.end - tree.start)}"
    leaked = [hold for hold in unreleased if hold.verdict in (Verdict.LEAKED, Verdict.SUSPECTED)]
    if not leaked:
        return text
    where = next((hold.code or hold.statement for hold in leaked if hold.code or hold.statement), "")
    text += f" and never gave back {many(len(leaked), 'connection')}"
    return f"{text}, taken in {where}" if leaked[0].code else f"{text}, last used by {where}" if where else text


def _caption(tree: TraceTree, trace: Trace) -> str:
    services = {node.span.service for node in tree if node.span}
    failed = sum(node.span is not None and node.span.status == StatusCode.ERROR for node in tree)
    parts = [
        f"trace {trace.trace_id}",
        many(sum(node.span is not None for node in tree), "span"),
        many(len(services), "service"),
        many(failed, "error"),
    ]
    return " · ".join(parts + ([many(len(trace.holds), "connection hold")] if trace.holds else []))


def _notes(tree: TraceTree) -> tuple[str, ...]:
    notes = []
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
