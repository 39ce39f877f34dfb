"""Two traces beside each other: what is called more often, takes longer, fails, or is only in one."""

from __future__ import annotations

from tracecollect.graphs import trace_diff
from tracecollect.model import Instant, OperationCalls, OperationChange, Span, SpanKind, StatusCode, Trace

MS = 1_000_000


def span(number: int, name: str, start: int, end: int, *, parent: int = 0, service: str = "shop", failed: bool = False):
    return Span(
        trace_id="",
        span_id=f"{number:016x}",
        parent_id=f"{parent:016x}" if parent else "",
        name=name,
        kind=SpanKind.INTERNAL,
        service=service,
        instance="one",
        start=Instant(start * MS),
        duration=(end - start) * MS,
        status=StatusCode.ERROR if failed else StatusCode.UNSET,
    )


BEFORE = Trace(
    "a" * 32, (span(1, "GET /", 0, 10), span(2, "SELECT", 1, 3, parent=1), span(3, "render", 4, 9, parent=1))
)
AFTER = Trace(
    "b" * 32,
    (
        span(1, "GET /", 100, 130, failed=True),
        span(2, "SELECT", 101, 106, parent=1),
        span(3, "SELECT", 107, 110, parent=1, failed=True),
        span(4, "SELECT", 111, 112, parent=1, service="audit"),
    ),
)


def test_each_operation_has_its_calls_errors_and_times_on_both_sides():
    diff = trace_diff(BEFORE, AFTER)
    assert (diff.before, diff.after) == ("a" * 32, "b" * 32)
    assert (diff.before_duration, diff.after_duration) == (10 * MS, 30 * MS)
    assert diff.operations[:2] == (
        OperationChange(
            "shop", "GET /", OperationCalls(1, 0, 10 * MS, 10 * MS), OperationCalls(1, 1, 30 * MS, 30 * MS)
        ),
        OperationChange("shop", "SELECT", OperationCalls(1, 0, 2 * MS, 2 * MS), OperationCalls(2, 1, 8 * MS, 5 * MS)),
    )


def test_what_is_in_one_trace_only_is_absent_in_the_other_and_services_are_told_apart():
    render, audit = trace_diff(BEFORE, AFTER).operations[2:]
    assert (render.name, render.after) == ("render", None)
    assert (audit.service, audit.name, audit.before) == ("audit", "SELECT", None)


def test_a_span_that_was_delivered_twice_counts_once():
    twice = Trace(BEFORE.trace_id, (*BEFORE.spans, BEFORE.spans[1]))
    assert trace_diff(twice, AFTER) == trace_diff(BEFORE, AFTER)


def test_a_parent_that_never_arrived_is_no_operation():
    orphan = Trace("c" * 32, (span(2, "SELECT", 1, 3, parent=9),))
    assert [one.name for one in trace_diff(orphan, orphan).operations] == ["SELECT"]


def test_an_empty_trace_has_everything_missing():
    diff = trace_diff(Trace("d" * 32, ()), BEFORE)
    assert diff.before_duration == 0
    assert all(one.before is None and one.after is not None for one in diff.operations)
