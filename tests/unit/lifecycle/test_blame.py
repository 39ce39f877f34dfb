"""Who is to blame for a long wait: the leak where it took what the waiter would have had, else the slow holders."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tracecollect.lifecycle.blame import blames, starved
from tracecollect.lifecycle.facts import Facts
from tracecollect.model import (
    SECOND,
    Cause,
    Finding,
    Hold,
    Instant,
    LeakedHold,
    Owner,
    PoolSample,
    Verdict,
    Window,
)
from tracecollect.ports import InstanceSeen, Wait

NOW = 300


def at(seconds: float) -> Instant:
    return Instant(int(seconds * SECOND))


def leak(*seconds: float, entry: str = "POST /pay", instance: str = "i") -> Finding:
    holds = tuple(LeakedHold(f"{entry}{n}", None, None, at(one), 1.0) for n, one in enumerate(seconds))
    return Finding(
        f"f_{entry}", Verdict.LEAKED, 0.9, "D", "d", "orders", instance, "db", entry, "pay.py:41", None, len(holds),
        holds[0].acquired_at, holds[-1].acquired_at, None, None, 0, (), holds,
    )  # fmt: skip


def hold(trace: str, start: float, back: float | None, *, entry: str = "GET /report", ended: float = NOW) -> Hold:
    owner = Owner(trace, "o", "orders", "i", entry, at(start), at(ended))
    returned = None if back is None else at(back)
    return Hold("orders", "i", "db", "d", "p", trace, at(start), returned, at(start), trace, "s", owner)


def wait(begin: float, end: float, *, failed: bool = True, trace: str = "w", instance: str = "i") -> Wait:
    return Wait(instance, "db", trace, trace, at(begin), at(end), failed)


def facts(size: int | None = 3, full: float | None = None) -> Facts:
    def sample(measure: str, seconds: float, value: float) -> PoolSample:
        return PoolSample("orders", "i", "d", "db", measure, at(seconds), value)

    samples = [sample("used", 1, 0)] + ([sample("max", 1, size)] if size else [])
    samples += [sample("used", full, size or 0)] if full else []
    heard = InstanceSeen("orders", "i", "s", 1, at(0), at(NOW), at(0))
    return Facts(Window(at(0), at(NOW)), 10 * SECOND, {}, samples=samples, instances=[heard])


def told(waits, holds=(), findings=(), world=None):
    owners = {("i", "w"): [Owner("w", "e", "orders", "i", "GET /orders", at(0), at(NOW))]}
    return starved(world or facts(), findings, waits, holds, owners)


def test_a_request_that_would_have_had_a_connection_without_the_leak_was_starved_by_it():
    (one,) = told([wait(100, 103)], [hold("slow", 90, 120)], [leak(10, 20)])
    assert one.cause is Cause.LEAK
    assert (one.entry, one.place, one.lost, one.pool_size) == ("GET /orders", 1, 2, 3)
    assert [each.trace_id for each in one.holders] == ["POST /pay0", "POST /pay1", "slow"]
    assert one.holders[0].code == "pay.py:41"
    assert one.holders[0].finding == "f_POST /pay"


def test_who_stands_behind_as_many_as_leaked_waited_for_the_slow_holders():
    queue = [wait(100, 130, trace="a"), wait(101, 130, trace="b"), wait(102, 130)]
    *_, last = told(queue, [hold("slow", 90, 140)], [leak(10, 20)])
    assert last.cause is Cause.SLOW_HOLDERS
    assert "too few for place 3" in last.why


def test_who_stands_behind_the_leaked_ones_where_nobody_else_is_seen_is_told_both():
    queue = [wait(100, 130, trace="a"), wait(101, 130, trace="b"), wait(102, 130)]
    *_, last = told(queue, [], [leak(10, 20)], facts(size=None))
    assert last.cause is Cause.UNKNOWN
    assert last.lost == 2
    assert "2 connections were leaked by then" in last.why
    assert "nobody is seen who had another" in last.why


def test_where_everything_leaked_the_place_in_the_queue_does_not_matter():
    queue = [wait(100, 130, trace=str(place)) for place in range(9)]
    assert {one.cause for one in told(queue, [], [leak(10, 20, 30)])} == {Cause.LEAK}


def test_without_a_leak_the_slow_holders_are_told_longest_first_with_when_they_came_back():
    (one,) = told([wait(100, 103)], [hold("b", 95, 101), hold("a", 90, 120), hold("gone", 80, 99), hold("c", 101, 130)])
    assert one.cause is Cause.SLOW_HOLDERS
    assert [(each.trace_id, each.until) for each in one.holders] == [("a", at(120)), ("b", at(101))]


def test_a_leak_that_came_after_the_wait_began_is_not_its_cause():
    (one,) = told([wait(100, 103)], [hold("slow", 90, 120)], [leak(101, 102, 103)])
    assert (one.cause, one.lost) == (Cause.SLOW_HOLDERS, 0)


def test_a_long_wait_for_a_pool_that_was_never_seen_full_is_nobodys_fault():
    (one,) = told([wait(100, 103, failed=False)], [hold("slow", 90, 120)], [leak(10)])
    assert one.cause is Cause.UNKNOWN
    assert "not seen to have none left" in one.why


@pytest.mark.parametrize("world", [facts(full=101), facts(size=2)])
def test_a_wait_that_came_to_something_counts_where_the_metric_or_the_holds_show_a_full_pool(world):
    (one,) = told([wait(100, 103, failed=False)], [hold("slow", 90, 120)], [leak(10)], world)
    assert one.cause is Cause.LEAK


def test_who_is_not_seen_is_not_accused():
    (one,) = told([wait(100, 103)])
    assert (one.cause, one.holders) == (Cause.UNKNOWN, ())


def test_a_hold_whose_return_nobody_tells_counts_only_while_its_request_lived():
    holds = [hold("over", 90, None, ended=95), hold("alive", 90, None, ended=200)]
    (one,) = told([wait(100, 103)], [replace(each, verdict=Verdict.UNKNOWN) for each in holds])
    assert [each.trace_id for each in one.holders] == ["alive"]


def test_the_leak_and_the_queue_of_another_process_are_its_own():
    queue = [wait(100, 130, instance="j", trace="a"), wait(101, 130, instance="j", trace="b"), wait(102, 130)]
    *_, mine = told(queue, [hold("slow", 90, 140)], [leak(10, 20, instance="j")])
    assert (mine.cause, mine.place, mine.lost) == (Cause.SLOW_HOLDERS, 1, 0)


def test_the_time_of_a_wait_is_shared_by_those_it_is_put_down_to():
    found = blames(told([wait(100, 106)], [hold("slow", 90, 120)], [leak(10, 20), leak(30, entry="GET /peek")]))
    assert [(one.holder, one.starved, one.requests, one.timeouts, one.seconds) for one in found] == [
        ("POST /pay", "GET /orders", 1, 1, 4.0),
        ("GET /peek", "GET /orders", 1, 1, 2.0),
    ]


def test_a_request_that_waits_twice_is_one_request():
    (one,) = blames(told([wait(100, 101), wait(102, 103)], [hold("slow", 90, 120)]))
    assert (one.holder, one.verdict, one.requests, one.seconds) == ("GET /report", None, 1, 2.0)


def test_a_wait_that_nobody_is_to_blame_for_blames_nobody():
    assert not blames(told([wait(100, 103)]))
