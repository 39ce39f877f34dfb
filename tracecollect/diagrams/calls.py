"""Call graph and service graph as diagrams: the busiest calls first, failures marked, the rest folded and counted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from tracecollect import graphs
from tracecollect.diagrams.shapes import Edge, Graph, Node, Role
from tracecollect.diagrams.words import duration, left_out, many
from tracecollect.model import CallEdge, SpanKind, Trace

LIMIT = 60
"""More boxes than this are no longer a picture (a laptop screen shows about 60 legible ones)."""


def call_graph(source: Trace | Iterable[CallEdge], *, title: str = "", limit: int = LIMIT) -> Graph:
    """Operations grouped by service; an edge says how many calls, how many failed and the median duration."""
    calls = graphs.call_graph(source)
    names = sorted(calls, key=lambda key: (-calls.nodes[key]["count"], key))
    # What never arrived has no count of its own and is what one looks for, so it is kept first.
    names.sort(key=lambda key: not calls.nodes[key]["missing"])
    kept = set(names[:limit])
    ids = {key: f"n{number}" for number, key in enumerate(sorted(kept))}
    nodes = tuple(_operation(ids[key], calls.nodes[key]) for key in sorted(kept))
    edges = tuple(
        Edge(ids[caller], ids[callee], _role(data), _call_label(data), data["count"])
        for caller, callee, data in sorted(calls.edges(data=True), key=lambda edge: edge[:2])
        if caller in kept and callee in kept
    )
    services = sorted({service for service, _ in kept if service})
    total = sum(data["count"] for _, data in calls.nodes(data=True))
    failed = sum(data["errors"] for _, data in calls.nodes(data=True))
    return Graph(
        title=title or f"Calls of trace {source.trace_id[:16]}" if isinstance(source, Trace) else title or "Calls",
        caption=f"{many(total, 'span')}, {many(failed, 'error')}, {many(len(services), 'service')}",
        nodes=nodes,
        edges=edges,
        groups={service: service for service in services},
        folded=_fold(len(names), len(kept), "operations"),
        notes=left_out(source.omitted) if isinstance(source, Trace) else (),
    )


def service_graph(source: Trace | Iterable[CallEdge], *, title: str = "Services", limit: int = LIMIT) -> Graph:
    """Services and the databases they name; an edge says how many calls and how many failed."""
    calls = graphs.service_graph(source)
    names = sorted(calls, key=lambda name: (-calls.nodes[name]["count"], name))
    kept = set(names[:limit])
    ids = {name: f"n{number}" for number, name in enumerate(sorted(kept))}
    nodes = tuple(
        Node(
            ids[name],
            name,
            Role.DATABASE if calls.nodes[name]["database"] else Role.SERVICE,
            _counts(calls.nodes[name]),
        )
        for name in sorted(kept)
    )
    edges = tuple(
        Edge(ids[caller], ids[callee], _role(data), _call_label(data), data["count"])
        for caller, callee, data in sorted(calls.edges(data=True), key=lambda edge: edge[:2])
        if caller in kept and callee in kept
    )
    databases = sum(calls.nodes[name]["database"] for name in names)
    caption = many(len(names) - databases, "service")
    caption += f", {many(databases, 'database')}" if databases else ""
    return Graph(title, caption, nodes, edges, folded=_fold(len(names), len(kept), "services"))


def _operation(id_: str, data: dict[str, Any]) -> Node:
    if data["missing"]:
        return Node(id_, data["name"], Role.MISSING, "named by its children")
    role = Role.ERROR if data["errors"] else Role.OPERATION
    if role is Role.OPERATION and data["kind"] == SpanKind.CLIENT:
        role = Role.SPAN
    return Node(id_, data["name"], role, _counts(data), group=data["service"])


def _counts(data: dict[str, Any]) -> str:
    return f"{data['count']:,}×" + (f", {many(data['errors'], 'error')}" if data["errors"] else "")


def _call_label(data: dict[str, Any]) -> str:
    typical = data.get("p50") or data["total"] // max(1, data["count"])
    label = f"{data['count']:,}× {duration(typical)}"
    return label + (f", {many(data['errors'], 'error')}" if data["errors"] else "")


def _role(data: dict[str, Any]) -> Role:
    return Role.ERROR if data["errors"] else Role.CALL


def _fold(total: int, kept: int, noun: str) -> tuple[str, ...]:
    return (f"+{total - kept:,} more {noun}",) if total > kept else ()
