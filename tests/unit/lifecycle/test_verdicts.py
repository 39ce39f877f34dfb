"""Every rule about an open hold: what it says, and the innocent twin that it must leave alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tracecollect.lifecycle.verdicts import Beside, Path, World, judge_hold
from tracecollect.model import SECOND, Instant, Owner, Role, Signal, SignalKind, Verdict
from tracecollect.ports import SpanLoss

TRACE = "0af7651916cd43dd8448eb211c80319c"
NOW = 10_000 * SECOND
GRACE = 120 * SECOND


def use(at: float, role: Role = Role.OPEN) -> Signal:
    """A statement that ended `at` seconds."""
    moment = Instant(int(at * SECOND))
    return Signal(
        "orders", "i", "python-asyncpg", "lease", SignalKind.USED, role, TRACE, moment, moment, TRACE, f"{at:016.0f}"
    )


def owner(start: float, end: float) -> Owner:
    return Owner(
        TRACE, "b7ad6b7169203331", "orders", "i", "POST /pay", Instant(int(start * SECOND)), Instant(int(end * SECOND))
    )


WORLD = World(
    now=Instant(NOW),
    grace=GRACE,
    alive_until=Instant(NOW),
    keys=1000,
    opened=20,
    closed=980,
    stray_closes=0,
    loss=SpanLoss("i", 5000, 0),
)
ENDED = owner(99, 101)


def test_a_hold_whose_owner_ended_and_that_is_quiet_is_leaked():
    assert judge_hold([use(100)], [ENDED], WORLD).verdict is Verdict.LEAKED


@pytest.mark.parametrize(
    ("signals", "owners", "world", "verdict"),
    [
        pytest.param([use(9_990)], [owner(9_989, 9_991)], WORLD, None, id="younger than the grace"),
        pytest.param([use(100)], [], WORLD, Verdict.HELD_LONG, id="its owner has not ended"),
        pytest.param([use(100)], [owner(99, 9_999)], WORLD, Verdict.HELD_LONG, id="its owner ended only just now"),
        pytest.param([use(100), use(300)], [ENDED], WORLD, Verdict.HELD_LONG, id="used after its owner had ended"),
        pytest.param([use(100)], [owner(500, 501)], WORLD, Verdict.HELD_LONG, id="the owner began later than the hold"),
        pytest.param(
            [use(100)], [ENDED], replace(WORLD, alive_until=Instant(150 * SECOND)), Verdict.UNKNOWN, id="process gone"
        ),
    ],
)
def test_a_hold_that_may_be_in_order_is_not_accused(signals, owners, world, verdict):
    assert judge_hold(signals, owners, world).verdict is verdict


@pytest.mark.parametrize(
    "world",
    [
        pytest.param(replace(WORLD, loss=SpanLoss("i", 5000, 250)), id="five percent of the spans are lost"),
        pytest.param(replace(WORLD, loss=SpanLoss("i", 5000, 50), opened=20), id="one percent, and few open"),
        pytest.param(replace(WORLD, loss=None), id="the loss could not be measured"),
        pytest.param(replace(WORLD, loss=SpanLoss("i", 40, 0)), id="too few spans to measure the loss by"),
        pytest.param(replace(WORLD, stray_closes=20), id="as many releases came without an acquire"),
    ],
)
def test_what_lost_telemetry_could_explain_is_suspected_only(world):
    assert judge_hold([use(100)], [ENDED], world).verdict is Verdict.SUSPECTED


def test_many_open_holds_are_leaked_in_spite_of_a_little_loss():
    world = replace(WORLD, keys=1000, opened=400, loss=SpanLoss("i", 50_000, 50))
    assert judge_hold([use(100)], [ENDED], world).verdict is Verdict.LEAKED


LOSSY = replace(WORLD, keys=300, opened=25, loss=SpanLoss("i", 5000, 50))


@pytest.mark.parametrize(
    ("world", "path", "verdict"),
    [
        pytest.param(LOSSY, Path(12, 8), Verdict.LEAKED, id="most of its path are open"),
        pytest.param(LOSSY, Path(9, 60), Verdict.LEAKED, id="far more of its path than got lost"),
        pytest.param(LOSSY, Path(2, 10), Verdict.SUSPECTED, id="more than got lost, but few"),
        pytest.param(LOSSY, Path(1, 60), None, id="one of sixty, of which loss takes one every other time"),
        pytest.param(replace(LOSSY, opened=4), Path(4, 2), None, id="the process has no more open than loss leaves"),
        pytest.param(replace(LOSSY, loss=SpanLoss("i", 5000, 0)), Path(1, 60), Verdict.LEAKED, id="nothing got lost"),
        pytest.param(LOSSY, None, Verdict.SUSPECTED, id="its path is not known"),
        pytest.param(replace(LOSSY, counted=25), Path(12, 8), Verdict.LEAKED, id="the metric has as many out"),
        pytest.param(replace(LOSSY, counted=25), Path(1, 60), Verdict.SUSPECTED, id="it has, but of others"),
        pytest.param(
            replace(LOSSY, counted=25, together=40), Path(2, 10), Verdict.SUSPECTED, id="fewer than all pairs have open"
        ),
    ],
)
def test_loss_is_weighed_against_the_holds_of_the_same_path(world, path, verdict):
    assert judge_hold([use(100)], [ENDED], world, Beside(path=path)).verdict is verdict


def test_whatever_the_reason_the_share_that_loss_explains_is_told():
    strays = judge_hold([use(100)], [ENDED], replace(LOSSY, stray_closes=25), Beside(path=Path(12, 8)))
    assert (strays.verdict, strays.lost > 0) == (Verdict.SUSPECTED, True)


def test_the_verdict_does_not_turn_with_the_hours():
    for hours in (1, 6, 48):
        later = Instant(NOW + hours * 3600 * SECOND)
        world = replace(WORLD, now=later, alive_until=later)
        assert judge_hold([use(100)], [ENDED], world).verdict is Verdict.LEAKED


def test_the_grace_decides_to_the_nanosecond():
    almost = replace(WORLD, now=Instant(101 * SECOND + GRACE - 1), alive_until=Instant(NOW))
    assert judge_hold([use(100)], [ENDED], almost).verdict is not Verdict.LEAKED
    over = replace(almost, now=Instant(101 * SECOND + GRACE))
    assert judge_hold([use(100)], [ENDED], over).verdict is Verdict.LEAKED


@pytest.mark.parametrize("keys", [10**4, 10**6])
def test_the_chance_of_loss_is_told_at_once_also_among_millions(keys):
    world = replace(WORLD, keys=keys, opened=keys // 100, loss=SpanLoss("i", 10**6, 0))
    assert world.chance < 1e-6
    assert replace(world, opened=1).chance > 1e-3


def test_what_was_held_when_a_process_vanished_may_have_come_back_with_nobody_to_tell():
    after = replace(WORLD, alive_until=Instant(101 * SECOND + GRACE + SECOND))
    assert judge_hold([use(100)], [ENDED], after).verdict is Verdict.UNKNOWN
    longer = replace(WORLD, alive_until=Instant(101 * SECOND + 2 * GRACE))
    assert judge_hold([use(100)], [ENDED], longer).verdict is Verdict.LEAKED
    alive = replace(after, now=Instant(after.alive_until + GRACE))
    assert judge_hold([use(100)], [ENDED], alive).verdict is Verdict.LEAKED


# --- the process says so itself ------------------------------------------------------------------------

ABANDONED = replace(use(9_999, Role.NOTE), kind=SignalKind.CLOSED, reason="abandoned")
OVER = replace(WORLD, ended=True, grace=0, loss=None, keys=1, opened=1)


def test_what_was_held_when_the_last_process_ended_is_leaked_without_owner_loss_or_grace():
    opinion = judge_hold([use(9_998), ABANDONED], [], OVER)
    assert (opinion.verdict, opinion.witness) == (Verdict.LEAKED, "process")


@pytest.mark.parametrize(("said", "verdict"), [({}, Verdict.UNKNOWN), ({"code": "a.py:1 in a"}, Verdict.LEAKED)])
def test_of_what_neither_a_request_nor_code_of_the_service_took_nothing_can_be_told(said, verdict):
    nobodys = replace(use(9_998), trace_id="", **said)
    assert judge_hold([nobodys, replace(ABANDONED, trace_id="")], [], OVER).verdict is verdict


def test_what_nobody_told_at_the_end_is_judged_by_its_owner_as_ever():
    assert judge_hold([use(9_998)], [], OVER).verdict is Verdict.HELD_LONG


def test_where_processes_come_and_go_one_that_ends_with_its_listener_accuses_nobody():
    assert judge_hold([use(100), ABANDONED], [], WORLD).verdict is Verdict.HELD_LONG


def test_the_end_of_a_process_is_no_use_of_what_it_held():
    assert judge_hold([use(100), ABANDONED], [ENDED], WORLD).verdict is Verdict.LEAKED
