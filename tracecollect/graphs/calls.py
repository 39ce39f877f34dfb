"""Call graphs: which operation calls which, how often, how long, how many failed; of a trace or of a window."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tracecollect.graphs.tree import TraceTree, trace_tree
from tracecollect.model import CallEdge, Span, SpanKind, StatusCode, Trace

if TYPE_CHECKING:
    import networkx as nx

Operation = tuple[str, str]
"""(service, name): what a node of a call graph is. A database is ("system", "namespace")."""

_DATABASE = ("db.system.name", "db.system")
_NAMESPACE = ("db.namespace", "db.name")


@dataclass(slots=True)
class _Calls:
    kind: SpanKind
    errors: int = 0
    total: int = 0
    durations: list[int] = field(default_factory=list)


def call_graph(source: Trace | TraceTree | Iterable[CallEdge]) -> nx.DiGraph[Operation]:
    """The calls of one trace, or of the edges of a window.

    Nodes are (service, name) with `service name kind count errors total missing`; edges have
    `count errors total p50 p99 kind`. Times are nanoseconds; a parent that never arrived is a node with `missing`.
    """
    import networkx as nx  # 17 MB and a third of a second, needed when somebody looks at a graph

    if isinstance(source, Trace):
        source = trace_tree(source)
    graph: nx.DiGraph[Operation] = nx.DiGraph()
    for edge in _edges_of(source) if isinstance(source, TraceTree) else source:
        _add_call(graph, edge)
    return graph


def _edges_of(tree: TraceTree) -> Iterable[CallEdge]:
    calls: dict[tuple[Operation, Operation], _Calls] = {}
    for node in tree:
        if node.span is None:
            continue
        above = tree.nodes[node.parent] if node.parent else None
        caller = ("", "")
        if above is not None:
            caller = (above.span.service, above.span.name) if above.span else ("", above.name)
        known = calls.setdefault((caller, (node.span.service, node.span.name)), _Calls(node.span.kind))
        known.errors += node.span.status == StatusCode.ERROR
        known.total += node.span.duration
        known.durations.append(node.span.duration)
    for (caller, callee), call in calls.items():
        times = sorted(call.durations)
        count = len(times)
        p50, p99 = times[(count - 1) // 2], times[(count - 1) * 99 // 100]
        yield CallEdge(*caller, *callee, call.kind, count, call.errors, call.total, p50, p99)


def _add_call(graph: nx.DiGraph[Operation], edge: CallEdge) -> None:
    callee = (edge.service, edge.name)
    node = _node(graph, callee)
    node["kind"] = edge.kind
    for key, value in (("count", edge.count), ("errors", edge.errors), ("total", edge.total)):
        node[key] += value
    if not edge.caller_service and not edge.caller_name:
        return
    caller = (edge.caller_service, edge.caller_name)
    _node(graph, caller)["missing"] |= not edge.caller_service
    known = graph.get_edge_data(caller, callee) or {"count": 0, "errors": 0, "total": 0, "p50": 0, "p99": 0}
    graph.add_edge(
        caller,
        callee,
        count=known["count"] + edge.count,
        errors=known["errors"] + edge.errors,
        total=known["total"] + edge.total,
        p50=max(known["p50"], edge.p50),
        p99=max(known["p99"], edge.p99),
        kind=edge.kind,
    )


def _node(graph: nx.DiGraph[Operation], operation: Operation) -> dict[str, Any]:
    if operation not in graph:
        service, name = operation
        fresh = {"count": 0, "errors": 0, "total": 0, "missing": False}
        graph.add_node(operation, service=service, name=name, kind=SpanKind.UNSPECIFIED, **fresh)
    attributes: dict[str, Any] = graph.nodes[operation]
    return attributes


def service_graph(source: Trace | TraceTree | Iterable[CallEdge]) -> nx.DiGraph[str]:
    """Who calls whom, service by service: nodes have `count errors database`, edges `count errors total`.

    Calls inside a service count on its node only. Of a trace, the databases that client spans name are nodes too.
    """
    import networkx as nx

    if isinstance(source, Trace):
        source = trace_tree(source)
    operations = call_graph(source)
    graph: nx.DiGraph[str] = nx.DiGraph()
    for (service, _), data in operations.nodes(data=True):
        if service:
            _tally(graph, service, data["count"], data["errors"])
    for (caller, _), (callee, _), data in operations.edges(data=True):
        if caller and caller != callee:
            _tally_edge(graph, caller, callee, data["count"], data["errors"], data["total"])
    if isinstance(source, TraceTree):
        for node in source:
            if node.span is not None:
                _add_database(graph, node.span)
    return graph


def _add_database(graph: nx.DiGraph[str], span: Span) -> None:
    system = next((span.attributes[key] for key in _DATABASE if span.attributes.get(key)), "")
    if not system or span.kind != SpanKind.CLIENT:
        return
    space = next((span.attributes[key] for key in _NAMESPACE if span.attributes.get(key)), "")
    database = f"{system} {space}".strip()
    failed = span.status == StatusCode.ERROR
    _tally(graph, database, 1, failed, database=True)
    _tally_edge(graph, span.service, database, 1, failed, span.duration)


def _tally(graph: nx.DiGraph[str], service: str, count: int, errors: int, *, database: bool = False) -> None:
    if service not in graph:
        graph.add_node(service, count=0, errors=0, database=database)
    graph.nodes[service]["count"] += count
    graph.nodes[service]["errors"] += errors


def _tally_edge(graph: nx.DiGraph[str], caller: str, callee: str, count: int, errors: int, total: int) -> None:
    known = graph.get_edge_data(caller, callee) or {"count": 0, "errors": 0, "total": 0}
    graph.add_edge(
        caller, callee, count=known["count"] + count, errors=known["errors"] + errors, total=known["total"] + total
    )
