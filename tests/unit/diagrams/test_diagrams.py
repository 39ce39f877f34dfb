"""What the pictures say: leaks first, never hidden, everything left out is counted."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tracecollect import diagrams
from tracecollect.diagrams import Role, words
from tracecollect.model import (
    Blame,
    CallEdge,
    Evidence,
    EvidenceKind,
    Finding,
    Hold,
    Instant,
    LeakedHold,
    Lifecycle,
    Owner,
    PoolSample,
    Span,
    SpanKind,
    Starvation,
    Trace,
    Verdict,
    Window,
)

MS = 1_000_000
T0 = 1_795_425_240_000 * MS


def at(milliseconds) -> Instant:
    return Instant(T0 + int(milliseconds * MS))


def hold(number, start, released=None, *, verdict=None, connection="", used=5, span="") -> Hold:
    trace_id = f"{number:032x}"
    return Hold(
        service="shop",
        instance="shop-1",
        pool="db",
        dialect="test",
        pair="borrow",
        key=str(number),
        acquired_at=at(start),
        released_at=None if released is None else at(released),
        last_used_at=at(start + used),
        trace_id=trace_id,
        span_id=span or f"{number:016x}",
        owner=Owner(trace_id, "a" * 16, "shop", "shop-1", "POST /pay", at(start - 1), at(start + 20)),
        connection_id=connection,
        statement="SELECT 1",
        code="pay.py:41",
        verdict=verdict,
    )


def leak(number, start) -> Hold:
    return hold(number, start, verdict=Verdict.LEAKED)


def finding(*leaks, count=None, verdict=Verdict.LEAKED) -> Finding:
    return Finding(
        id="f_1",
        verdict=verdict,
        confidence=0.9,
        family="B",
        dialect="test",
        service="shop",
        instance="shop-1",
        pool="db",
        entry="POST /pay",
        code="pay.py:41",
        statement="SELECT 1",
        leaked_count=len(leaks) if count is None else count,
        first_at=at(0),
        last_at=at(100),
        per_hour=12.0,
        exhausted_at=None,
        starved_requests=0,
        evidence=(Evidence(EvidenceKind.OBSERVED, "it says so"),),
        instances=tuple(LeakedHold(h.trace_id, h.span_id, None, h.acquired_at, 1.0) for h in leaks),
    )


def lifecycle(*holds, until=60_000, **said) -> Lifecycle:
    return Lifecycle("Pool db", Window(at(0), at(until)), holds, **said)


def spans(count, *, parent=lambda n: n - 1) -> Trace:
    return Trace(
        "1" * 32,
        tuple(
            Span(
                trace_id="1" * 32,
                span_id=f"{n:016x}",
                parent_id=f"{parent(n):016x}" if n > 1 else "",
                name=f"op {n}",
                kind=SpanKind.INTERNAL,
                service="shop",
                instance="shop-1",
                start=at(n / 1000),
                duration=50 * MS,
            )
            for n in range(1, count + 1)
        ),
    )


def test_leaked_holds_come_first_then_their_healthy_neighbours():
    healthy = [hold(n, n, n + 8) for n in range(3)]
    picture = diagrams.lifecycle(lifecycle(*healthy, leak(9, 50)))
    assert [lane.role for lane in picture.lanes] == [Role.LEAKED, *[Role.HEALTHY] * 3]
    assert picture.lanes[0].group == "never released (1)"


def test_a_leaked_lane_runs_to_the_right_edge_and_says_never_released():
    picture = diagrams.lifecycle(lifecycle(leak(1, 0), hold(2, 5, 9)))
    lane, neighbour = picture.lanes
    assert lane.endless == "never released"
    assert lane.note == "never released · 1 m 00 s"
    assert lane.segments[-1].role is Role.NEVER
    assert lane.segments[-1].end >= picture.axis.end
    assert not neighbour.endless
    assert neighbour.markers[-1].role is Role.RELEASED


def test_the_end_of_the_request_is_marked_on_the_lane_that_outlived_it():
    lane = diagrams.lifecycle(lifecycle(leak(1, 0))).lanes[0]
    assert [(marker.at, marker.role) for marker in lane.markers] == [(at(20), Role.OWNER_ENDED)]


def test_quiet_hours_after_the_last_event_are_cut_and_said():
    picture = diagrams.lifecycle(lifecycle(leak(1, 0), until=3_600_000))
    assert picture.axis.end < at(100)
    assert any("not back by then" in note for note in picture.notes)


def test_long_lists_are_folded_evenly_and_counted():
    picture = diagrams.lifecycle(lifecycle(*(leak(n, n * 10) for n in range(45))))
    assert len(picture.lanes) == 12
    assert picture.lanes[0].trace_id == f"{0:032x}"
    assert picture.lanes[-1].trace_id == f"{44:032x}"
    assert picture.folded == ("+33 more never released",)


def test_what_was_not_loaded_is_counted_too():
    assert "+212 more not loaded" in diagrams.lifecycle(lifecycle(leak(1, 0), omitted=212)).folded


def test_a_finding_names_its_holds_even_where_they_carry_no_verdict():
    plain = hold(1, 0)
    picture = diagrams.lifecycle(lifecycle(plain, finding=finding(plain)))
    assert [lane.role for lane in picture.lanes] == [Role.LEAKED]


def test_an_instance_whose_hold_was_not_loaded_still_has_a_lane():
    picture = diagrams.lifecycle(lifecycle(finding=finding(leak(7, 3))))
    assert [(lane.role, lane.trace_id) for lane in picture.lanes] == [(Role.LEAKED, f"{7:032x}")]


def test_a_finding_that_only_metrics_prove_says_that_nobody_is_named():
    samples = tuple(PoolSample("shop", "shop-1", "t", "db", "used", at(n), float(n)) for n in range(5))
    picture = diagrams.lifecycle(lifecycle(samples=samples, finding=finding(count=4)))
    assert picture.occupancy is not None
    assert picture.occupancy.samples[-1].used == 4
    assert "no span names" in picture.notes[0]


def test_occupancy_carries_each_number_until_the_pool_says_another():
    said = [("max", 0, 10), ("used", 10, 3), ("pending", 20, 2), ("used", 20, 10), ("idle", 20, 0)]
    samples = tuple(PoolSample("shop", "shop-1", "t", "db", name, at(when), value) for name, when, value in said)
    row = diagrams.lifecycle(lifecycle(leak(1, 0), leak(2, 40), samples=samples)).occupancy
    assert row is not None
    assert [(s.used, s.max, s.pending) for s in row.samples] == [(None, 10, None), (3, 10, None), (10, 10, 2)]


def test_a_pool_that_knows_its_connections_gets_a_lane_for_each():
    holds = [hold(1, 0, 9, connection="#1"), hold(2, 20, 29, connection="#1"), leak(3, 5)]
    picture = diagrams.lifecycle(lifecycle(*holds[:2], replace(holds[2], connection_id="#2")))
    assert [lane.label for lane in picture.lanes] == ["connection #2", "connection #1"]
    assert sum(marker.role is Role.RELEASED for marker in picture.lanes[1].markers) == 2


def test_nothing_in_the_window_is_an_empty_picture_and_not_a_crash():
    picture = diagrams.lifecycle(lifecycle())
    assert picture.lanes == ()
    assert picture.caption == "no holds in this window"


@pytest.mark.parametrize("verdict", [None, *Verdict])
@pytest.mark.parametrize("released", [None, 30])
def test_every_verdict_has_a_lane_with_words(verdict, released):
    lane = diagrams.lifecycle(lifecycle(hold(1, 0, released, verdict=verdict))).lanes[0]
    assert lane.note
    assert bool(lane.endless) <= (released is None)


@pytest.mark.parametrize("verdict", list(Verdict))
@pytest.mark.parametrize("count", [1, 45])
def test_the_sentence_of_a_finding_says_how_many_of_what_since_when_and_where(verdict, count):
    text = diagrams.sentence(finding(count=count, verdict=verdict))
    assert text.startswith(f"{count} connection{'s' * (count > 1)} of POST /pay ")
    assert "since 09:14:00 UTC" in text
    assert text.endswith("pay.py:41")


def test_the_summary_leads_from_the_entry_to_the_pool_it_never_returns_to():
    graph = diagrams.finding_summary(finding(leak(1, 0)))
    assert [node.role for node in graph.nodes] == [Role.ENTRY, Role.CODE, Role.CODE, Role.LEAKED, Role.POOL]
    assert graph.edges[-1].label == "never returns"
    assert graph.notes == ("• observed: it says so",)


def test_a_trace_shows_its_leaked_hold_under_the_span_that_used_it():
    trace = replace(spans(3), holds=(replace(leak(1, 1), span_id=f"{2:016x}"),))
    picture = diagrams.waterfall(trace)
    assert [lane.role for lane in picture.lanes] == [Role.SPAN, Role.SPAN, Role.LEAKED, Role.SPAN]
    assert picture.lanes[2].depth == 2
    assert "never gave back 1 connection, taken in pay.py:41" in picture.title


def test_spans_beyond_the_limit_are_counted():
    picture = diagrams.waterfall(spans(292, parent=lambda n: 1))
    assert len(picture.lanes) == 80
    assert picture.folded == ("+212 more spans",)


def test_a_leak_nine_thousand_levels_deep_is_still_shown():
    trace = replace(spans(10_000), holds=(replace(leak(1, 1), span_id=f"{9000:016x}"),))
    picture = diagrams.waterfall(trace)
    assert sum(lane.role is Role.LEAKED for lane in picture.lanes) == 1


def test_many_holds_of_one_trace_are_folded_with_the_leaks_kept():
    holds = [hold(n, n, n + 1, span=f"{1:016x}") for n in range(100)]
    trace = replace(spans(1), holds=(*holds, replace(leak(500, 99), span_id=f"{1:016x}")))
    picture = diagrams.waterfall(trace)
    assert any(lane.role is Role.LEAKED for lane in picture.lanes)
    assert picture.folded == ("+77 more connection holds",)


def test_calls_beyond_the_limit_are_counted_and_the_busiest_kept():
    edges = [CallEdge("", "", "shop", f"op {n}", SpanKind.SERVER, n + 1, 0, 10) for n in range(100)]
    graph = diagrams.call_graph(edges, limit=10)
    assert {node.label for node in graph.nodes} == {f"op {n}" for n in range(90, 100)}
    assert graph.folded == ("+90 more operations",)


def test_edges_may_come_from_a_generator():
    edges = (CallEdge("", "", "shop", f"op {n}", SpanKind.SERVER, 1, 0, 10) for n in range(3))
    assert len(diagrams.call_graph(edges).nodes) == 3


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [
        (0, "0 ms"),
        (850, "850 ns"),
        (41_200, "41.2 µs"),
        (999_700, "1 ms"),
        (2_040 * MS, "2.04 s"),
        (59_990 * MS, "1 m 00 s"),
        (2_519_000 * MS, "41 m 59 s"),
        (11_220_000 * MS, "3 h 07 m"),
        (187_200_000 * MS, "2 d 04 h"),
        (-5 * MS, "−5 ms"),
    ],
)
def test_durations_are_worded_for_people(nanoseconds, text):
    assert diagrams.duration(nanoseconds) == text


@settings(deadline=None)
@given(st.integers(-(10**18), 4 * 10**18), st.integers(0, 10**18), st.booleans())
def test_an_axis_has_a_few_round_ticks_inside_itself(start, length, clock):
    axis = words.axis(start, start + length, clock=clock)
    assert axis.end > axis.start
    assert len(axis.ticks) <= 8
    assert all(axis.start <= tick.at <= axis.end and tick.label for tick in axis.ticks)
    assert len({tick.label for tick in axis.ticks}) == len(axis.ticks)


_HOLDS = st.lists(
    st.builds(
        lambda number, start, length, verdict: hold(
            number, start, None if length is None else start + length, verdict=verdict
        ),
        st.integers(0, 30),
        st.integers(0, 50_000),
        st.none() | st.integers(0, 5000),
        st.none() | st.sampled_from(list(Verdict)),
    ),
    max_size=40,
)


@settings(deadline=None)
@given(_HOLDS)
def test_every_hold_is_drawn_or_counted(holds):
    picture = diagrams.lifecycle(lifecycle(*holds))
    left_out = sum(int(text.split()[0].strip("+").replace(",", "")) for text in picture.folded)
    assert len(picture.lanes) + left_out == len(holds)
    for lane in picture.lanes:
        assert all(segment.start <= segment.end for segment in lane.segments)


# --- who starved whom -----------------------------------------------------------------------------------


def blame(holder, starved, seconds, *, verdict=None, requests=1) -> Blame:
    finding = f"f_{holder}" if verdict and holder else ""
    return Blame("shop", holder, "", "", finding, verdict, starved, requests, 0, seconds)


def starved(*blames, waits=9) -> Starvation:
    return Starvation("shop", "db", waits, 0, 0, blames)


def test_leak_sites_come_before_slow_holders_whatever_they_cost():
    graph = diagrams.starvation(starved(blame("slow", "a", 9), blame("leak", "a", 1, verdict=Verdict.LEAKED)))
    assert [(node.label, node.role) for node in graph.nodes] == [
        ("leak", Role.LEAKED),
        ("slow", Role.HELD_LONG),
        ("a", Role.WAIT),
    ]
    assert graph.title.endswith("leaks 10 % of the time, slow holders the rest")


def test_an_operation_that_holds_and_waits_is_on_both_sides():
    graph = diagrams.starvation(starved(blame("a", "a", 2, requests=3)))
    assert [node.label for node in graph.nodes] == ["a", "a"]
    (edge,) = graph.edges
    assert (edge.source, edge.target, edge.label) == ("h0", "s0", "3 requests, 2 s")


def test_what_only_the_count_knows_is_a_holder_without_a_name():
    graph = diagrams.starvation(starved(blame("", "a", 2, verdict=Verdict.LEAKED)))
    assert graph.nodes[0].label == "counted, not named"


def test_of_many_edges_those_with_the_least_time_are_folded_and_counted():
    graph = diagrams.starvation(starved(*(blame(f"h{n}", "a", 100 - n) for n in range(50))), limit=40)
    assert len(graph.edges) == 40
    assert graph.folded == ("+10 more that cost less time",)


def test_where_nobody_is_to_blame_nothing_is_drawn_and_the_title_says_so():
    graph = diagrams.starvation(starved())
    assert (graph.nodes, graph.title) == ((), "Nobody is known to have kept others waiting for pool db")


def test_whatever_is_drawn_of_a_trace_that_is_too_long_says_how_much_was_left_out():
    long = replace(spans(3), omitted=1234)
    said = "1,234 spans that began later are left out."
    for diagram in (diagrams.waterfall(long), diagrams.call_graph(long), diagrams.comparison(long, spans(3))):
        assert said in diagram.notes
    assert said not in diagrams.call_graph(spans(3)).notes
