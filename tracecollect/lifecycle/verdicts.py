"""What is said of one open hold: pure functions of what was seen and the moment that is judged.

Age never accuses. The question is whether the owner is gone: the owner span has ended, the hold has not, nothing
happens in it any more, and lost telemetry cannot explain it (ARCHITECTURE.md, "How a leak is found").
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from tracecollect.model import SECOND, Instant, Owner, Role, Signal, SignalKind, Verdict
from tracecollect.ports import SpanLoss

# A statement this long after its owner's end is work that goes on without the request: in use, not leaked.
_AFTERWARDS = SECOND
# At most this share of the names may be lost ends before nobody is called leaked: at 1 % loss and 5 % leaks the
# binomial test is satisfied and yet 41 of 240 names would be wrong.
_MOST_LOST = 0.10
_RARE = 1e-3


@dataclass(frozen=True, slots=True)
class World:
    """What surrounds the open keys of one pair in one process."""

    now: Instant
    grace: int
    alive_until: Instant
    keys: int
    opened: int
    stray_closes: int
    loss: SpanLoss | None

    @property
    def lost_share(self) -> float:
        """Which share of the open keys lost ends would explain, by the measured loss of the process."""
        return min(1.0, self._mean * self.keys / max(1, self.opened))

    @property
    def chance(self) -> float:
        """How probable it is that lost ends alone left this many keys open (binomial, upper bound of the loss)."""
        return _at_least(self.opened, self.keys, self._upper)

    @property
    def _mean(self) -> float:
        referred, missing = (self.loss.referred, self.loss.missing) if self.loss else (0, 0)
        return (missing + 0.5) / (referred + 1)

    @property
    def _upper(self) -> float:
        referred, missing = (self.loss.referred, self.loss.missing) if self.loss else (0, 0)
        return min(1.0, (missing + 3) / max(1, referred))


@dataclass(frozen=True, slots=True)
class Opinion:
    """A verdict on one hold, with the sentence that gives its reason. No verdict: still on probation."""

    verdict: Verdict | None
    reason: str
    owner: Owner | None = None


def last_sign(signals: Sequence[Signal]) -> Instant:
    """The last moment at which anything was seen of the hold."""
    return max(one.at for one in signals)


def owner_of(signals: Sequence[Signal], owners: Sequence[Owner]) -> Owner | None:
    """The entry span during which the hold began: the latest one that had started by then."""
    began = min((one.at for one in signals if one.role is Role.OPEN), default=signals[0].at)
    started = [one for one in owners if one.start <= began]
    return max(started, key=lambda one: one.start, default=None)


def judge_hold(signals: Sequence[Signal], owners: Sequence[Owner], world: World) -> Opinion:
    """What is said of a hold that was opened and not closed."""
    sign = last_sign(signals)
    if world.now - sign < world.grace:
        return Opinion(None, "on probation: too young to tell")
    owner = owner_of(signals, owners)
    if owner is None:
        return Opinion(Verdict.HELD_LONG, "the request or job that took it has not ended, as far as we were told")
    if owner.end > world.now - world.grace:
        return Opinion(Verdict.HELD_LONG, "its owner ended only just now", owner)
    if world.alive_until < sign + world.grace:
        return Opinion(Verdict.UNKNOWN, "the process was not heard of afterwards: it may be gone", owner)
    if sign > owner.end + _AFTERWARDS:
        return Opinion(Verdict.HELD_LONG, "it was still used after its owner had ended", owner)
    return _weighed(owner, world)


def _weighed(owner: Owner, world: World) -> Opinion:
    """The owner is gone and the hold is not: leaked, unless lost telemetry may be what is missing."""
    if world.stray_closes >= world.opened:
        return Opinion(Verdict.SUSPECTED, "as many releases came without their acquire: spans get lost here", owner)
    if world.chance >= _RARE or world.lost_share > _MOST_LOST:
        share = round(100 * world.lost_share)
        return Opinion(Verdict.SUSPECTED, f"lost spans could explain up to {share} % of these", owner)
    return Opinion(Verdict.LEAKED, "its owner ended, nothing happened in it any more, and no release came", owner)


def acquired_at(signals: Sequence[Signal]) -> Instant:
    """When the hold began, as early as anything shows."""
    openers = [one for one in signals if one.role is Role.OPEN]
    said = [one.at for one in openers if one.kind is SignalKind.ACQUIRED]
    return min(said) if said else min((one.started for one in openers), default=signals[0].started)


# Every hold of a world asks for the same number.
@lru_cache(maxsize=1024)
def _at_least(count: int, of: int, chance: float) -> float:
    """P(X >= count) for X binomial(of, chance), by summing in logarithms."""
    if count <= 0 or chance >= 1:
        return 1.0
    if chance <= 0:
        return 0.0
    total = 0.0
    for hits in range(count, of + 1):
        log = (
            math.lgamma(of + 1)
            - math.lgamma(hits + 1)
            - math.lgamma(of - hits + 1)
            + hits * math.log(chance)
            + (of - hits) * math.log1p(-chance)
        )
        term = math.exp(log)
        total += term
        # Beyond the mode the terms only shrink: what is left adds nothing.
        if hits > of * chance and term <= total * 1e-12:
            break
    return min(1.0, total)
