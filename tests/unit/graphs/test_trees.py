"""Trees, call graphs and critical paths of traces as they arrive: incomplete, doubled, skewed, circular."""

from __future__ import annotations

import time
from itertools import pairwise

import networkx as nx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracecollect.graphs import Mark, call_graph, critical_path, service_graph, trace_tree
from tracecollect.model import CallEdge, Instant, Span, SpanKind, StatusCode, Trace

MS = 1_000_000


def span(number, parent=0, start=0, end=10, *, service="shop", name="", kind=SpanKind.INTERNAL, **said) -> Span:
    """A span of trace 1; times in milliseconds after a fixed moment."""
    return Span(
        trace_id="1" * 32,
        span_id=f"{number:016x}",
        parent_id=f"{parent:016x}" if parent else "",
        name=name or f"operation {number}",
        kind=kind,
        service=service,
        instance=f"{service}-1",
        start=Instant(1_000_000 * MS + start * MS),
        duration=(end - start) * MS,
        **said,
    )


def trace(*spans, duplicates=0) -> Trace:
    return Trace("1" * 32, spans, duplicates=duplicates)


def id_(number) -> str:
    return f"{number:016x}"


def test_an_empty_trace_is_an_empty_tree():
    tree = trace_tree(trace())
    assert (list(tree), tree.roots, tree.start, tree.end) == ([], (), 0, 0)
    assert critical_path(tree) == ()
    assert len(call_graph(trace())) == 0
    assert len(service_graph(trace())) == 0


def test_children_stand_under_their_parent_in_order_of_start():
    tree = trace_tree(trace(span(1), span(3, 1, 5, 8), span(2, 1, 1, 4), span(4, 3, 6, 7)))
    assert [(node.id, node.depth) for node in tree] == [(id_(1), 0), (id_(2), 1), (id_(3), 1), (id_(4), 2)]
    assert nx.is_tree(tree.digraph())


def test_a_parent_that_never_arrived_is_a_marked_placeholder_over_its_children():
    tree = trace_tree(trace(span(2, 9, 1, 4), span(3, 9, 5, 8)))
    missing = tree.nodes[id_(9)]
    assert missing.marks == {Mark.MISSING}
    assert missing.name == "parent never arrived"
    assert missing.children == (id_(2), id_(3))
    assert (missing.end - missing.start) == 7 * MS
    assert tree.roots == (id_(9),)


def test_several_roots_are_kept_in_order_of_start():
    assert trace_tree(trace(span(2, 0, 5, 9), span(1, 0, 0, 3))).roots == (id_(1), id_(2))


@pytest.mark.parametrize("ring", [1, 2, 3, 50])
def test_a_cycle_is_cut_once_at_its_earliest_span(ring):
    spans = [span(n + 1, (n + 1) % ring + 1, ring - n, 100) for n in range(ring)]
    tree = trace_tree(trace(*spans))
    assert len(tree.nodes) == ring
    assert tree.count(Mark.CYCLE) == 1
    assert Mark.CYCLE in tree.nodes[tree.roots[0]].marks
    assert nx.is_arborescence(tree.digraph())


def test_of_duplicates_the_richest_copy_wins_and_the_others_are_counted():
    poor, rich = span(1, end=0, open=True), span(1, attributes={"a": "b"})
    for spans in ((poor, rich), (rich, poor)):
        tree = trace_tree(trace(*spans, duplicates=2))
        assert tree.nodes[id_(1)].span is rich
        assert Mark.DUPLICATE in tree.nodes[id_(1)].marks
        assert tree.duplicates == 3


def test_a_skewed_clock_is_marked_and_moved_only_when_asked():
    spans = (
        span(1, 0, 0, 100, kind=SpanKind.CLIENT),
        span(2, 1, -400, -340, service="far", kind=SpanKind.SERVER),
        span(3, 2, -390, -350, service="far"),
    )
    stored = trace_tree(trace(*spans))
    assert Mark.SKEW in stored.nodes[id_(2)].marks
    assert stored.nodes[id_(2)].start == spans[1].start
    moved = trace_tree(trace(*spans), adjust_skew=True)
    assert Mark.SKEW in moved.nodes[id_(2)].marks
    assert moved.nodes[id_(2)].start == spans[0].start + 20 * MS
    assert moved.nodes[id_(3)].start - moved.nodes[id_(2)].start == 10 * MS
    assert moved.nodes[id_(2)].skew == 420 * MS


def test_work_that_outlives_its_caller_is_not_called_skew():
    tree = trace_tree(trace(span(1, 0, 0, 10), span(2, 1, 8, 50, service="far", kind=SpanKind.CONSUMER)))
    assert tree.count(Mark.SKEW) == 0


def test_a_span_that_is_still_open_is_marked():
    assert trace_tree(trace(span(1, open=True))).nodes[id_(1)].marks == {Mark.OPEN}


def test_ten_thousand_levels_are_no_trouble():
    deep = trace(*(span(n, n - 1, n, 20_000 - n) for n in range(1, 10_001)))
    tree = trace_tree(deep, adjust_skew=True)
    assert max(node.depth for node in tree) == 9_999
    assert sum(step.duration for step in critical_path(tree)) == 19_998 * MS
    assert call_graph(deep).number_of_edges() == 9_999


def test_ten_thousand_spans_take_about_as_long_as_reading_them():
    # The promise is 200 ms; ten times that still tells linear from quadratic on a busy machine.
    wide = trace(*(span(n, n // 8, n, n + 5) for n in range(1, 10_001)))
    began = time.process_time()
    trace_tree(wide)
    assert time.process_time() - began < 2


def test_the_critical_path_names_whom_the_request_waited_for():
    tree = trace_tree(trace(span(1, 0, 0, 100), span(2, 1, 10, 40), span(3, 1, 20, 70), span(4, 3, 60, 70)))
    steps = [(int(step.id, 16), step.duration // MS) for step in critical_path(tree)]
    assert steps == [(1, 10), (2, 10), (3, 40), (4, 10), (1, 30)]


def test_what_runs_on_after_the_parent_kept_nobody_waiting():
    tree = trace_tree(trace(span(1, 0, 0, 100), span(2, 1, 90, 900), span(3, 1, 150, 800)))
    assert [(int(s.id, 16), s.duration // MS) for s in critical_path(tree)] == [(1, 90), (2, 10)]


def test_calls_are_counted_with_their_errors_and_durations():
    graph = call_graph(
        trace(
            span(1, name="GET /", end=50),
            *(span(n, 1, n, n + 2 * n, name="SELECT", service="db", status=StatusCode.ERROR) for n in range(2, 5)),
        )
    )
    call = graph.edges[("shop", "GET /"), ("db", "SELECT")]
    assert (call["count"], call["errors"], call["total"], call["p50"]) == (3, 3, 18 * MS, 6 * MS)
    assert graph.nodes["db", "SELECT"]["count"] == 3


def test_a_window_gives_the_same_graph_as_its_edges_say():
    edges = [
        CallEdge("", "", "shop", "GET /", SpanKind.SERVER, 7, 1, 700),
        CallEdge("shop", "GET /", "db", "SELECT", SpanKind.CLIENT, 9, 0, 90, 9, 12),
    ]
    graph = call_graph(edges)
    assert graph.nodes["shop", "GET /"]["count"] == 7
    assert graph.edges[("shop", "GET /"), ("db", "SELECT")]["p99"] == 12
    assert list(service_graph(edges).edges(data="count")) == [("shop", "db", 9)]


def test_a_missing_parent_is_a_caller_in_the_call_graph():
    graph = call_graph(trace(span(2, 9)))
    assert graph.nodes["", "parent never arrived"]["missing"] is True


def test_the_database_that_a_client_names_is_part_of_the_service_graph():
    said = {"db.system": "postgresql", "db.name": "shop"}
    graph = service_graph(trace(span(1, kind=SpanKind.CLIENT, attributes=said)))
    assert graph.nodes["postgresql shop"]["database"] is True
    assert graph.has_edge("shop", "postgresql shop")


_SPANS = st.lists(
    st.builds(
        span,
        st.integers(1, 12),
        st.integers(0, 14),
        st.integers(-50, 50),
        st.integers(51, 100),
        service=st.sampled_from(["a", "b"]),
        kind=st.sampled_from(list(SpanKind)),
        open=st.booleans(),
    ),
    max_size=25,
)


@settings(deadline=None)
@given(_SPANS)
def test_whatever_arrives_every_span_is_in_the_forest_exactly_once(spans):
    for adjust in (False, True):
        tree = trace_tree(trace(*spans), adjust_skew=adjust)
        assert {node.id for node in tree if node.span} == {one.span_id for one in spans}
        assert tree.duplicates == len(spans) - len({one.span_id for one in spans})
        if spans:
            assert nx.is_forest(tree.digraph())
        assert [node.id for node in tree if node.parent is None] == list(tree.roots)
        path = critical_path(tree)
        assert all(before.end == after.start for before, after in pairwise(path))
        if path:
            longest = max(tree.nodes[root].end - tree.nodes[root].start for root in tree.roots)
            assert sum(step.duration for step in path) == longest


@settings(deadline=None)
@given(_SPANS)
def test_every_span_is_counted_once_in_the_call_graph(spans):
    graph = call_graph(trace(*spans))
    counted = sum(count for _, count in graph.nodes(data="count"))
    assert counted == len({one.span_id for one in spans})
