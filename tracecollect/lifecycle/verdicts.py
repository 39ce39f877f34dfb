"""What is said of one open hold: pure functions of what was seen and the moment that is judged.

Age never accuses. The question is whether the owner is gone: the owner span has ended, the hold has not, nothing
happens in it any more, and lost telemetry cannot explain it (ARCHITECTURE.md, "How a leak is found").
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from tracecollect.model import SECOND, Instant, Owner, Role, Signal, SignalKind, Verdict
from tracecollect.ports import LateReturns, SpanLoss

# A statement this long after its owner's end is work that goes on without the request: in use, not leaked.
_AFTERWARDS = SECOND
# At most this share of the names may be lost ends before nobody is called leaked: at 1 % loss and 5 % leaks the
# binomial test is satisfied and yet 41 of 240 names would be wrong.
_MOST_LOST = 0.10
_RARE = 1e-3
# More connections than this a pool of one process hardly lends.
_MOST_OF_A_POOL = 50
# Where chance leaves as many open in one process of five, that they are open is no news.
_COMMON = 0.2
ABANDONED = "abandoned"
"""The reason of a signal that says: the process ended in order while this was held."""
# One hold in so many that comes back after its owner may be an accident; more often it is how the path works.
_HANDS_ON = 0.01
# So much longer than the longest late return seen, nobody waits for it any more.
_PATIENCE = 3
REPORTED = "reported"
"""The reason of a signal that is a pool's own report about a hold (a leak line), not something done with it."""


@dataclass(frozen=True, slots=True)
class Path:
    """The holds of one entry operation: how many are open, and about how many came back.

    Loss strikes by traffic and a leak strikes its path: one open hold of a path on which hundreds came back is most
    likely one whose end got lost, ten of the twelve of another path are not, though their pool has the same loss.
    """

    opened: int
    closed: float


@dataclass(frozen=True, slots=True)
class World:
    """What surrounds the open holds of one pair in one process.

    `keys`: of so many holds `opened` are open for longer than the grace, and `closed` are closed; `silent`: not one
    return was ever seen.
    `counted`: how many the pool's own metric says are out that nobody living holds (None: no metric tells);
    `out`: how many it says are out at all; `running`: how many requests have open holds and no entry span yet;
    `together`: how many traces have any hold of its pools open, in whichever pair; `stays`: how many were out at each
    of the last samples, where every hold is told.
    """

    now: Instant
    grace: int
    alive_until: Instant
    keys: int
    opened: int
    closed: int
    stray_closes: int
    loss: SpanLoss | None
    silent: bool = False
    counted: int | None = None
    out: int | None = None
    stays: int | None = None
    collected: int = 0
    ended: bool = False
    running: int = 0
    together: int = 0

    @property
    def lost_share(self) -> float:
        """Which share of the open holds lost ends would explain, by the measured loss of the process."""
        return min(1.0, self._mean * self.keys / max(1, self.opened))

    @property
    def chance(self) -> float:
        """How probable it is that lost ends alone left this many keys open (binomial, upper bound of the loss)."""
        return _at_least(self.opened, self.keys, self._upper)

    def lost_on(self, path: Path | None) -> float:
        """Which share of a path's open holds lost ends would explain; of all, where no loss was seen to compare by."""
        if path is None or not self._struck:
            return self.lost_share
        return min(1.0, self._mean * (path.opened + path.closed) / path.opened)

    def chance_on(self, path: Path | None) -> float:
        """How probable it is that lost ends alone left so many keys of a path open."""
        if path is None or not self._struck:
            return self.chance
        return _at_least(path.opened, path.opened + math.ceil(path.closed), self._upper)

    def common(self, path: Path | None) -> bool:
        """Does the measured loss often leave so many open, of all or of this path?"""
        if path is None or self.loss is None:
            return False
        # An entry span is missing, too, while its request runs: who has an open hold and no owner is no loss. Loss is
        # measured on a sample of the traces.
        running = self.running * min(1.0, self.loss.referred / max(1, self.keys))
        rate = max(0.0, self.loss.missing - running) / max(1, self.loss.referred)
        of_path = _at_least(path.opened, path.opened + math.ceil(path.closed), rate)
        return max(of_path, _at_least(self.opened, self.keys, rate)) >= _COMMON

    @property
    def _struck(self) -> bool:
        return self.loss is not None and self.loss.missing > 0

    @property
    def confirmed(self) -> bool:
        """The pool's own metric counts as many out, whatever spans got lost."""
        opened = max(self.opened, self.together)
        if self.stays is not None and self.stays >= opened:
            return True
        return self.counted is not None and self.counted + max(1, opened // 20) >= opened

    @property
    def refuted(self) -> bool:
        """The pool has clearly fewer out than holds are open: most of them came back and we were not told."""
        return self.out is not None and 2 * (self.out + self.collected) < self.opened

    @property
    def _mean(self) -> float:
        referred, missing = (self.loss.referred, self.loss.missing) if self.loss else (0, 0)
        return max((missing + 0.5) / (referred + 1), self.stray_closes / max(1, self.keys))

    @property
    def _upper(self) -> float:
        referred, missing = (self.loss.referred, self.loss.missing) if self.loss else (0, 0)
        by_strays = (self.stray_closes + 3 * math.sqrt(self.stray_closes)) / max(1, self.keys)
        return min(1.0, max((missing + 3) / max(1, referred), by_strays))


@dataclass(frozen=True, slots=True)
class Beside:
    """What is known beside one hold's own signals.

    `taken_again`: its physical connection was borrowed later; `missed`: it was not, while its pool was used so much
    that it would have been; `gap`: the stream of its process broke off just then; `young`: it is one of few that the
    process took in its first minute, and its work went on; `late`: how its path returns connections after the owner;
    `session`: the database itself saw its session idle in a transaction when the owner had long ended; `active`: when
    the process last did anything for this request; `path`: the holds of its entry operation; `above`: the last that was
    seen is the end of a transaction, and nothing shows that this operation gives back to the pool without a library
    above it, which gives back in its own way; `cut`: a transaction worked longer than nearly all of its operation that
    came back, and so did most of those that are open; `strange`: a statement is all that shows it, and none of its
    operation was ever given back.
    """

    taken_again: bool = False
    missed: bool = False
    gap: bool = False
    young: bool = False
    late: LateReturns | None = None
    session: bool = False
    active: int = 0
    path: Path | None = None
    above: bool = False
    cut: bool = False
    strange: bool = False


NOTHING = Beside()


@dataclass(frozen=True, slots=True)
class Opinion:
    """A verdict on one hold, with the sentence that gives its reason. No verdict: nothing is said of it.

    `witness`: the independent voice that confirms it, if any; `lost`: how probably its end only got lost.
    """

    verdict: Verdict | None
    reason: str
    owner: Owner | None = None
    witness: str = ""
    lost: float = 0.0


def last_sign(signals: Sequence[Signal]) -> Instant:
    """The last moment at which anything was seen of the hold."""
    return max(one.at for one in signals)


def last_use(signals: Sequence[Signal]) -> Instant:
    """The last moment at which the connection itself was used: a report about it is no use."""
    used = [one.at for one in signals if one.reason != REPORTED]
    return max(used) if used else Instant(0)


Owners = Mapping[tuple[str, str], Sequence[Owner]]
"""Entry spans by (instance, trace id)."""


def by_request(owners: Iterable[Owner]) -> Owners:
    """The entry spans of each request in each process, in the order given."""
    found: dict[tuple[str, str], list[Owner]] = {}
    for one in owners:
        found.setdefault((one.instance, one.trace_id), []).append(one)
    return found


def owner_of(signals: Sequence[Signal], owners: Sequence[Owner]) -> Owner | None:
    """The entry span during which the hold began: the latest one that had started by then."""
    began = min((one.at for one in signals if one.role is Role.OPEN), default=signals[0].at)
    started = [one for one in owners if one.start <= began]
    return max(started, key=lambda one: one.start, default=None)


def judge_hold(signals: Sequence[Signal], owners: Sequence[Owner], world: World, beside: Beside = NOTHING) -> Opinion:
    """What is said of a hold that was opened and not closed."""
    return replace(_opinion(signals, owners, world, beside), lost=world.lost_on(beside.path))


def _opinion(signals: Sequence[Signal], owners: Sequence[Owner], world: World, beside: Beside) -> Opinion:
    told = next((one for one in signals if one.reason == ABANDONED), None)
    signals = [one for one in signals if one is not told]
    if told is not None and world.ended:
        return _left(signals, owners)
    sign = last_sign(signals)
    if world.now - sign < world.grace:
        return Opinion(None, "on probation: too young to tell")
    if beside.taken_again:
        return Opinion(None, "its connection was borrowed again later: only the news of its return got lost")
    owner = owner_of(signals, owners)
    if owner is None:
        return Opinion(Verdict.HELD_LONG, "the request or job that took it has not ended, as far as we were told")
    return _owned(owner, signals, world, beside)


def _left(signals: Sequence[Signal], owners: Sequence[Owner]) -> Opinion:
    """Its process ended in order and had not given it back."""
    if not any(one.trace_id or one.code for one in signals):
        reason = "neither a request nor code of the service took it: a library may keep it for itself"
        return Opinion(Verdict.UNKNOWN, reason)
    owner = owner_of(signals, owners)
    return Opinion(Verdict.LEAKED, "its process ended and had not given it back", owner, "process")


def _owned(owner: Owner, signals: Sequence[Signal], world: World, beside: Beside) -> Opinion:
    """The owner is known: has it ended long enough ago, and is nothing done with the connection any more?"""
    if owner.end > world.now - world.grace:
        return Opinion(Verdict.HELD_LONG, "its owner ended only just now", owner)
    if world.alive_until < last_sign(signals) + world.grace or _went_down(owner, world):
        return Opinion(Verdict.UNKNOWN, "the process was not heard of afterwards: it may be gone", owner)
    if beside.gap:
        return Opinion(
            Verdict.UNKNOWN, "nothing at all was heard of the process just then: the end may be in the gap", owner
        )
    if last_use(signals) > owner.end + _AFTERWARDS:
        return Opinion(Verdict.HELD_LONG, "it was still used after its owner had ended", owner)
    if beside.active > max(owner.end + _AFTERWARDS, world.now - world.grace):
        return Opinion(Verdict.HELD_LONG, "work of its request still goes on", owner)
    if beside.above:
        return Opinion(None, "its transaction is over, and a library above the pool may have given it back", owner)
    if beside.young:
        return Opinion(Verdict.PINNED_BY_DESIGN, "taken once when the process began, and never again", owner)
    return _handed_on(owner, world, beside) or _weighed(owner, world, beside)


def _went_down(owner: Owner, world: World) -> bool:
    """Is the process gone since so soon after the request that the news of a return may have gone down with it?"""
    gone = world.alive_until < world.now - 2 * world.grace
    return gone and world.alive_until < owner.end + 2 * world.grace


def _handed_on(owner: Owner, world: World, beside: Beside) -> Opinion | None:
    """A path that is known to give connections back after its owner's end has more time, and is never certain."""
    late = beside.late
    if late is None or late.late < max(2, _HANDS_ON * late.closed):
        return None
    if world.now - owner.end < _PATIENCE * late.latest:
        seconds = late.latest / SECOND
        reason = f"this operation hands its connections on: they came back up to {seconds:.1f} s after it"
        return Opinion(Verdict.HELD_LONG, reason, owner)
    if beside.missed or beside.session or world.confirmed:
        return None
    return Opinion(Verdict.SUSPECTED, "its owner ended long ago, though this operation hands connections on", owner)


def _weighed(owner: Owner, world: World, beside: Beside) -> Opinion:
    """The owner is gone and the hold is not: leaked, unless lost telemetry may be what is missing."""
    if beside.missed:
        reason = "its owner ended, and its connection was not seen again while the others of its pool were"
        return Opinion(Verdict.LEAKED, reason, owner, "identity")
    if beside.session:
        reason = "its owner ended, and the database still saw its session idle in a transaction"
        return Opinion(Verdict.LEAKED, reason, owner, "database")
    if world.out == 0 and not world.collected:
        return Opinion(None, "the pool's own metric has none out: it came back, or was thrown away", owner)
    if world.refuted:
        return Opinion(Verdict.SUSPECTED, f"the pool's own metric says that only {world.out} are out", owner)
    if world.confirmed and world.common(beside.path):
        reason = "the pool's own metric has more out, but lost spans explain as many of this operation as are open"
        return Opinion(Verdict.SUSPECTED, reason, owner)
    if world.confirmed:
        reason = "its owner ended, nothing happened in it any more, and the pool's own metric has as many out"
        return Opinion(Verdict.LEAKED, reason, owner, "metric")
    if world.stray_closes >= world.opened:
        return Opinion(Verdict.SUSPECTED, "as many releases came without their acquire: spans get lost here", owner)
    if beside.cut:
        reason = (
            "it worked longer than nearly all that came back, as its like did: cancelled, and closed without a word"
        )
        return Opinion(None, reason, owner)
    if beside.strange and beside.path is not None and beside.path.opened > _MOST_OF_A_POOL:
        return Opinion(None, "none of its operation came back, and they are more than a pool lends: it has none", owner)
    return _by_loss(owner, world, beside.path)


def _by_loss(owner: Owner, world: World, path: Path | None) -> Opinion:
    """Nobody but the spans speaks of it: how many would be open if some got lost and no more?"""
    if world.common(path):
        return Opinion(
            None, "as many of its kind are open as lost spans explain: its end is most likely among them", owner
        )
    if world.silent:
        reason = "its owner ended, but no connection of this process has come back yet to compare it with"
        return Opinion(Verdict.SUSPECTED, reason, owner)
    lost = world.lost_on(path)
    if world.chance_on(path) >= _RARE or lost > _MOST_LOST:
        reason = f"lost spans could explain up to {round(100 * lost)} % of these"
        return Opinion(Verdict.SUSPECTED, reason, owner)
    reason = "its owner ended, nothing happened in it any more, and no release came"
    return Opinion(Verdict.LEAKED, reason, owner)


def acquired_at(signals: Sequence[Signal]) -> Instant:
    """When the hold began, as early as anything shows."""
    openers = [one for one in signals if one.role is Role.OPEN]
    said = [one.at for one in openers if one.kind is SignalKind.ACQUIRED]
    return min(said) if said else min((one.started for one in openers), default=signals[0].started)


# Every hold of a world asks for the same number.
@lru_cache(maxsize=1024)
def _at_least(count: int, of: int, chance: float) -> float:
    """P(X >= count) for X binomial(of, chance), by summing in logarithms; 1 where it is half or more."""
    # Up to the mean there is nothing to decide, and a million terms to add.
    if count <= of * chance or chance >= 1:
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
