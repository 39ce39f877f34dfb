"""How often the interval for "when has the pool nothing left" holds the truth: leaks go on at random and we look."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from tracecollect.lifecycle.facts import Facts
from tracecollect.lifecycle.impact import with_impact
from tracecollect.model import SECOND, Finding, Instant, LeakedHold, PoolSample, Verdict, Window
from tracecollect.ports import InstanceSeen

_HOUR = 3600 * SECOND
_BEGIN = 1_790_000_000 * SECOND
_FEWEST = 3


@dataclass(frozen=True, slots=True)
class Drain:
    """A pool that leaks: bursts an hour, leaks in each, for how many hours we have looked, how many are left then."""

    name: str
    bursts_per_hour: float
    burst: int
    hours: float
    left: int


DRAINS = (
    Drain("9 an hour, an hour, 20 left", 9.0, 1, 1.0, 20),
    Drain("9 an hour, half an hour, 10 left", 9.0, 1, 0.5, 10),
    Drain("3 an hour, four hours, 40 left", 3.0, 1, 4.0, 40),
    Drain("60 an hour, half an hour, 100 left", 60.0, 1, 0.5, 100),
    Drain("bursts of two, 6 an hour, two hours, 20 left", 6.0, 2, 2.0, 20),
    Drain("bursts of four, 4 an hour, four hours, 40 left", 4.0, 4, 4.0, 40),
)


def covered(drain: Drain, runs: int, seed: int) -> float:
    """In which share of the runs the pool ran dry between `exhausted_from` and `exhausted_to`."""
    dice = np.random.default_rng(seed)
    hits = []
    while len(hits) < runs:
        lost = _leaks(drain, dice)
        seen = lost[lost < drain.hours]
        if len(seen) < _FEWEST:
            continue  # no number is said then
        impact = _judged(drain, seen)
        dry = _BEGIN + round(lost[len(seen) + drain.left - 1] * _HOUR)
        hits.append(impact[0] <= dry <= impact[1])
    return sum(hits) / runs


def coverages(runs: int = 200, seed: int = 1) -> Mapping[str, float]:
    """Of every kind of drain."""
    return {one.name: covered(one, runs, seed) for one in DRAINS}


def _leaks(drain: Drain, dice: np.random.Generator) -> np.ndarray:
    """Moments in hours: enough of them that the pool runs dry after any window. Those of a burst are seconds apart."""
    expected = drain.bursts_per_hour * drain.hours + drain.left / drain.burst
    starts = np.cumsum(dice.exponential(1 / drain.bursts_per_hour, round(3 * expected) + 60))
    within = dice.uniform(0, 10 / 3600, (len(starts), drain.burst))
    return np.sort((starts[:, None] + within).ravel())


def _judged(drain: Drain, seen: np.ndarray) -> tuple[Instant, Instant]:
    """What is said of a pool of which these connections are gone and `left` are there."""
    now = Instant(_BEGIN + round(drain.hours * _HOUR))
    moments = [Instant(_BEGIN + round(one * _HOUR)) for one in seen]
    size = len(moments) + drain.left
    holds = tuple(LeakedHold(f"{n:032x}", None, None, at, 1.0) for n, at in enumerate(moments, 1))
    finding = Finding(
        "f_1", Verdict.LEAKED, 0.9, "D", "connection-events", "orders", "i", "db", "POST /pay", None, None,
        len(moments), moments[0], moments[-1], None, None, 0, (), holds,
    )  # fmt: skip
    facts = Facts(
        window=Window(Instant(_BEGIN), now),
        grace=0,
        dialects={},
        samples=[
            PoolSample("orders", "i", "connection-events", "db", "used", now, float(len(moments))),
            PoolSample("orders", "i", "connection-events", "db", "max", now, float(size)),
        ],
        instances=[InstanceSeen("orders", "i", "", 1, Instant(_BEGIN), now, now)],
    )
    (said,) = with_impact(facts, (), [finding])
    impact = said.impact
    assert impact is not None
    assert impact.exhausted_from is not None
    assert impact.exhausted_to is not None
    return impact.exhausted_from, impact.exhausted_to
