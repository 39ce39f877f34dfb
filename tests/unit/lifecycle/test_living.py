"""Which part of the requests is traced, where only the pool's count of what it lent can tell."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tracecollect.lifecycle.facts import Facts
from tracecollect.lifecycle.living import living_of
from tracecollect.model import SECOND, Instant, PoolSample, Window
from tracecollect.ports import Borrow

END = 1000


def at(second: float) -> Instant:
    return Instant(int(second * SECOND))


def world(*, lent: int, seen: int, pool: str = "p", restart: bool = False) -> Facts:
    """A pool that lends evenly for a thousand seconds; of what it lent, `seen` borrows are traced."""

    def sample(second: int) -> PoolSample:
        value = lent * second / END
        since = at(0)
        if restart and second > END / 2:
            value, since = lent * (second - END / 2) / END, at(END / 2)
        return PoolSample("s", "i", "d", pool, "acquires", at(second), value, since)

    def borrow(number: int) -> Borrow:
        began = at((number + 0.5) * END / seen)
        trace = f"{number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128:032x}"
        return Borrow("s", "i", "d", "p", trace, f"{number:016x}", began, began, began, began, False, False)

    return Facts(
        Window(at(0), at(END + 60)),
        60 * SECOND,
        {},
        samples=[sample(second) for second in range(0, END + 1, 10)],
        borrows=[borrow(number) for number in range(seen)],
    )


def beside(facts: Facts) -> Facts:
    """The same with another pool that counts."""
    return replace(facts, samples=[*facts.samples, *(replace(one, pool="r") for one in facts.samples)])


@pytest.mark.parametrize(
    ("facts", "share"),
    [
        pytest.param(world(lent=400, seen=100), 0.25, id="a quarter is kept at the tail"),
        pytest.param(world(lent=400, seen=100, restart=True), 0.25, id="and the counter began anew"),
        pytest.param(world(lent=400, seen=396), 1, id="one percent is lost"),
        pytest.param(world(lent=400, seen=800), 1, id="the dialect calls more things a borrow"),
        pytest.param(world(lent=12, seen=3), 1, id="too few to tell"),
        pytest.param(world(lent=400, seen=100, pool="host"), 0.25, id="the metric names the pool otherwise"),
        pytest.param(beside(world(lent=400, seen=100, pool="q")), 1, id="two other pools count"),
    ],
)
def test_what_a_pool_lent_and_nobody_traced_shows_sampling_at_the_tail(facts, share):
    living = living_of(facts, "i", "d", "p")
    assert living is not None
    assert living.share == pytest.approx(share, abs=0.01)
