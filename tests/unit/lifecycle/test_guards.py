"""What fools a leak finder, each as a pair: a world in which somebody leaks and must be found, and its silent twin.

Worlds are written with `builders`, arrive through the real decoder, and are judged as of their end and hours later.
"""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from builders.judged import END, LENGTH, judged
from builders.otlp import World, delayed, late, loss, outage, sampled, skewed, twice
from builders.shops import NAMING, Shop, background, shop
from captures import ACCUSING, named

from tracecollect.model import LeakReport, Verdict

LEAKS = range(40, 1000, 80)

library = pytest.mark.parametrize("words", NAMING)


def accused(reports: Sequence[LeakReport]) -> list[tuple[str, str, int]]:
    return [
        (one.verdict, one.entry, one.leaked_count)
        for each in reports
        for one in each.findings
        if one.verdict in ACCUSING
    ]


def leaked(reports: Sequence[LeakReport]) -> list[tuple[str, str, int]]:
    return [one for one in accused(reports) if one[0] == Verdict.LEAKED]


def named_by_anyone(report: LeakReport) -> set[str]:
    return {hold.trace_id for one in report.findings if one.verdict in ACCUSING for hold in one.instances}


def busy(words: str, *, leaks: Sequence[int] = (), instance: str = "orders-1", **more) -> tuple[World, Shop]:
    """Ten minutes of two requests a second, then two minutes in which only health is asked for."""
    world = World()
    one = shop(world, words, instance)
    one.traffic(0, LENGTH, leaks=leaks, **more)
    background(one.process, 0, END)
    return world, one


# --- the plain pair ---------------------------------------------------------------------------------


@library
def test_what_is_forgotten_is_named_and_nobody_else(ask, words):
    world, one = busy(words, leaks=LEAKS)
    for report in judged(ask, world):
        assert set(named(report)) == one.leaked


@library
def test_what_comes_back_is_left_alone(ask, words):
    world, _ = busy(words)
    assert not accused(judged(ask, world, at=(60, 200, 400)))


# --- the process ------------------------------------------------------------------------------------


@library
def test_a_process_that_dies_takes_its_connections_with_it(ask, words):
    world = World()
    one = shop(world, words)
    one.traffic(0, 300)
    for number in range(5):
        one.request(300 + number / 100, hold=60, lasts=60.1, owner_sent=False)
    crash = [item for item in world.items if item.at <= 300.1]
    world.items[:] = crash
    assert not accused(judged(ask, world))


@library
def test_what_leaked_long_before_the_crash_did_leak(ask, words):
    world, one = busy(words, leaks=LEAKS)
    world.items[:] = [item for item in world.items if item.at <= 500]
    report = judged(ask, world, end=502)[0]
    old = {trace for trace in one.leaked if trace in named(report)}
    assert len(old) >= 10


@library
def test_a_restart_leaves_nothing_open_in_the_new_process(ask, words):
    world = World()
    before, after = shop(world, words, "orders-1"), shop(world, words, "orders-2")
    before.traffic(0, 300)
    for number in range(6):
        before.request(299 + number / 10, hold=30, lasts=31)
    world.items[:] = [item for item in world.items if item.at <= 300]
    after.traffic(305, LENGTH)
    background(after.process, 305, END)
    assert not accused(judged(ask, world, at=(320, 340, 400)))


@library
def test_the_new_process_is_judged_by_its_own_telemetry(ask, words):
    world = World()
    before, after = shop(world, words, "orders-1"), shop(world, words, "orders-2")
    before.traffic(0, 300)
    after.traffic(305, LENGTH, leaks=LEAKS)
    background(after.process, 305, END)
    for report in judged(ask, world):
        assert named_by_anyone(report) == after.leaked


@library
def test_workers_that_were_forked_with_one_instance_id_are_told_apart(ask, words):
    world = World()
    workers = [shop(world, words, "orders-1", process__pid=pid) for pid in (11, 12, 13)]
    for number, worker in enumerate(workers):
        worker.traffic(number / 10, LENGTH, every=1.5)
        background(worker.process, number / 10, END)
    assert not accused(judged(ask, world, at=(100, 300)))


@library
def test_a_forked_worker_that_leaks_is_found(ask, words):
    world = World()
    workers = [shop(world, words, "orders-1", process__pid=pid) for pid in (11, 12, 13)]
    for number, worker in enumerate(workers):
        worker.traffic(number / 10, LENGTH, every=1.5, leaks=range(20, 400, 40) if number == 1 else ())
        background(worker.process, number / 10, END)
    for report in judged(ask, world):
        assert set(named(report)) == workers[1].leaked


@library
def test_many_instances_that_come_with_the_load_are_each_judged_alone(ask, words):
    world = World()
    for number in range(6):
        one = shop(world, words, f"orders-{number}")
        one.traffic(number * 60, LENGTH, every=1.5)
        background(one.process, number * 60, END)
    assert not accused(judged(ask, world, at=(200, 400)))


# --- telemetry that is lost, late or repeated -------------------------------------------------------


@library
@pytest.mark.parametrize("share", [0.0001, 0.001, 0.01, 0.05])
def test_lost_telemetry_alone_makes_nobody_a_leaker(ask, words, share):
    world, _ = busy(words)
    assert not leaked(judged(ask, world, loss(share, seed=7), at=(200, 400)))


@library
@pytest.mark.parametrize("share", [0.0001, 0.001])
def test_a_leak_is_named_in_spite_of_a_little_loss(ask, words, share):
    world, one = busy(words, leaks=LEAKS)
    report = judged(ask, world, loss(share, seed=7))[0]
    assert len(named_by_anyone(report) & one.leaked) >= 0.95 * len(one.leaked)
    assert not set(named(report)) - one.leaked


@library
def test_with_one_percent_lost_twice_as_many_leaks_are_at_least_suspected(ask, words):
    world, one = busy(words, leaks=range(40, 1000, 40))
    report = judged(ask, world, loss(0.01, seed=3))[0]
    assert len(named_by_anyone(report) & one.leaked) >= 0.8 * len(one.leaked)


def test_a_connection_that_is_not_seen_again_settles_what_a_short_recording_leaves_open(ask):
    world = World()
    one = shop(world, "events")
    one.traffic(0, 300, leaks=range(40, 600, 80))
    background(one.process, 0, 420)
    assert set(named(judged(ask, world, end=420)[0])) == one.leaked


def test_a_connection_that_is_lent_again_did_come_back_whatever_was_lost(ask):
    world, one = busy("events", leaks=LEAKS)
    report = judged(ask, world, loss(0.01, seed=3))[0]
    assert len(set(named(report)) & one.leaked) >= 0.8 * len(one.leaked)
    assert named_by_anyone(report) <= one.leaked


@library
def test_an_export_outage_is_no_leak(ask, words):
    world, _ = busy(words)
    assert not leaked(judged(ask, world, outage(200.3, 260.3), at=(230, 270, 300, 400)))


@library
def test_a_leak_before_an_export_outage_is_still_named(ask, words):
    world, one = busy(words, leaks=range(20, 380, 40))
    report = judged(ask, world, outage(300.3, 330.3))[0]
    assert set(named(report)) == one.leaked


@library
def test_an_exporter_that_was_held_up_accuses_nobody_meanwhile(ask, words):
    world, _ = busy(words)
    assert not leaked(judged(ask, world, delayed(200.3, 290.3), at=(240, 280, 291, 320)))


@library
def test_telemetry_that_comes_late_accuses_nobody_meanwhile(ask, words):
    world, _ = busy(words)
    assert not leaked(judged(ask, world, late(25, 0.05), at=range(50, 600, 50)))


@library
def test_what_comes_late_is_named_when_it_has_come(ask, words):
    world, one = busy(words, leaks=LEAKS)
    assert set(named(judged(ask, world, late(25, 0.05))[0])) == one.leaked


@library
def test_what_is_delivered_twice_is_counted_once(ask, words):
    world, one = busy(words, leaks=LEAKS)
    for report in judged(ask, world, twice()):
        assert named(report).total() == len(one.leaked)
        assert set(named(report)) == one.leaked


@library
@pytest.mark.parametrize("share", [0.1, 0.5])
def test_a_head_sampled_service_is_not_accused(ask, words, share):
    world, _ = busy(words)
    assert not accused(judged(ask, world, sampled(share), at=(200, 400)))


@library
def test_what_was_sampled_of_the_leaks_is_named(ask, words):
    world, one = busy(words, leaks=LEAKS)
    items = sampled(0.5)(world.items)
    kept = {item.what.trace_id.hex() for item in items if item.scope == "http"}
    for report in judged(ask, world, sampled(0.5)):
        assert named_by_anyone(report) == one.leaked & kept


@library
@pytest.mark.parametrize("seconds", [-600.0, -0.5, 0.5, 600.0])
def test_a_clock_that_is_off_accuses_nobody(ask, words, seconds):
    world, _ = busy(words)
    assert not accused(judged(ask, world, skewed(seconds, "orders"), at=(200, 400)))


@library
@pytest.mark.parametrize("seconds", [-0.5, 0.5])
def test_a_clock_that_is_a_little_off_hides_no_leak(ask, words, seconds):
    world, one = busy(words, leaks=LEAKS)
    assert set(named(judged(ask, world, skewed(seconds, "orders"))[0])) == one.leaked


# --- holds that are long and in order ---------------------------------------------------------------


@library
def test_a_database_that_stalls_for_ten_minutes_makes_nobody_a_leaker(ask, words):
    world = World()
    one = shop(world, words)
    one.traffic(0, 120)
    for number in range(40):
        end = 720 + number / 10
        one.request(120 + number, hold=end - 120 - number - 0.01, lasts=end - 120 - number, owner_sent=True)
    one.traffic(725, 900)
    background(one.process, 0, 1000)
    assert not accused(judged(ask, world, at=range(150, 1000, 60), end=1000))


@library
def test_a_leak_during_a_stall_is_named_when_the_stall_is_over(ask, words):
    world = World()
    one = shop(world, words)
    one.traffic(0, 300)
    for number in range(40):
        end = 720 + number / 10
        one.request(300 + number, hold=end - 300 - number - 0.01, lasts=end - 300 - number)
    one.traffic(725, 900, leaks=range(20, 300, 30))
    background(one.process, 0, 1000)
    assert set(named(judged(ask, world, end=1000)[0])) == one.leaked


@library
def test_a_cursor_that_streams_for_minutes_is_held_long_and_no_leak(ask, words):
    world, one = busy(words)
    for number in range(4):
        one.request(20 + number, path="GET /export", hold=500, lasts=500.1, used_until=515 + number)
    assert not accused(judged(ask, world, at=(100, 300, 500)))


@library
def test_work_that_goes_on_after_the_answer_is_no_leak(ask, words):
    world, one = busy(words)
    for number in range(8):
        one.request(20 + 40 * number, path="POST /import", hold=70, lasts=0.1, used_until=90 + 40 * number)
    assert not leaked(judged(ask, world, at=(60, 100, 200, 300)))


@library
def test_what_is_closed_by_the_cancelled_context_came_back(ask, words):
    world, one = busy(words)
    for number in range(20):
        one.request(10 + 20 * number, path="GET /cancelled", hold=0.021, lasts=0.02)
    assert not accused(judged(ask, world, at=(100, 300)))


@library
def test_one_connection_that_listens_for_ever_is_no_leak(ask, words):
    world, one = busy(words)
    start = one.process.span("start", 0.0, 0.5, kind=1, scope="app")
    one.borrow(start, 0.1, None, "LISTEN orders")
    assert not leaked(judged(ask, world, at=(100, 300)))


@library
@pytest.mark.parametrize("statement", ["START_REPLICATION SLOT s LOGICAL 0/0", "SELECT pg_advisory_lock(7)"])
def test_a_singleton_taken_at_the_start_is_no_leak(ask, words, statement):
    world, one = busy(words)
    start = one.process.span("start", 0.0, 0.5, kind=1, scope="app")
    one.borrow(start, 0.1, None, statement)
    assert not leaked(judged(ask, world, at=(100, 300)))


@library
def test_two_pools_of_one_name_in_two_processes_are_each_judged_alone(ask, words):
    world = World()
    first, second = shop(world, words, "orders-1"), shop(world, words, "orders-2")
    first.traffic(0, LENGTH, leaks=LEAKS)
    second.traffic(0, LENGTH)
    background(first.process, 0, END)
    background(second.process, 0, END)
    for report in judged(ask, world):
        assert set(named(report)) == first.leaked
        assert {one.instance for one in report.findings if one.verdict in ACCUSING} == {"orders-1"}


@library
def test_each_of_two_services_on_one_database_is_accused_of_its_own(ask, words):
    world = World()
    first, second = shop(world, words, "one", "orders"), shop(world, words, "two", "billing")
    for one, leaks in ((first, LEAKS), (second, [40, 300, 700, 900])):
        one.traffic(0, LENGTH, leaks=leaks)
        background(one.process, 0, END)
    for report in judged(ask, world):
        by_service = {
            name: {hold.trace_id for one in report.findings if one.service == name for hold in one.instances}
            for name in ("orders", "billing")
        }
        assert by_service == {"orders": first.leaked, "billing": second.leaked}


@library
def test_connections_that_are_made_while_warming_up_are_no_leak(ask, words):
    world = World()
    one = shop(world, words)
    warm = one.process.span("warm up", 0.0, 3.0, kind=1, scope="app")
    for number in range(10):
        one.borrow(warm, number / 10, 2.5, "SELECT 1")
    one.traffic(5, LENGTH)
    background(one.process, 0, END)
    assert not accused(judged(ask, world, at=(60, 300)))
