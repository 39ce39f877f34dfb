"""What else speaks about an open hold: its physical connection, its pool's metric, the stream it came by, its path."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import TypedDict

from tracecollect.lifecycle.counts import Counted, by_worker
from tracecollect.lifecycle.dialects import Pair
from tracecollect.lifecycle.facts import Facts
from tracecollect.lifecycle.pools import span_names
from tracecollect.lifecycle.verdicts import Beside, Path, acquired_at, last_sign, last_use
from tracecollect.model import SECOND, Instant, Owner, PoolSample, Signal, SignalKind, SpanKind
from tracecollect.ports import LateReturns, OpenKey, Taken

Held = tuple[OpenKey, Sequence[Signal]]
_MINUTE = 60
_SILENT_MINUTES = 3
_YOUTH = 60 * SECOND
# A process that went on so long without taking another one has shown that it wants no more.
_SETTLED = 600 * SECOND
_FEW = 2
# So much traffic of others (each borrow is taken and given back), and of each of them as often, before a connection
# that was back would have been among them.
_LEAST_TAKEN = 6
_ROUNDS = 4
# While so large a share of those that were out had no news of it, what seems idle proves nothing.
_CROWD = 0.1
COLLECTED = "collected"
"""The pair under which dialects note what garbage collection took back."""


class Surroundings:
    """Looks around each open hold."""

    def __init__(self, facts: Facts, holds: Sequence[Held], owners: Sequence[Owner | None]) -> None:
        """`owners`: the entry span of each hold."""
        self._facts = facts
        self._identities = _Identities(facts.taken)
        self._returns = {(one.instance, one.dialect, one.pair, one.entry): one for one in facts.returns.paths}
        self._open = Counter(_path(key, owner) for (key, _), owner in zip(holds, owners, strict=True) if owner)
        self._sites = Counter(_site(key, run) for key, run in holds)
        self._long = Counter(
            path
            for (key, run), owner in zip(holds, owners, strict=True)
            if owner and self._worked_long(path := _path(key, owner), key, run)
        )

    def of(self, key: OpenKey, run: Sequence[Signal], owner: Owner | None) -> Beside:
        """Everything that is known beside the hold's own signals."""
        began, sign = acquired_at(run), last_sign(run)
        connection = next((one.connection_id for one in run if one.connection_id), "")
        path = _path(key, owner) if owner else None
        late = self._returns.get(path) if path else None
        back = Instant(max(sign, owner.end + (late.latest if late else 0))) if owner else sign
        again, missed = self._identities.after(key.instance, run[-1].pool, connection, max(began, sign), back)
        return Beside(
            taken_again=again,
            missed=missed,
            gap=_broke_off(self._facts.minutes.get(key.instance, ()), sign),
            young=self._is_young(key, run, began, owner),
            session=self._saw(run, owner),
            active=self._facts.activity.get((key.instance, run[0].trace_id), Instant(0)),
            late=late,
            path=self._kept(path, late) if path else None,
            cut=path is not None and self._worked_long(path, key, run) and 2 * self._long[path] >= self._open[path],
            strange=late is None and _shown_by_use(self._pair(key)),
            above=run[-1].kind is SignalKind.TX_ENDED and (late is None or run[0] is not self._facts.signals[key][0]),
        )

    def _kept(self, path: tuple[str, str, str, str], known: LateReturns | None) -> Path:
        share = self._facts.returns.share
        # Of a path that is not among a sample of the traces, less than one of that sample came back.
        unseen = 0.0 if share >= 1 else 1 / share
        return Path(self._open[path], known.closed / share if known else unseen)

    def _pair(self, key: OpenKey) -> Pair:
        return self._facts.dialects[key.dialect].pairs[key.pair]

    def _worked_long(self, path: tuple[str, str, str, str], key: OpenKey, run: Sequence[Signal]) -> bool:
        """Did a transaction go on for longer than nearly all of its operation that came back?"""
        known = self._returns.get(path)
        if known is None or self._pair(key).family != "C":
            return False
        return last_use(run) - acquired_at(run) > known.lasted

    def _saw(self, run: Sequence[Signal], owner: Owner | None) -> bool:
        """Did the database see the session of this request idle in a transaction after the request had ended?"""
        seen = self._facts.sessions.get(run[0].trace_id)
        return seen is not None and owner is not None and seen.last_at > owner.end + self._facts.grace

    def _is_young(self, key: OpenKey, run: Sequence[Signal], began: Instant, owner: Owner | None) -> bool:
        born, heard = self._facts.first_heard(key.instance), self._facts.last_heard(key.instance)
        if began >= born + _YOUTH or self._sites[_site(key, run)] > _FEW:
            return False
        # A request that kept one has forgotten it, unless it stays at that; a job at the start may mean to.
        settled = min(heard, self._facts.now) - began > _SETTLED
        return settled or (owner is not None and owner.kind not in (SpanKind.SERVER, SpanKind.CONSUMER))


def _path(key: OpenKey, owner: Owner) -> tuple[str, str, str, str]:
    return key.instance, key.dialect, key.pair, owner.name


def _shown_by_use(pair: Pair) -> bool:
    """Is it only seen that somebody has a connection, and not that one was taken from a pool?"""
    return (pair.family, pair.open_if, pair.entered_by) == ("B", "last", "touch")


def _site(key: OpenKey, run: Sequence[Signal]) -> tuple[str, str, str, str]:
    return key.instance, key.dialect, key.pair, run[-1].statement or run[-1].code


def _broke_off(minutes: Sequence[int], sign: Instant) -> bool:
    """Nothing came for minutes after this sign, then the process was heard of again."""
    here = sign // SECOND // _MINUTE * _MINUTE
    place = bisect_right(minutes, here)
    return place < len(minutes) and minutes[place] - here > _SILENT_MINUTES * _MINUTE


class _Identities:
    """Which physical connection was taken when."""

    def __init__(self, taken: Iterable[Taken]) -> None:
        self._by_pool: dict[tuple[str, str], dict[str, Taken]] = {}
        for one in taken:
            self._by_pool.setdefault((one.instance, one.pool), {})[one.connection_id] = one

    def after(self, instance: str, pool: str, connection: str, sign: Instant, ended: Instant) -> tuple[bool, bool]:
        """Was this connection taken again; and if not, were others so often that it would have been?

        `sign` is the last of the hold, at `ended` it would have come back. A pool that lends last in, first out never
        comes to what lies below: that this one was not there is shown by those that lay idle then or were opened since.
        After a crowd, each of whom gave one back on top of it, a few that seem so are only those whose news got lost.
        """
        known = self._by_pool.get((instance, pool), {})
        mine = known.get(connection) if connection else None
        if mine is None:
            return False, False
        if mine.at[-1] > sign:
            return True, False
        others = [one for name, one in known.items() if name != connection]
        counts = [len(one.at) - bisect_right(one.at, sign) for one in others]
        enough = sum(counts) >= max(_LEAST_TAKEN, _ROUNDS * sum(map(bool, counts)))
        if not enough:
            return False, False
        idle = sum(_lay_idle(one, ended) for one in others)
        return False, idle > 0 and idle >= _CROWD * sum(_was_out(one, ended) for one in others)


def _lay_idle(one: Taken, moment: Instant) -> bool:
    """Did it lie in the pool, or was not opened yet, and was taken afterwards?"""
    place = bisect_right(one.at, moment)
    return place < len(one.at) and one.at[place] not in one.back and not _was_out(one, moment)


def _was_out(one: Taken, moment: Instant) -> bool:
    place = bisect_right(one.at, moment)
    return place > 0 and one.at[place - 1] not in one.back


class Numbers(TypedDict):
    """What a pool's own numbers say, as `World` wants it."""

    counted: int | None
    out: int | None
    stays: int | None
    collected: int


class PoolsSay:
    """The pools' metrics, by the names that spans give the pools."""

    def __init__(self, facts: Facts, pools: Sequence[Counted]) -> None:
        self._counted = {(one.instance, one.pool): one.leaked for one in pools}
        self._out = _out(facts, max)
        probed = facts.probed
        self._stays = {pool: out for pool, out in _out(facts, min).items() if pool[0] in probed}
        self._collected = Counter[str]()
        for total in facts.totals:
            if total.pair == COLLECTED:
                self._collected[total.instance] += total.keys

    def about(self, instance: str, pools: Collection[str]) -> Numbers:
        """Over some pools of a process; a pool without a metric leaves the sum unknown."""
        counted = [self._counted.get((instance, pool)) for pool in pools]
        out = [self._out.get((instance, pool)) for pool in pools]
        stays = [self._stays.get((instance, pool)) for pool in pools]
        collected = self._collected[instance]
        return {"counted": _sum(counted), "out": _sum(out), "stays": _sum(stays), "collected": collected}


def _sum(values: Sequence[int | None]) -> int | None:
    known = [one for one in values if one is not None]
    return sum(known) if len(known) == len(values) else None


def _out(facts: Facts, choose: Callable[[Iterable[int]], int]) -> dict[tuple[str, str], int]:
    """The most, or the least, that each pool had out in its last samples, where it was measured often enough."""
    names = span_names(facts)
    told: dict[tuple[str, str, str], list[PoolSample]] = {}
    for one in facts.samples:
        if one.measure == "used" and one.at <= facts.now:
            told.setdefault((one.instance, one.dialect, one.pool), []).append(one)
    found: dict[tuple[str, str], int] = {}
    for metric, samples in told.items():
        if len(samples) > 3:
            pool = metric[0], names[metric]
            out = sum(choose(round(one.value) for one in series[-3:]) for series in by_worker(samples))
            found[pool] = max(out, found.get(pool, 0))
    return found
