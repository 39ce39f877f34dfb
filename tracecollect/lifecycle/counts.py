"""How many connections are out that no living request holds: the rule for libraries that never say "released".

`used` less the borrows of owners that still live. It needs no quiet pool and it does not accuse slow holders; a
plain floor of `used` did, in four of the recorded runs. It counts and never names.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise

from tracecollect.lifecycle.dialects import Dialect
from tracecollect.lifecycle.facts import Facts
from tracecollect.lifecycle.living import LONGEST, Living, living_of
from tracecollect.lifecycle.pools import span_names
from tracecollect.model import SECOND, Instant, PoolSample

# Fewer than this is a pinned listener, a sample taken between two events, a background job: nothing to accuse of.
FEWEST = 3
_TAIL = 3
# What a process takes once in its first minute and never again, while its work goes on, is there by design.
_YOUTH = 60 * SECOND
_GOES_ON = 20


@dataclass(frozen=True, slots=True)
class Counted:
    """What one pool has out that nobody living holds. `now` is the least of the last samples: it stayed.

    `rises` are the moments at which it grew, with how much; `by` is what the living were known by. `pool` is the name
    that spans give it, `metric` the one of its metric. `outstanding` is acquires less returns, where both are counted.
    `swing`: so many came back after as long, more than once.
    """

    service: str
    instance: str
    dialect: str
    pool: str
    metric: str
    now: int
    baseline: int
    growth: int
    used: int
    living: int
    maximum: int | None
    first_at: Instant
    last_at: Instant
    by: str
    seen_share: float
    quiet: bool
    rises: tuple[tuple[Instant, Instant, int], ...]
    outstanding: int | None = None
    swing: int = 0

    @property
    def leaked(self) -> int:
        """How many are out that were taken by requests we know of: what was out before them is pinned, not leaked."""
        return self.now - self.baseline

    @property
    def grew(self) -> bool:
        """Most of it came while we looked on, or the pool has nothing left: a constant number out is by design."""
        return 2 * self.growth >= self.leaked or (self.maximum is not None and self.used >= self.maximum)

    @property
    def proves(self) -> bool:
        """Nobody else can have them: every borrower is known, or no request at all lived while they stayed out."""
        if self.seen_share < 1:
            return False
        return self.by == "borrows" or (self.quiet and len(self.rises) >= _TAIL)


def counted_pools(facts: Facts) -> Sequence[Counted]:
    """The pools in which connections stay out, by their own metric."""
    found = []
    names = span_names(facts)
    # The probe sees every hold of its process: whatever a pool's metric says beside it is one of those or an error.
    probed = facts.probed
    for (instance, dialect, metric), samples in _by_pool(facts.samples):
        known = facts.dialects.get(dialect)
        if known is None or instance in probed:
            continue
        pool = names[instance, dialect, metric]
        living = living_of(facts, instance, dialect, pool)
        if living is None:
            continue  # under load a healthy pool looks the same: nothing can be said
        # Who of several workers each request was served by is not told: each may have had all of them.
        workers = [_count(pool, used, samples, living, facts) for used in _series(samples, facts.now)]
        counted = [one for one in workers if one and one.grew and not _by_design(one, facts, living)]
        counted = [one for one in counted if one.leaked >= FEWEST + _noise(known) + one.swing]
        if counted:
            found.append(_together(counted))
    return _told_once(found)


def _together(workers: Sequence[Counted]) -> Counted:
    """What the workers of one process group have out, each by a metric of its own."""
    first, *others = workers
    if not others:
        return first
    return replace(
        first,
        now=sum(one.now for one in workers),
        baseline=sum(one.baseline for one in workers),
        growth=sum(one.growth for one in workers),
        used=sum(one.used for one in workers),
        maximum=None if first.maximum is None else first.maximum * len(workers),
        first_at=min(one.first_at for one in workers),
        last_at=max(one.last_at for one in workers),
        quiet=all(one.quiet for one in workers),
        swing=sum(one.swing for one in workers),
        rises=tuple(sorted(rise for one in workers for rise in one.rises)),
        outstanding=None,
    )


def _told_once(found: Sequence[Counted]) -> Sequence[Counted]:
    """One pool may be measured by two libraries: who sees more of the borrowers speaks."""
    best: dict[tuple[str, str], Counted] = {}
    for one in found:
        known = best.get((one.instance, one.pool))
        if known is None or (one.proves, one.by == "borrows", one.leaked) > (
            known.proves,
            known.by == "borrows",
            known.leaked,
        ):
            best[one.instance, one.pool] = one
    return list(best.values())


def _by_pool(samples: Iterable[PoolSample]) -> Iterable[tuple[tuple[str, str, str], list[PoolSample]]]:
    def key(one: PoolSample) -> tuple[str, str, str]:
        return one.instance, one.dialect, one.pool

    for pool, group in groupby(sorted(samples, key=lambda one: (*key(one), one.at)), key=key):
        yield pool, list(group)


def _series(samples: Sequence[PoolSample], now: Instant) -> Sequence[Sequence[PoolSample]]:
    """`used`, else what was acquired less what was returned; since the process's last start, worker by worker."""
    used = [one for one in samples if one.measure == "used" and one.at <= now] or outstanding(samples, now)
    return by_worker(used)


def by_worker(used: Sequence[PoolSample]) -> Sequence[Sequence[PoolSample]]:
    """The series of one pool that run now, in order of time: several where forked workers share an instance's name.

    They are told apart by their start. One that nothing ran beside is of a process that was started again since.
    """
    by_start: dict[Instant, list[PoolSample]] = {}
    for one in used:
        by_start.setdefault(one.since, []).append(one)
    newest = used[-1].since if used else Instant(0)
    if not newest or len(by_start) == 1:
        return [used] if used else []
    return [
        series
        for since, series in by_start.items()
        if since == newest
        or (_goes_on(series, used[-1].at) and any(_beside(series, other) for other in by_start.values()))
    ]


def _goes_on(series: Sequence[PoolSample], now: Instant) -> bool:
    """Was it heard of lately, by its own interval? A start of its own for each point is no worker's."""
    return len(series) >= _TAIL and (now - series[-1].at) * (len(series) - 1) <= _TAIL * (series[-1].at - series[0].at)


def _beside(one: Sequence[PoolSample], other: Sequence[PoolSample]) -> bool:
    """Did they run at the same time, for longer than the end of one takes when another follows it?"""
    both = (each for each in one if other[0].at < each.at <= other[-1].at)
    return one is not other and sum(1 for _ in both) >= _TAIL


def outstanding(samples: Sequence[PoolSample], now: Instant) -> Sequence[PoolSample]:
    """Acquires less timeouts less returns, where the pool counts both and nothing was reset between."""
    by_time: dict[Instant, dict[str, PoolSample]] = {}
    for one in samples:
        if one.at <= now and one.measure in ("acquires", "returns", "timeouts"):
            by_time.setdefault(one.at, {})[one.measure] = one
    found = []
    for _, told in sorted(by_time.items()):
        if "acquires" in told and "returns" in told:
            taken = told["acquires"]
            out = taken.value - told["returns"].value - (told["timeouts"].value if "timeouts" in told else 0)
            found.append(_valued(taken, out))
    return found


def _valued(sample: PoolSample, value: float) -> PoolSample:
    return PoolSample(
        sample.service, sample.instance, sample.dialect, sample.pool, "used", sample.at, value, sample.since
    )


def _count(
    pool: str, series: Sequence[PoolSample], samples: Sequence[PoolSample], living: Living, facts: Facts
) -> Counted | None:
    """Samples since the process's last start against those who live at each; None when too few to tell."""
    divisor, last = _divisor(samples), series[-1]
    free, tail = _free(series, divisor, living, facts.grace)
    if len(free) < max(tail, _TAIL + 1):
        return None
    now, baseline = min(free[-tail:]), max(0, free[0] - living.ended_by(series[0].at))
    rises = _rises(series, free, baseline, now)
    out = outstanding(samples, facts.now)
    return Counted(
        service=last.service,
        instance=last.instance,
        dialect=last.dialect,
        pool=pool,
        metric=last.pool,
        now=now,
        baseline=baseline,
        growth=now - max(0, min(free)),
        used=round(last.value / divisor),
        living=round(living.at(last.at)),
        maximum=_maximum(samples),
        first_at=rises[0][1] if rises else last.at,
        last_at=rises[-1][1] if rises else last.at,
        by=living.by,
        seen_share=living.share,
        quiet=all(living.at(one.at) == 0 for one in series[-tail:]),
        swing=_swing(free, tail),
        rises=rises,
        outstanding=round(out[-1].value) if out else None,
    )


def _free(series: Sequence[PoolSample], divisor: int, living: Living, grace: int) -> tuple[Sequence[int], int]:
    """What nobody living held at each sample, and of how many of the newest the least is what stays.

    These are the samples inside the grace before the last one. Who is not traced may hold as many as it takes, but not
    for ever: what was out for an hour is out, whoever was seen.
    """

    def less(alive: Callable[[Instant], float]) -> Sequence[int]:
        held = [alive(one.at) for one in series]
        return [math.floor(round(one.value / divisor) - min(by, 1e9)) for one, by in zip(series, held, strict=True)]

    def newest(time: int) -> int:
        return max(_TAIL, sum(1 for one in series if one.at >= series[-1].at - time))

    free, tail = less(living.at), newest(grace)
    if living.share < 1 and series[-1].at - series[0].at >= LONGEST:
        seen, longer = less(living.seen), newest(LONGEST)
        if min(seen[-longer:]) > min(free[-tail:]):
            return seen, longer
    return free, tail


def _rises(
    series: Sequence[PoolSample], free: Sequence[int], baseline: int, now: int
) -> tuple[tuple[Instant, Instant, int], ...]:
    """When the count grew to stay: (after, up to, by how much). What falls again later was no rise."""
    envelope, least = [], now
    for count in reversed(free):
        least = min(least, count)
        envelope.append(least)
    found, level, before = [], baseline, series[0].at
    for one, count in zip(series, reversed(envelope), strict=True):
        if count > level:
            found.append((before, one.at, count - level))
            level = count
        before = one.at
    return tuple(found)


def _swing(free: Sequence[int], tail: int) -> int:
    """How many had stayed out as long as those of now and came back after all, more than once.

    Requests may hand their connections on: then some are always out without an owner, and each of them comes back. What
    was taken back once, by garbage collection or by the pool, is no such habit.
    """
    floors = [min(free[end - tail : end]) for end in range(tail, len(free) + 1)]
    drops = sorted(before - now for before, now in pairwise(floors) if now < before)
    return drops[-2] if len(drops) > 1 else 0


def _by_design(one: Counted, facts: Facts, living: Living) -> bool:
    """All of it was taken in the process's first minute and stayed constant while the work went on: listeners."""
    youth = facts.first_heard(one.instance) + _YOUTH
    if not one.rises or one.last_at > youth:
        return False
    before, after = living.begun_by(one.last_at), living.begun_by(facts.now)
    return after - before >= max(_GOES_ON, 3 * before)


def _divisor(samples: Sequence[PoolSample]) -> int:
    """Two listeners count everything twice: then all values are even, and half of each is true."""
    values = {abs(round(one.value)) for one in samples if one.measure in ("used", "idle") and one.value}
    return math.gcd(*values) if len(values) >= 4 and max(values) < 1 << 31 else 1


def _maximum(samples: Sequence[PoolSample]) -> int | None:
    said = [round(one.value) for one in samples if one.measure == "max"]
    return said[-1] if said and said[-1] > 0 else None


def _noise(dialect: Dialect) -> int:
    return round(max((one.noise for one in dialect.series if one.measure == "used"), default=0))
