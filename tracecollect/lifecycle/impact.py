"""What a leak costs: connections an hour, when the pool has none left, and who waited only because of it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import takewhile

from tracecollect.lifecycle.chances import beta_quantile, gamma_quantile
from tracecollect.lifecycle.counts import Counted
from tracecollect.lifecycle.facts import Facts
from tracecollect.lifecycle.pools import span_names
from tracecollect.model import SECOND, Finding, Impact, Instant, PoolSample, Verdict
from tracecollect.ports import Wait

_HOUR = 3600 * SECOND
# No number from fewer: two leaks fit almost any rate.
_FEWEST = 3
_LOW, _MEDIAN, _HIGH = 0.05, 0.5, 0.95
# Leaks so much closer than the mean came together, by one cause: they tell less than as many apart.
_TOGETHER = 10
_ACCUSING = (Verdict.LEAKED, Verdict.SUSPECTED)


def with_impact(facts: Facts, pools: Sequence[Counted], findings: Iterable[Finding]) -> Sequence[Finding]:
    """The same findings; those that accuse say what they cost."""
    known = {(one.instance, one.pool): one for one in pools}
    known_sizes = sizes(facts)
    return [
        _weighed(facts, one, known.get((one.instance, one.pool)), known_sizes.get((one.instance, one.pool)))
        if one.verdict in _ACCUSING
        else one
        for one in findings
    ]


def _weighed(facts: Facts, one: Finding, pool: Counted | None, size: tuple[int | None, int] | None) -> Finding:
    moments = moments_of(one, pool)
    until = min(facts.now, max((facts.last_heard(each) for each in _instances(facts, one)), default=facts.now))
    maximum, used = size or (None, 0)
    left = None if maximum is None else max(0, maximum - used)
    impact = _starved(facts, one, moments, Impact(pool_size=maximum, left=left))
    if len(moments) < _FEWEST or until <= moments[0]:
        return replace(one, impact=impact, starved_requests=impact.starved)
    hours = (until - moments[0]) / _HOUR
    # The first leak only says when to begin to count.
    events, spread = len(moments) - 0.5, dispersion(moments)
    low, high = (gamma_quantile(p, events / spread) * spread / hours for p in (_LOW, _HIGH))
    times: list[Instant | None] = [None, None, None]
    if left == 0:
        times = [_empty_since(facts, one, maximum, until)] * 3
    elif left is not None:
        times = [_after(until, hours, left, events, spread, p) for p in (_LOW, _MEDIAN, _HIGH)]
    if left and times[1] is not None and times[1] <= facts.now:
        times = [None, None, None]  # nobody was heard since: that it came so is not known
    impact = replace(
        impact,
        per_hour_low=round(low, 1),
        per_hour_high=round(high, 1),
        exhausted_from=times[0],
        exhausted_to=times[2],
    )
    return replace(
        one,
        per_hour=round(events / hours, 1),
        exhausted_at=times[1],
        impact=impact,
        starved_requests=impact.starved,
    )


def _after(now: Instant, hours: float, left: int, events: float, spread: float, chance: float) -> Instant:
    """When `left` more are gone: the ratio of two gamma variables, as a quantile of the beta distribution."""
    share = beta_quantile(chance, left / spread, events / spread)
    return Instant(now + round(hours * share / max(1e-9, 1 - share) * _HOUR))


def _empty_since(facts: Facts, one: Finding, size: int | None, until: Instant) -> Instant:
    """The first of the last samples that all had everything out."""
    newest = sorted(_used(facts, one.instance, one.pool), key=lambda each: each.at, reverse=True)
    last = list(takewhile(lambda each: size is not None and each.value >= size, newest))
    return last[-1].at if last else until


def dispersion(moments: Sequence[Instant]) -> float:
    """How bunched the leaks are: the mean size of the bunch that a leak is in, 1 where each comes alone."""
    if len(moments) < _FEWEST:
        return 1.0
    gap = (moments[-1] - moments[0]) / (len(moments) - 1) / _TOGETHER
    bunches, last = [1], moments[0]
    for at in moments[1:]:
        if at - last <= gap:
            bunches[-1] += 1
        else:
            bunches.append(1)
        last = at
    return sum(one * one for one in bunches) / sum(bunches)


def moments_of(one: Finding, pool: Counted | None) -> Sequence[Instant]:
    """When each connection was lost, as well as it is known."""
    if one.instances:
        return sorted(each.acquired_at for each in one.instances)
    if pool is None:
        return []
    found = []
    for after, upto, count in pool.rises:
        step = (upto - after) // (count + 1)
        found += [Instant(after + step * (place + 1)) for place in range(count)]
    return found[-one.leaked_count :]


def _instances(facts: Facts, one: Finding) -> Sequence[str]:
    return (
        [one.instance] if one.instance else [each.instance for each in facts.instances if each.service == one.service]
    )


def sizes(facts: Facts) -> dict[tuple[str, str], tuple[int | None, int]]:
    """Each pool's size and how many it has out now."""
    names = span_names(facts)
    newest: dict[tuple[str, str], dict[str, int]] = {}
    for one in facts.samples:
        if one.at <= facts.now:
            name = names[one.instance, one.dialect, one.pool]
            newest.setdefault((one.instance, name), {})[one.measure] = round(one.value)
    return {pool: (told.get("max") or None, told.get("used", 0)) for pool, told in newest.items() if "used" in told}


# --- who waited because of it -----------------------------------------------------------------------------


def _starved(facts: Facts, one: Finding, moments: Sequence[Instant], impact: Impact) -> Impact:
    """Of those who waited for this pool, whom would a connection have been there for without the leak?

    Who stands at place n of the queue is starved by the leak if at least n connections were lost by then; else it was
    the slow holders. A wait that came to something counts only where the pool was seen to have none left.
    """
    waits = [each for each in facts.waits if each.pool == one.pool and one.instance in ("", each.instance)]
    full = full_at(facts, one.instance, one.pool, impact.pool_size)
    seconds, starved, timeouts, counted = 0.0, 0, 0, 0
    for place, wait in enumerate(waits):
        if not (wait.failed or any(wait.began <= at <= wait.ended for at in full)):
            continue
        counted += 1
        if bisect_right(moments, wait.began) >= place_in_queue(waits, place):
            starved += 1
            timeouts += wait.failed
            seconds += (wait.ended - wait.began) / SECOND
    return replace(impact, waits=counted, starved=starved, starved_seconds=round(seconds, 1), timeouts=timeouts)


def place_in_queue(waits: Sequence[Wait], place: int) -> int:
    """Where in the queue: those before who began earlier and still waited. `waits` are in order of their beginning."""
    began = waits[place].began
    return 1 + sum(1 for each in waits[max(0, place - 500) : place] if each.ended > began)


def full_at(facts: Facts, instance: str, pool: str, size: int | None) -> Sequence[Instant]:
    """The samples at which the pool had everything out, in order of time; an empty `instance`: in any process."""
    return [] if size is None else [each.at for each in _used(facts, instance, pool) if each.value >= size]


def _used(facts: Facts, instance: str, pool: str) -> Sequence[PoolSample]:
    names = span_names(facts)
    return [
        each
        for each in facts.samples
        if each.measure == "used"
        and instance in ("", each.instance)
        and names[each.instance, each.dialect, each.pool] == pool
    ]
