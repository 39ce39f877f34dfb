"""What a leak costs: intervals that hold what they promise, and who is counted as starved."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from tracecollect.lifecycle.chances import beta_below, beta_quantile, gamma_below, gamma_quantile
from tracecollect.lifecycle.facts import Facts
from tracecollect.lifecycle.findings import COUNTED, lost
from tracecollect.lifecycle.impact import dispersion, with_impact
from tracecollect.model import (
    SECOND,
    Finding,
    Instant,
    LeakedHold,
    PoolSample,
    Verdict,
    Window,
)
from tracecollect.ports import InstanceSeen, Wait

HOUR = 3600 * SECOND


@pytest.mark.parametrize(
    ("chance", "shape", "value"),
    # scipy.stats.gamma.ppf
    [(0.05, 9.5, 5.0585), (0.95, 9.5, 15.0718), (0.5, 3.5, 3.1729), (0.95, 0.5, 1.9207), (0.05, 200.5, 177.8)],
)
def test_gamma_quantiles_are_those_of_the_tables(chance, shape, value):
    assert gamma_quantile(chance, shape) == pytest.approx(value, rel=1e-3)
    assert gamma_below(gamma_quantile(chance, shape), shape) == pytest.approx(chance, abs=1e-6)


@pytest.mark.parametrize(("first", "second"), [(20.0, 9.5), (1.0, 3.5), (0.5, 0.5), (200.0, 45.0)])
@pytest.mark.parametrize("chance", [0.05, 0.5, 0.95])
def test_beta_quantiles_undo_the_distribution(chance, first, second):
    value = beta_quantile(chance, first, second)
    assert beta_below(value, first, second) == pytest.approx(chance, abs=1e-6)
    assert beta_below(1 - value, second, first) == pytest.approx(1 - chance, abs=1e-6)


def finding(*seconds: float, entry: str = "POST /pay") -> Finding:
    moments = [Instant(int(one * SECOND)) for one in seconds]
    holds = tuple(LeakedHold(f"{n:032x}", None, None, at, 1.0) for n, at in enumerate(moments))
    return Finding(
        "f_1", Verdict.LEAKED, 0.9, "D", "d", "orders", "i", "db", entry, None, None, len(holds), moments[0],
        moments[-1], None, None, 0, (), holds,
    )  # fmt: skip


def facts(now: float, used: int = 10, size: int | None = 30, waits: tuple[Wait, ...] = (), silent: float = 0) -> Facts:
    """The pool's last sample was at `now`; it is judged `silent` seconds later."""

    def sample(measure: str, at: float, value: float) -> PoolSample:
        return PoolSample("orders", "i", "d", "db", measure, Instant(int(at * SECOND)), value)

    samples = [sample("used", now, used)] + ([sample("max", now, size)] if size else [])
    heard = InstanceSeen("orders", "i", "s", 1, Instant(0), Instant(int(now * SECOND)), Instant(0))
    window = Window(Instant(0), Instant(int((now + silent) * SECOND)))
    return Facts(window, 0, {}, samples=samples, instances=[heard], waits=waits)


def weighed(one: Finding, known: Facts) -> Finding:
    (found,) = with_impact(known, [], [one])
    return found


def test_below_three_leaks_there_is_no_number():
    told = weighed(finding(0, 100), facts(3600))
    assert (told.per_hour, told.exhausted_at) == (None, None)


def test_a_pool_with_nothing_left_is_exhausted_since_it_was_first_seen_so():
    known = facts(3600, used=30, silent=600)
    (last, size) = known.samples
    known = replace(known, samples=[replace(last, at=Instant(at * SECOND)) for at in (3000, 3300, 3600)] + [size])
    known.samples.insert(0, replace(last, at=Instant(2900 * SECOND), value=29))
    told = weighed(finding(0, 1000, 2000, 3000), known)
    assert told.exhausted_at == 3000 * SECOND
    assert told.impact is not None
    assert told.impact.left == 0


def test_a_forecast_whose_time_came_while_nobody_was_heard_is_not_told_as_what_happened():
    soon = weighed(finding(0, 1000, 2000, 3000), facts(3600, used=28))
    assert soon.exhausted_at is not None
    told = weighed(finding(0, 1000, 2000, 3000), facts(3600, used=28, silent=soon.exhausted_at / SECOND))
    assert told.exhausted_at is None
    assert told.per_hour == soon.per_hour


def test_of_two_processes_with_one_pool_each_count_holds_its_own_names_only():
    before = finding(*range(10))
    counted = replace(before, family=COUNTED, leaked_count=12, instances=())
    after = replace(finding(*range(13)), instance="j")
    assert lost([before, counted, after]) == 25


def test_names_of_several_processes_are_held_against_all_counts_of_their_pool():
    counted = replace(finding(0), family=COUNTED, leaked_count=12, instances=())
    everywhere = replace(finding(*range(10)), instance="")
    assert lost([everywhere, counted, replace(counted, instance="j", leaked_count=3)]) == 15


def test_without_the_size_of_the_pool_there_is_a_rate_and_no_end():
    told = weighed(finding(0, 1000, 2000, 3000), facts(3600, size=None))
    assert told.per_hour == pytest.approx(3.5)
    assert told.exhausted_at is None


def test_the_interval_of_exhaustion_holds_the_truth_as_often_as_it_says():
    """600 simulated pools: leaks at random, 3 to 12 of them seen, then the time until 20 more are gone."""
    dice = random.Random(7)
    hits = tried = 0
    while tried < 600:
        rate = 10 ** dice.uniform(-3.2, -1.8)
        moments = [0.0]
        while moments[-1] < 3600:
            moments.append(moments[-1] + dice.expovariate(rate))
        seen = [one for one in moments if one < 3600]
        if not 3 <= len(seen) <= 12:
            continue
        tried += 1
        told = weighed(finding(*seen), facts(3600)).impact
        assert told is not None
        assert told.exhausted_from is not None
        assert told.exhausted_to is not None
        truth = 3600 * SECOND + int(dice.gammavariate(20, 1 / rate) * SECOND)
        hits += told.exhausted_from <= truth <= told.exhausted_to
    assert 0.85 <= hits / tried <= 0.95


def test_leaks_that_came_together_tell_less_than_as_many_apart():
    apart = [Instant(n * 100 * SECOND) for n in range(12)]
    bunched = [Instant((n // 4) * 400 * SECOND + n % 4) for n in range(12)]
    assert dispersion(apart) == 1
    assert dispersion(bunched) == pytest.approx(4)


def wait(begin: float, end: float, *, failed: bool = True, trace: str = "w") -> Wait:
    return Wait("i", "db", trace, trace, Instant(int(begin * SECOND)), Instant(int(end * SECOND)), failed)


def test_who_would_have_had_a_connection_without_the_leak_is_starved_by_it():
    # Two are lost when three stand in the queue: the third would have waited for a slow holder anyway.
    queue = (wait(100, 130), wait(101, 131), wait(102, 132))
    told = weighed(finding(10, 20), facts(200, used=30, waits=queue))
    assert told.starved_requests == 2
    assert told.impact is not None
    assert (told.impact.waits, told.impact.timeouts, told.impact.starved_seconds) == (3, 2, 60)


def test_who_waited_before_the_first_leak_was_starved_by_somebody_else():
    assert weighed(finding(150, 160), facts(200, used=30, waits=(wait(100, 130),))).starved_requests == 0


def test_a_wait_that_came_to_something_while_the_pool_had_connections_is_no_starving():
    told = weighed(finding(10, 20), facts(200, used=3, waits=(wait(100, 130, failed=False),)))
    assert told.starved_requests == 0
