"""What the judge is told: everything it needs to know of a window, gathered in a few questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tracecollect.lifecycle.dialects import Dialect, shipped
from tracecollect.model import SECOND, Instant, LeakQuery, Owner, PoolSample, Signal, Window
from tracecollect.ports import Borrow, HoldReader, InstanceSeen, KeyTotals, OpenKey, SpanLoss

DAY = 86400 * SECOND


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


def gather(reader: HoldReader, query: LeakQuery, now: Instant) -> Facts:
    """Ask the store. Keys come first and facts only for what is still open, so the cost follows the open holds."""
    window = window_of(query, now)
    dialects = {one.name: one for one in shipped()}
    keys = reader.open_keys(window, grace=query.grace)
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
        grace=query.grace,
        dialects=dialects,
        signals={key: tuple(found) for key, found in signals.items() if found},
        owners={key: tuple(found) for key, found in owners.items()},
        totals=reader.totals(window),
        loss={one.instance: one for one in reader.loss(accused, window, grace=query.grace)} if accused else {},
        borrows=reader.borrows(out, window) if out else (),
        samples=samples,
        instances=reader.instances(window),
    )
