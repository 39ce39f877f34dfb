"""How many connections are out that no living request holds: the rule for libraries that never say "released".

`used` less the borrows of owners that still live. It needs no quiet pool and it does not accuse slow holders; a
plain floor of `used` did, in four of the recorded runs. It counts and never names.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby

from tracecollect.lifecycle.dialects import Dialect
from tracecollect.lifecycle.facts import Facts
from tracecollect.lifecycle.pools import span_names
from tracecollect.model import Instant, PoolSample
from tracecollect.ports import Borrow

# Fewer than this is a pinned listener, a sample taken between two events, a background job: nothing to accuse of.
FEWEST = 3
_TAIL = 3


@dataclass(frozen=True, slots=True)
class Counted:
    """What one pool has out that nobody living holds. `now` is the least of the last samples: it stayed."""

    service: str
    instance: str
    dialect: str
    pool: str
    now: int
    baseline: int
    growth: int
    used: int
    living: int
    maximum: int | None
    first_at: Instant
    last_at: Instant
    traced: bool

    @property
    def leaked(self) -> int:
        """How many are out that were taken by requests we know of: what was out before them is pinned, not leaked."""
        return self.now - self.baseline

    @property
    def grew(self) -> bool:
        """Most of it came while we looked on, or the pool has nothing left: a constant number out is by design."""
        return 2 * self.growth >= self.leaked or (self.maximum is not None and self.used >= self.maximum)


def counted_pools(facts: Facts) -> Sequence[Counted]:
    """The pools in which connections stay out, by their own metric."""
    found = []
    names = span_names(facts)
    for (instance, dialect, pool), samples in _by_pool(facts.samples):
        known = facts.dialects.get(dialect)
        used = [one for one in samples if one.measure == "used" and one.at <= facts.now]
        if known is None or not used:
            continue
        name = names[instance, dialect, pool]
        borrows = _of_pool(name, [one for one in facts.borrows if (one.instance, one.dialect) == (instance, dialect)])
        counted = _count(name, used, _divisor(samples), borrows, facts.grace, _maximum(samples))
        if counted is not None and counted.grew and counted.leaked >= FEWEST + _noise(known):
            found.append(counted)
    return found


def _by_pool(samples: Iterable[PoolSample]) -> Iterable[tuple[tuple[str, str, str], list[PoolSample]]]:
    def key(one: PoolSample) -> tuple[str, str, str]:
        return one.instance, one.dialect, one.pool

    for pool, group in groupby(sorted(samples, key=lambda one: (*key(one), one.at)), key=key):
        yield pool, list(group)


def _of_pool(pool: str, borrows: Sequence[Borrow]) -> Sequence[Borrow]:
    """The borrows of one pool; where no name fits, all of the process's may be its."""
    return [one for one in borrows if one.pool == pool] or borrows


def _count(
    pool: str,
    used: Sequence[PoolSample],
    divisor: int,
    borrows: Sequence[Borrow],
    grace: int,
    maximum: int | None,
) -> Counted | None:
    """Samples since the process's last start against the borrows that live at each; None when too few to tell."""
    series = [one for one in used if one.since == used[-1].since] if used[-1].since else list(used)
    living = _Living(borrows)
    free = [round(one.value / divisor) - living.at(one.at) for one in series]
    # Persistence: the newest samples, and all those inside the grace before the last one.
    tail = max(_TAIL, sum(1 for one in series if one.at >= series[-1].at - grace))
    if len(free) < max(tail, _TAIL + 1):
        return None
    now, baseline = min(free[-tail:]), max(0, free[0] - living.ended_by(series[0].at))
    began = next((one.at for one, count in zip(series, free, strict=True) if count > baseline), series[-1].at)
    last = series[-1]
    return Counted(
        service=last.service,
        instance=last.instance,
        dialect=last.dialect,
        pool=pool,
        now=now,
        baseline=baseline,
        growth=now - max(0, min(free)),
        used=round(last.value / divisor),
        living=living.at(last.at),
        maximum=maximum,
        first_at=began,
        last_at=_last_rise(series, free, now),
        traced=bool(borrows),
    )


def _last_rise(series: Sequence[PoolSample], free: Sequence[int], now: int) -> Instant:
    """When the count first reached what it has stayed at since."""
    return next((one.at for one, count in zip(series, free, strict=True) if count >= now), series[-1].at)


class _Living:
    """How many borrows had an owner that lived, at any moment. An owner that has not arrived is taken to live."""

    def __init__(self, borrows: Sequence[Borrow]) -> None:
        self._begun = sorted(one.at for one in borrows)
        self._ended = sorted(max(one.at, one.owner_end) for one in borrows if one.owner_end is not None)

    def at(self, moment: Instant) -> int:
        return bisect_right(self._begun, moment) - bisect_right(self._ended, moment)

    def ended_by(self, moment: Instant) -> int:
        """How many borrows' owners had ended: as many connections at most can have been forgotten by then."""
        return bisect_right(self._ended, moment)


def _divisor(samples: Sequence[PoolSample]) -> int:
    """Two listeners count everything twice: then all values are even, and half of each is true."""
    values = {abs(round(one.value)) for one in samples if one.measure in ("used", "idle") and one.value}
    return math.gcd(*values) if len(values) >= 4 and max(values) < 1 << 31 else 1


def _maximum(samples: Sequence[PoolSample]) -> int | None:
    said = [round(one.value) for one in samples if one.measure == "max"]
    return said[-1] if said and said[-1] > 0 else None


def _noise(dialect: Dialect) -> int:
    return round(max((one.noise for one in dialect.series if one.measure == "used"), default=0))
