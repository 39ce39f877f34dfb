"""What the judge is told: everything it needs to know of a window, gathered in a few questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tracecollect.lifecycle.dialects import Dialect, shipped
from tracecollect.model import SECOND, Instant, LeakQuery, Owner, PoolSample, Signal, Window
from tracecollect.ports import Borrow, HoldReader, InstanceSeen, KeyTotals, OpenKey, SpanLoss

DAY = 86400 * SECOND
_LEAST_MEASURED = 20_000


@dataclass(frozen=True, slots=True)
class Facts:
    """One window of the world. `signals` are those of the open keys only: the small remainder."""

    window: Window
    grace: int
    dialects: Mapping[str, Dialect]
    signals: Mapping[OpenKey, tuple[Signal, ...]] = field(default_factory=dict)
    owners: Mapping[tuple[str, str], tuple[Owner, ...]] = field(default_factory=dict)
    totals: Sequence[KeyTotals] = ()
    loss: Mapping[str, SpanLoss] = field(default_factory=dict)
    borrows: Sequence[Borrow] = ()
    samples: Sequence[PoolSample] = ()
    instances: Sequence[InstanceSeen] = ()

    @property
    def now(self) -> Instant:
        """The moment that is judged."""
        return self.window.until

    def last_heard(self, instance: str) -> Instant:
        """When the process last said anything."""
        return max((one.last_at for one in self.instances if one.instance == instance), default=Instant(0))


def window_of(query: LeakQuery, now: Instant) -> Window:
    """The window that a query asks about; a day when it does not say."""
    until = now if query.as_of is None else query.as_of
    return Window(Instant(until - DAY) if query.since is None else query.since, until)


def gather(reader: HoldReader, query: LeakQuery, now: Instant, *, grace: int) -> Facts:
    """Ask the store. Keys come first, facts only for what is still open: the cost follows the open holds.

    `grace` in nanoseconds.
    """
    window = window_of(query, now)
    dialects = {one.name: one for one in shipped()}
    totals = reader.totals(window, grace=grace)
    keys = open_keys(totals)
    signals: dict[OpenKey, list[Signal]] = {key: [] for key in keys}
    for one in reader.signals_of_keys(keys, window):
        signals[OpenKey(one.instance, one.dialect, one.pair, one.key)].append(one)
    samples = reader.samples(window)
    # Only pools that have something out can have something leaked.
    out = {one.instance for one in samples if one.measure == "used" and one.value > 0}
    owners: dict[tuple[str, str], list[Owner]] = {}
    for owner in reader.owners({one.trace_id for found in signals.values() for one in found if one.trace_id}):
        owners.setdefault((owner.instance, owner.trace_id), []).append(owner)
    accused = {one.service for found in signals.values() for one in found}
    return Facts(
        window=window,
        grace=grace,
        dialects=dialects,
        signals={key: tuple(found) for key, found in signals.items() if found},
        owners={key: tuple(found) for key, found in owners.items()},
        totals=totals,
        loss={one.instance: one for one in reader.loss(accused, window, grace=grace, enough=_enough(totals))},
        borrows=reader.borrows(out, window) if out else (),
        samples=samples,
        instances=reader.instances(window),
    )


def open_keys(totals: Sequence[KeyTotals]) -> Sequence[OpenKey]:
    """The open keys of pairs that can accuse: one that never closed anything in its process proves nothing there."""
    closing = {(one.instance, one.dialect, one.pair) for one in totals if one.closed or one.stray_closes}
    return [
        OpenKey(one.instance, one.dialect, one.pair, key)
        for one in totals
        if (one.instance, one.dialect, one.pair) in closing
        for key in one.open_keys
    ]


def _enough(totals: Sequence[KeyTotals]) -> int:
    """How many spans tell the loss so well that the open holds of every process can be weighed against it.

    With none missing of n, what loss could explain is keys / n of the open ones: for a fiftieth, n is 50 × keys / open.
    """
    return sum(max(_LEAST_MEASURED, 50 * one.keys // len(one.open_keys)) for one in totals if one.open_keys)
