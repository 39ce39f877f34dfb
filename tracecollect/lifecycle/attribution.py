"""Which operations' traffic explains the growth of what is out, where no borrow can be named.

Between two samples the pool lost some connections, and each operation ran so often. If one run of operation i loses a
connection with probability p_i, losses are Poisson with mean Σ p_i n_i: the p that make the observed ones likeliest are
found by expectation maximisation, which keeps them non-negative. Leaving out one block of samples after the other gives
the interval (jackknife). An operation that the interval does not clear of zero is not named.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence

from tracecollect.lifecycle.counts import Counted
from tracecollect.lifecycle.facts import Facts
from tracecollect.model import Suspect

_MOST_OPERATIONS = 20
_BLOCKS = 6
_ROUNDS = 200
# 90 % of a normal distribution.
_WIDTH = 1.645
_LEAST_COUNT = 2.0
_EXAMPLES = 3

Interval = tuple[int, Mapping[str, int]]
"""How many connections were lost between two samples, and how often each operation borrowed."""


def suspects(facts: Facts, pool: Counted) -> tuple[Suspect, ...]:
    """The operations that explain the growth, most first; none where no operation stands out."""
    intervals = _intervals(facts, pool)
    operations = [name for name, _ in _totals(intervals).most_common(_MOST_OPERATIONS)]
    if len(intervals) < 2 * _BLOCKS or not operations:
        return ()
    whole = _explained(intervals, operations)
    spread = _spread(intervals, operations)
    examples = _exemplars(facts, pool)
    found = []
    for name in operations:
        low, high = max(0.0, whole[name] - _WIDTH * spread[name]), whole[name] + _WIDTH * spread[name]
        if whole[name] >= _LEAST_COUNT and low > 0:
            traces = tuple(examples.get(name, ()))[:_EXAMPLES]
            found.append(Suspect(name, round(whole[name], 1), round(low, 1), round(min(high, pool.leaked), 1), traces))
    return tuple(sorted(found, key=lambda one: -one.count))


def _intervals(facts: Facts, pool: Counted) -> Sequence[Interval]:
    """One interval a sample: the rises of the lower envelope, and the borrows whose owner ended in it."""
    times = sorted(
        {
            one.at
            for one in facts.samples
            if (one.instance, one.dialect, one.pool, one.measure) == (pool.instance, pool.dialect, pool.metric, "used")
            and one.at <= facts.now
        }
    )
    lost = {upto: count for _, upto, count in pool.rises}
    ran: list[Counter[str]] = [Counter() for _ in times]
    for one in facts.borrows:
        if one.instance == pool.instance and one.owner_end is not None:
            place = bisect_right(times, one.owner_end)
            if place < len(times):
                ran[place][one.entry] += 1
    return [(lost.get(at, 0), counts) for at, counts in zip(times, ran, strict=True)]


def _totals(intervals: Sequence[Interval]) -> Counter[str]:
    found: Counter[str] = Counter()
    for _, counts in intervals:
        found.update(counts)
    return found


def _explained(intervals: Sequence[Interval], operations: Sequence[str]) -> Mapping[str, float]:
    """How many of the losses each operation explains, by the likeliest probabilities."""
    rows = [(lost, [counts.get(name, 0) for name in operations]) for lost, counts in intervals]
    totals = [sum(row[i] for _, row in rows) for i in range(len(operations))]
    chance = [0.5 if total else 0.0 for total in totals]
    losing = [(lost, row) for lost, row in rows if lost and any(row)]
    for _ in range(_ROUNDS):
        gained = [0.0] * len(operations)
        for lost, row in losing:
            mean = sum(p * n for p, n in zip(chance, row, strict=True))
            if mean > 0:
                for i, n in enumerate(row):
                    gained[i] += lost * chance[i] * n / mean
        chance = [min(1.0, gain / total) if total else 0.0 for gain, total in zip(gained, totals, strict=True)]
    return {name: chance[i] * totals[i] for i, name in enumerate(operations)}


def _spread(intervals: Sequence[Interval], operations: Sequence[str]) -> Mapping[str, float]:
    """The standard error of what each explains, by leaving out every sixth sample in turn."""
    scale = _BLOCKS / (_BLOCKS - 1)
    parts = [
        _explained([one for place, one in enumerate(intervals) if place % _BLOCKS != left], operations)
        for left in range(_BLOCKS)
    ]
    found = {}
    for name in operations:
        values = [scale * part[name] for part in parts]
        mean = sum(values) / _BLOCKS
        found[name] = math.sqrt((_BLOCKS - 1) / _BLOCKS * sum((value - mean) ** 2 for value in values))
    return found


def _exemplars(facts: Facts, pool: Counted) -> Mapping[str, Sequence[str]]:
    """Traces that the pool's own metric points at, by the operation they belong to: a hint, never a name."""
    entries = {one.trace_id: one.entry for one in facts.borrows if one.instance == pool.instance}
    found: dict[str, list[str]] = {}
    for one in facts.samples:
        if (one.instance, one.dialect, one.pool) == (pool.instance, pool.dialect, pool.metric):
            for trace_id in one.trace_ids:
                if trace_id in entries and trace_id not in found.setdefault(entries[trace_id], []):
                    found[entries[trace_id]].append(trace_id)
    return found
