"""Names for libraries that only say "acquired": who is left when everybody else is accounted for.

A pool opens a connection only when none is idle. At that moment every earlier borrow whose owner has ended either
gave its connection back and somebody took it again, or has not given it back. An acquire that opened nothing took a
connection that somebody had given back: where only one can have been it, that one is cleared.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from tracecollect.model import SECOND
from tracecollect.ports import Borrow

# A handler may still give its connection back while its response is on the way out.
_MARGIN = SECOND // 20
# Some runtimes' clocks count whole milliseconds.
_TICK = 2_000_000
# Beyond this many at once every reuse is ambiguous, and looking at all of them costs.
_MOST_OPEN = 500
# Pools close what was idle for a while, node-postgres after 10 s, the soonest: beyond it "none was idle" tells nothing.
_IDLE = 10 * SECOND
# A path of which this share stays out more often than another is the likelier of two; a closer call stays undecided.
_CLEARLY = 0.25


@dataclass(frozen=True, slots=True)
class Eliminated:
    """The borrows of one pool that did not give their connection back. `certain`: nobody else can have been it.

    `likely`: another borrow may have been the one that gave its connection back, but rarely does not.
    """

    certain: tuple[Borrow, ...] = ()
    likely: tuple[Borrow, ...] = ()


def eliminate(borrows: Sequence[Borrow], known: Collection[str] = ()) -> Eliminated:
    """Who is left, from the borrows of one pool in order of acquire.

    `known`: the traces of which something else has told that they gave nothing back.
    """
    if not any(one.fresh for one in borrows):
        return Eliminated()
    plain = _Round({}, known)
    plain.run(borrows)
    if not plain.doubted:
        return Eliminated(tuple(plain.certain))
    # What is certain of each path decides what is ambiguous; a path with no history decides nothing.
    weighed = _Round(plain.rates(), known)
    weighed.run(borrows)
    told = {id(one) for one in plain.certain}
    likely = (one for one in (*weighed.certain, *weighed.doubted) if id(one) not in told)
    return Eliminated(tuple(plain.certain), tuple(one for one in likely if weighed.rate(one) >= 0.5))


class _Round:
    """One pass over the borrows of a pool."""

    def __init__(self, rates: dict[tuple[str, str], float], known: Collection[str]) -> None:
        self.certain: list[Borrow] = []
        self.doubted: list[Borrow] = []
        self._cleared: list[Borrow] = []
        self._rates = rates
        self._known = known
        self._out: dict[int, Borrow] = {}
        self._unclear: dict[int, int] = {}

    def run(self, borrows: Iterable[Borrow]) -> None:
        for one in borrows:
            if one.fresh:
                self._none_was_idle(one)
            else:
                self._somebody_gave_back(one)
            if one.trace_id not in self._known:
                self._out[id(one)] = one
            if len(self._out) > _MOST_OPEN:
                self._forget(next(iter(self._out)))

    def rates(self) -> dict[tuple[str, str], float]:
        """How often borrows of each path stayed out, of those of which it is certain."""
        counts: dict[tuple[str, str], list[int]] = {}
        for found, position in ((self.certain, 0), (self._cleared, 1)):
            for one in found:
                counts.setdefault(_path(one), [0, 0])[position] += 1
        return {path: (out + 0.5) / (out + back + 1) for path, (out, back) in counts.items()}

    def rate(self, one: Borrow) -> float:
        """How often borrows like this one stay out; a path without history never does."""
        return self._rates.get(_path(one), 0.0)

    def _none_was_idle(self, opened: Borrow) -> None:
        for key, one in list(self._out.items()):
            if one.owner_end is None or one.owner_end + _MARGIN >= opened.began:
                continue
            if opened.began - one.owner_end > _IDLE or one.failed:
                # It may have come back and been closed since.
                self._forget(key)
                continue
            (self.doubted if self._unclear.get(key) else self.certain).append(one)
            self._forget(key)

    def _somebody_gave_back(self, taken: Borrow) -> None:
        can = [key for key, one in self._out.items() if one.last_use <= taken.at + _TICK]
        if self._rates and len(can) > 1:
            least = min(map(self.rate, (self._out[key] for key in can)))
            can = [key for key in can if self.rate(self._out[key]) <= least + _CLEARLY]
        if len(can) == 1:
            self._cleared.append(self._out[can[0]])
            self._forget(can[0])
            return
        for key in can:
            self._unclear[key] = self._unclear.get(key, 0) + 1

    def _forget(self, key: int) -> None:
        self._out.pop(key)
        self._unclear.pop(key, None)


def _path(one: Borrow) -> tuple[str, str]:
    return one.entry, one.statement
