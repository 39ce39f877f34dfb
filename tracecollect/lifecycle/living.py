"""Who may rightly hold a connection at a moment: borrowers whose request lives, or at least requests that live."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence

from tracecollect.lifecycle.facts import Facts
from tracecollect.lifecycle.sampling import kept_share
from tracecollect.model import SECOND, Instant, PoolSample
from tracecollect.ports import Borrow, Served, SpanLoss

# Fewer requests than this tell nothing about the share that is traced.
_LEAST_SERVED = 20
_ALL_SEEN = 0.95
_MOST_SEEN = 0.7
LONGEST = 3600 * SECOND
"""Nobody holds a connection for longer than this without a sign."""


class Living:
    """How many of those who may hold a connection lived, at any moment. `by`: borrows or entries.

    `share`: which part of the requests is traced at all, by the process's own metrics. Where it is not the whole, as
    many more are taken to live as would be needed to make the seen ones improbable: the count is then a lower bound.
    """

    def __init__(self, begun: Sequence[Instant], ended: Sequence[Instant], by: str, share: float = 1.0) -> None:
        self._begun = sorted(begun)
        self._ended = sorted(ended)
        self.by = by
        self.share = share

    def seen(self, moment: Instant) -> float:
        """How many were seen to live."""
        return bisect_right(self._begun, moment) - bisect_right(self._ended, moment)

    def at(self, moment: Instant) -> float:
        """How many lived, the unseen included."""
        seen = self.seen(moment)
        if self.share >= 1:
            return seen
        unseen = (1 - self.share) / self.share
        return seen / self.share + 3 * math.sqrt(seen * (1 - self.share)) / self.share + 3 * unseen

    def begun_by(self, moment: Instant) -> int:
        """How many had begun."""
        return bisect_right(self._begun, moment)

    def ended_by(self, moment: Instant) -> int:
        """How many had ended: as many connections at most can have been forgotten by then."""
        return bisect_right(self._ended, moment)


class _Entries(Living):
    """Known by a count at each sample only."""

    def __init__(self, alive: Mapping[Instant, int], share: float) -> None:
        super().__init__((), (), "entries", share)
        self._alive = alive

    def seen(self, moment: Instant) -> float:
        """How many were seen to live; none known for that moment: so many that nobody can be accused."""
        return self._alive.get(moment, math.inf)


def living_of(facts: Facts, instance: str, dialect: str, pool: str) -> Living | None:
    """Those who may hold a connection of this pool; None where nothing is known of anybody."""
    share = _share(facts.served.get(instance))
    borrows = [one for one in facts.borrows if one.instance == instance]
    borrows = [one for one in borrows if one.dialect == dialect] or borrows
    # Where no name fits, all borrows of the process may be this pool's.
    borrows = [one for one in borrows if one.pool == pool] or borrows
    if borrows:
        begun = [one.at for one in borrows]
        share = min(share, kept_share([one.trace_id for one in borrows if one.trace_id]))
        share = min(share, _counted_share(facts, instance, pool, borrows))
        return Living(begun, _ends(borrows, facts), "borrows", share)
    alive = facts.alive.get(instance)
    return _Entries(alive, share) if alive else None


def _ends(borrows: Sequence[Borrow], facts: Facts) -> Sequence[Instant]:
    """When the owners ended. One that has not arrived lives, unless as many as it are lost on the way.

    Nobody works longer than an hour without a sign, unless requests of this process were seen to.
    """
    ended = [max(one.at, one.owner_end) for one in borrows if one.owner_end is not None]
    longest = max((one.owner_end - one.at for one in borrows if one.owner_end is not None), default=0)
    sooner, later = max(facts.grace, 2 * longest), max(LONGEST, 2 * longest)
    absent = sorted(one.at for one in borrows if one.owner_end is None and one.at < facts.now - sooner)
    lost = round(_rate(borrows, len(absent), facts) * len(borrows))
    gone = max(lost, sum(1 for at in absent if at < facts.now - later))
    return [*ended, *(Instant(at + sooner) for at in absent[:gone])]


def _rate(borrows: Sequence[Borrow], absent: int, facts: Facts) -> float:
    """How many entry spans get lost: of requests that were served, else of other local parents.

    An entry span that has not ended is no loss, though its children miss it as they would a lost one.
    """
    served = facts.served.get(borrows[0].instance)
    if served is not None and served.served >= _LEAST_SERVED:
        return max(0.0, 1 - served.traced / served.served)
    loss: SpanLoss | None = facts.loss.get(borrows[0].instance)
    if loss is None or not loss.referred:
        return 0.0
    asked = math.ceil(absent * min(1.0, loss.referred / len(borrows)))
    return max(0, loss.missing - asked) / loss.referred


def _counted_share(facts: Facts, instance: str, pool: str, borrows: Sequence[Borrow]) -> float:
    """Which part of what the pool says it lent is traced: the only trace that tail sampling leaves. 1 where most is.

    Dialects differ in what they call a borrow, hence the wide margin; spans come later than metrics, hence the grace.
    """
    lends = [one for one in facts.samples if one.instance == instance and one.measure == "acquires"]
    lends = [one for one in lends if one.at <= facts.now - facts.grace]
    # Metrics may name a pool by less than spans do; of several none is taken for another.
    mine = [one for one in lends if one.pool == pool] or (lends if len({one.pool for one in lends}) == 1 else [])
    series: dict[tuple[str, Instant], list[PoolSample]] = {}
    for one in mine:
        series.setdefault((one.dialect, one.since), []).append(one)
    if not series:
        return 1.0
    begin, end = min(one[0].at for one in series.values()), max(one[-1].at for one in series.values())
    lent = sum(max(0.0, found[-1].value - found[0].value) for found in series.values())
    seen = sum(1 for one in borrows if begin < one.at <= end)
    return 1.0 if lent < _LEAST_SERVED or seen >= _MOST_SEEN * lent else max(seen / lent, 0.001)


def _share(served: Served | None) -> float:
    """Which part of the requests was traced; 1 where it cannot be told or nearly all were."""
    if served is None or served.served < _LEAST_SERVED:
        return 1.0
    share = served.traced / served.served
    return 1.0 if share >= _ALL_SEEN else max(share, 0.001)
