"""What a connection was held for."""

from __future__ import annotations

from dataclasses import replace

from tracecollect.lifecycle.usage import Filler, usage
from tracecollect.model import Hold, Instant, Owner, Span, SpanKind

MS = 1_000_000
OWNER = Owner("t", "owner", "orders", "i", "POST /checkout", Instant(0), Instant(2_200 * MS))
HOLD = Hold(
    "orders", "i", "db", "d", "p", "t", Instant(50 * MS), Instant(2_150 * MS), Instant(2_100 * MS), "t", "s", OWNER
)


def span(name: str, start: float, end: float, kind: SpanKind = SpanKind.CLIENT, **attributes: str) -> Span:
    return Span(
        "t", name, "owner", name, kind, "orders", "i", Instant(int(start * MS)), int((end - start) * MS),
        attributes=attributes,
    )  # fmt: skip


SELECT = span("SELECT", 60, 64, **{"db.system": "postgresql"})
UPDATE = span("UPDATE", 2_100, 2_110, **{"db.query.text": "UPDATE x"})
PAYMENT = span("POST /payments", 100, 2_000)


def test_a_hold_is_told_by_what_it_worked_and_what_its_request_waited_for():
    told = usage(HOLD, [SELECT, UPDATE, PAYMENT], Instant(0))
    assert (told.held, told.busy, told.idle) == (2_100 * MS, 14 * MS, 2_086 * MS)
    assert told.fillers == (Filler("POST /payments", "orders", 1_900 * MS),)
    assert told.longest == (2_100 - 64) * MS


def test_statements_that_overlap_count_once():
    again = replace(SELECT, span_id="2", start=Instant(62 * MS))
    assert usage(HOLD, [SELECT, again], Instant(0)).busy == 6 * MS


def test_work_inside_the_process_is_named_only_where_no_call_out_of_it_explains_the_gap():
    render = span("render", 70, 500, SpanKind.INTERNAL)
    assert usage(HOLD, [SELECT, render], Instant(0)).fillers == (Filler("render", "orders", 430 * MS),)
    assert [one.name for one in usage(HOLD, [SELECT, render, PAYMENT], Instant(0)).fillers] == ["POST /payments"]


def test_a_hold_that_is_not_back_counts_until_now_and_blames_nobody_after_its_request():
    told = usage(replace(HOLD, released_at=None), [SELECT, span("GET /later", 2_500, 3_000)], Instant(10_000 * MS))
    assert told.held == 9_950 * MS
    assert told.fillers == ()


def test_spans_of_another_process_say_nothing_of_this_connection():
    assert usage(HOLD, [replace(SELECT, instance="other")], Instant(0)).busy == 0
