"""Who is left to have a connection, and which operations explain the loss where nobody can be named."""

from __future__ import annotations

import random

from tracecollect.lifecycle.attribution import suspects
from tracecollect.lifecycle.counts import Counted
from tracecollect.lifecycle.eliminate import eliminate
from tracecollect.lifecycle.facts import Facts
from tracecollect.model import SECOND, Instant, PoolSample, Window
from tracecollect.ports import Borrow


def borrow(number: int, at: float, *, fresh: bool = False, entry: str = "GET /x", ended: float | None = 0.1) -> Borrow:
    moment = Instant(int(at * SECOND))
    return Borrow(
        service="orders", instance="i", dialect="node-pg", pool="db", trace_id=f"{number:032x}",
        span_id=f"{number:016x}", at=moment, owner_end=None if ended is None else Instant(moment + int(ended * SECOND)),
        began=Instant(moment - 1000), last_use=Instant(moment + SECOND // 20), fresh=fresh, failed=False,
        statement="SELECT", entry=entry,
    )  # fmt: skip


def numbers(found: tuple[Borrow, ...]) -> list[int]:
    return [int(one.trace_id, 16) for one in found]


def test_when_a_pool_opens_a_connection_what_was_borrowed_before_and_not_seen_again_is_out():
    told = eliminate([borrow(1, 0, fresh=True), borrow(2, 1, fresh=True), borrow(3, 2)])
    assert numbers(told.certain) == [1]


def test_a_pool_that_only_reuses_accuses_nobody():
    told = eliminate([borrow(1, 0, fresh=True), *(borrow(n, n) for n in range(2, 30))])
    assert (told.certain, told.likely) == ((), ())


def test_without_word_of_which_borrow_opened_a_connection_nobody_is_named():
    assert eliminate([borrow(n, n) for n in range(20)]).certain == ()


def test_a_borrow_whose_request_lives_is_not_out():
    told = eliminate([borrow(1, 0, fresh=True, ended=100), borrow(2, 1, fresh=True)])
    assert told.certain == ()


def test_what_a_pool_may_have_closed_for_idling_is_not_accused():
    told = eliminate([borrow(1, 0, fresh=True), borrow(2, 60, fresh=True)])
    assert told.certain == ()


def test_of_a_simulated_pool_the_certain_are_all_guilty_and_the_healthy_twin_names_nobody():
    named = leaked = 0
    for seed in range(20):
        for chance in (0.0, 0.3):
            guilty, borrows = _pool(seed, chance)
            told = eliminate(borrows)
            assert set(numbers(told.certain)) <= guilty
            named, leaked = named + len(told.certain), leaked + len(guilty)
    # Eight a second share few connections, so most reuses are ambiguous: what is certain is a small part.
    assert named >= 0.05 * leaked


def _pool(seed: int, chance: float) -> tuple[set[int], list[Borrow]]:
    """A pool that gives the last returned connection first; a third of `GET /leak` keeps it."""
    dice = random.Random(seed)
    at, idle, back, guilty, borrows = 0.0, 0, [], set(), []
    for number in range(1, 300):
        at += dice.expovariate(8)
        idle += sum(1 for one in back if one <= at)
        back = [one for one in back if one > at]
        entry = dice.choice(["GET /leak", "GET /fine"])
        fresh = idle == 0
        idle -= not fresh
        borrows.append(borrow(number, at, fresh=fresh, entry=entry))
        if entry == "GET /leak" and dice.random() < chance:
            guilty.add(number)
        else:
            back.append(at + 0.06)
    return guilty, borrows


# --- attribution --------------------------------------------------------------------------------------------


def _world(leaky: dict[str, float], seed: int, *, steps: int = 40) -> tuple[Facts, Counted]:
    """Samples every 10 s, four operations of other rates each interval, some of which lose connections."""
    dice = random.Random(seed)
    samples, borrows, rises, used = [], [], [], 0
    for step in range(steps):
        upto = Instant((step + 1) * 10 * SECOND)
        lost = 0
        for entry in ("GET /a", "GET /b", "POST /c", "GET /d"):
            for n in range(dice.randrange(0, 12)):
                borrows.append(borrow(len(borrows), step * 10 + 1 + n / 2, entry=entry))
                lost += dice.random() < leaky.get(entry, 0)
        if lost:
            rises.append((Instant(step * 10 * SECOND), upto, lost))
        used += lost
        samples.append(PoolSample("orders", "i", "node-pg", "db", "used", upto, used))
    pool = Counted(
        "orders", "i", "node-pg", "db", "db", used, 0, used, used, 0, None, Instant(0), Instant(0), "borrows", 1.0,
        True, tuple(rises),
    )  # fmt: skip
    return Facts(Window(Instant(0), Instant(steps * 10 * SECOND)), 0, {}, samples=samples, borrows=borrows), pool


def test_the_operation_that_leaks_explains_the_growth_and_the_innocent_are_not_named():
    first = innocent = 0
    for seed in range(20):
        told = suspects(*_world({"POST /c": 0.2}, seed))
        first += bool(told) and told[0].entry == "POST /c"
        innocent += any(one.entry != "POST /c" for one in told)
    assert first >= 19
    assert innocent <= 2


def test_two_that_leak_are_both_named_with_their_share():
    facts, pool = _world({"POST /c": 0.2, "GET /a": 0.3}, 3, steps=120)
    told = {one.entry: one for one in suspects(facts, pool)}
    assert set(told) == {"POST /c", "GET /a"}
    assert told["GET /a"].low <= told["GET /a"].count <= told["GET /a"].high


def test_few_samples_and_no_traffic_name_nobody():
    assert suspects(*_world({"POST /c": 0.2}, 1, steps=8)) == ()
    facts, pool = _world({}, 1)
    assert suspects(facts, pool) == ()
