"""Two traces as one call graph: what only one of them did, what was done more often or took longer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracecollect import graphs
from tracecollect.diagrams.calls import LIMIT
from tracecollect.diagrams.shapes import Edge, Graph, Node, Role
from tracecollect.diagrams.words import duration, left_out, many
from tracecollect.graphs.calls import Operation
from tracecollect.model import Trace

_SLOWER = 1.5
"""Between two runs of the same code times differ by a fifth as often as not: half as much again is a difference."""


def comparison(first: Trace, second: Trace, *, limit: int = LIMIT) -> Graph:
    """The calls of both traces; the busiest and the changed are kept when there are more than `limit` operations."""
    before, after = graphs.call_graph(first), graphs.call_graph(second)
    names = sorted({*before, *after})
    roles = {key: _role(before.nodes.get(key), after.nodes.get(key)) for key in names}
    names.sort(key=lambda key: (roles[key] is Role.OPERATION, -_count(after, key) - _count(before, key)))
    kept = sorted(names[:limit])
    ids = {key: f"n{number}" for number, key in enumerate(kept)}
    nodes = tuple(
        Node(ids[key], key[1], roles[key], _detail(before.nodes.get(key), after.nodes.get(key)), group=key[0])
        for key in kept
    )
    pairs = sorted({*before.edges, *after.edges})
    edges = tuple(
        Edge(ids[a], ids[b], _edge_role((a, b) in before.edges, (a, b) in after.edges))
        for a, b in pairs
        if a in ids and b in ids
    )
    found = [sum(role is wanted for role in roles.values()) for wanted in (Role.ADDED, Role.GONE, Role.CHANGED)]
    return Graph(
        title=f"Trace {first.trace_id[:8]} beside {second.trace_id[:8]}",
        caption=f"{many(found[0], 'operation')} only in the second, {found[1]} only in the first, {found[2]} changed",
        nodes=nodes,
        edges=edges,
        groups={service: service for service in sorted({service for service, _ in kept if service})},
        folded=(f"+{len(names) - len(kept):,} more operations",) if len(names) > len(kept) else (),
        notes=(*_held(first, second), *left_out(first.omitted + second.omitted)),
    )


def _count(calls: Any, key: Operation) -> int:  # noqa: ANN401 -- a networkx graph of either trace
    return int(calls.nodes[key]["count"]) if key in calls else 0


def _role(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> Role:
    if before is None or after is None:
        return Role.ADDED if before is None else Role.GONE
    slow, fast = max(before["total"], after["total"]), min(before["total"], after["total"])
    same = all(before[word] == after[word] for word in ("count", "errors", "missing"))
    return Role.OPERATION if same and slow <= fast * _SLOWER else Role.CHANGED


def _edge_role(before: bool, after: bool) -> Role:
    return Role.CALL if before and after else Role.ADDED if after else Role.GONE


def _detail(before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    return " → ".join(f"{one['count']:,}× {duration(one['total'])}" if one else "none" for one in (before, after))


def _held(first: Trace, second: Trace) -> tuple[str, ...]:
    """What each did with connections: the difference one looks for."""
    return tuple(
        f"{name} trace {trace.trace_id[:8]}: {many(len(trace.holds), 'connection hold')}, "
        f"{sum(hold.released_at is None for hold in trace.holds)} not given back."
        for name, trace in (("First", first), ("Second", second))
    )
