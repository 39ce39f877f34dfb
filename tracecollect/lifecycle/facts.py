"""What the judge is told: everything it needs to know of a window, gathered in a few questions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, replace
from typing import ParamSpec, Protocol, TypeVar

from tracecollect.lifecycle.dialects import Dialect, shipped
from tracecollect.lifecycle.uses import telling, with_uses
from tracecollect.lifecycle.verdicts import ABANDONED, Owners, by_request
from tracecollect.model import SECOND, Instant, LeakQuery, PoolSample, Signal, Window
from tracecollect.ports import (
    Borrow,
    HoldReader,
    InstanceSeen,
    KeyTotals,
    OpenKey,
    Returns,
    Served,
    Session,
    SpanLoss,
    Taken,
    Wait,
    WitnessReader,
)

P = ParamSpec("P")
T = TypeVar("T")
DAY = 86400 * SECOND
_LEAST_MEASURED = 20_000
_MOST_MOMENTS = 300
EVENTS = "connection-events"
PROBE = "tracecollect.probe"
"""The scope of the probe's events and metrics."""
# The probe's, and those of the emitters in docs/emitters: they tell of both ends of every hold.
_TELL_BOTH = frozenset({PROBE, "connevents", "observed.jdbc", "pg.connection-events"})
# Connections that the threads of a service keep are as silent as forgotten ones, but they are few.
_MANY = 10
# A connection is there in less; who waits longer than this stands in a queue.
LONG_WAIT = SECOND // 10


class Reader(HoldReader, WitnessReader, Protocol):
    """The two halves of what a store tells about connections."""


@dataclass(frozen=True, slots=True)
class Facts:
    """One window of the world. `signals` are those of the open keys only: the small remainder.

    The second half is asked only where somebody may be accused: identities (`taken`), minutes heard of, how paths give
    back, waits, requests served, how many entry spans lived (`alive`, by instance and moment), and sessions that the
    database saw idle in a transaction, by the trace that used each last; `activity` is what each process last did for
    a trace. `whole` are pools, by instance, dialect and name, of which each return is told: none needs to have come.
    `places` is where events say that a pool leads, by instance and name; asked where others speak of another pool.
    """

    window: Window
    grace: int
    dialects: Mapping[str, Dialect]
    signals: Mapping[OpenKey, tuple[Signal, ...]] = field(default_factory=dict)
    owners: Owners = field(default_factory=dict)
    totals: Sequence[KeyTotals] = ()
    loss: Mapping[str, SpanLoss] = field(default_factory=dict)
    borrows: Sequence[Borrow] = ()
    samples: Sequence[PoolSample] = ()
    instances: Sequence[InstanceSeen] = ()
    taken: Sequence[Taken] = ()
    minutes: Mapping[str, Sequence[int]] = field(default_factory=dict)
    returns: Returns = field(default_factory=Returns)
    waits: Sequence[Wait] = ()
    served: Mapping[str, Served] = field(default_factory=dict)
    alive: Mapping[str, Mapping[Instant, int]] = field(default_factory=dict)
    sessions: Mapping[str, Session] = field(default_factory=dict)
    activity: Mapping[tuple[str, str], Instant] = field(default_factory=dict)
    whole: frozenset[tuple[str, str, str]] = frozenset()
    places: Mapping[tuple[str, str], str] = field(default_factory=dict)
    ended: bool = False

    @property
    def now(self) -> Instant:
        """The moment that is judged."""
        return self.window.until

    @property
    def probed(self) -> Collection[str]:
        """The instances in which the probe tells of every hold."""
        return {one.instance for one in self.instances if one.scope == PROBE}

    @property
    def led_to(self) -> Collection[tuple[str, str]]:
        """The databases, by instance and name, that a pool of events leads to."""
        return {(instance, place) for (instance, _), place in self.places.items()}

    def last_heard(self, instance: str) -> Instant:
        """When the process last said anything."""
        return max((one.last_at for one in self.instances if one.instance == instance), default=Instant(0))

    def first_heard(self, instance: str) -> Instant:
        """When the process first said anything in this window."""
        return min((one.first_at for one in self.instances if one.instance == instance), default=Instant(0))


def window_of(query: LeakQuery, now: Instant) -> Window:
    """The window that a query asks about; a day when it does not say."""
    until = now if query.as_of is None else query.as_of
    return Window(Instant(until - DAY) if query.since is None else query.since, until)


class InTurn(Executor):
    """Asks each question when it is given, one after the other."""

    def submit(self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        """The answer, which is there already. Raises what the question raises."""
        answered: Future[T] = Future()
        answered.set_result(fn(*args, **kwargs))
        return answered


def gather(
    reader: Reader,
    query: LeakQuery,
    now: Instant,
    *,
    grace: int,
    only: Collection[str] | None = None,
    beside: Executor | None = None,
) -> Facts:
    """Ask the store. Keys come first, facts only for what is still open: the cost follows the open holds.

    `grace` in nanoseconds; `only` these instances, None: all; `beside` asks what does not wait for another answer.
    """
    ask = beside or InTurn()

    def wanted(one: KeyTotals | PoolSample | InstanceSeen) -> bool:
        return only is None or one.instance in only

    window = window_of(query, now)
    samples, instances = ask.submit(reader.samples, window), ask.submit(reader.instances, window)
    totals = list(filter(wanted, reader.totals(window, grace=grace)))
    measured, heard = list(filter(wanted, samples.result())), list(filter(wanted, instances.result()))
    whole = _whole(totals, measured, heard)
    places = ask.submit(reader.places, _of_two_names(totals))
    dialects = {one.name: one for one in shipped()}
    keys = open_keys(totals, whole, dialects)
    asked = [OpenKey(one.instance, one.dialect, one.pair, key) for one in totals for key in one.open_keys]
    signals: dict[OpenKey, list[Signal]] = {key: [] for key in (asked if query.ended else keys)}
    for one in with_uses(reader.signals_of_keys({*signals, *telling(signals, dialects)}, window), dialects):
        if (key := OpenKey(one.instance, one.dialect, one.pair, one.key)) in signals:
            signals[key].append(one)
    if query.ended:
        # Who says that its process ended while it was held needs nobody else's return to be believed.
        told = {key for key, found in signals.items() if any(one.reason == ABANDONED for one in found)}
        signals = {key: found for key, found in signals.items() if key in told.union(keys)}
    facts = Facts(
        window=window,
        grace=grace,
        dialects=dialects,
        signals={key: tuple(found) for key, found in signals.items() if found},
        totals=totals,
        samples=measured,
        instances=heard,
        whole=whole,
        places=places.result(),
        ended=query.ended,
    )
    return _with_witnesses(facts, reader, ask)


def _with_witnesses(facts: Facts, reader: Reader, ask: Executor) -> Facts:
    """What only those are asked for who may be accused: processes with open keys, and with connections out."""
    accused = {key.instance for key in facts.signals}
    # Only pools that have something out can have something leaked.
    out = {one.instance for one in facts.samples if one.measure in ("used", "acquires") and one.value > 0}
    services = {one.service for found in facts.signals.values() for one in found}
    services |= {one.service for one in facts.samples if one.instance in out}
    window, grace = facts.window, facts.grace
    either = accused | out
    traces = {one.trace_id for found in facts.signals.values() for one in found if one.trace_id}
    loss = ask.submit(reader.loss, services, window, grace=grace, enough=_enough(facts.totals))
    returns = ask.submit(reader.returns, accused, window)
    borrows = ask.submit(reader.borrows, out, window)
    taken = ask.submit(reader.taken, accused, window)
    minutes = ask.submit(reader.minutes, accused, window)
    waits = ask.submit(reader.waits, either, window, least=LONG_WAIT)
    served = ask.submit(reader.served, out, window)
    lived = ask.submit(reader.lived, traces, window)
    sessions = ask.submit(reader.sessions, traces, window)
    return replace(
        facts,
        alive=_alive(facts, reader, out),
        loss={one.instance: one for one in loss.result()},
        returns=returns.result(),
        borrows=borrows.result(),
        taken=taken.result(),
        minutes=minutes.result(),
        waits=waits.result(),
        served={one.instance: one for one in served.result()},
        owners=by_request(lived.result().owners),
        activity=lived.result().active,
        sessions={one.trace_id: one for one in sessions.result()},
    )


def _alive(facts: Facts, reader: Reader, out: set[str]) -> Mapping[str, Mapping[Instant, int]]:
    """Entry spans alive at each sample of processes whose borrows nobody traces: they bound what is held."""
    traced = {one.instance for one in facts.totals if one.acquired}
    found: dict[str, Mapping[Instant, int]] = {}
    for instance in sorted(out - traced):
        samples = [one for one in facts.samples if one.instance == instance and one.measure in ("used", "acquires")]
        moments = sorted({one.at for one in samples})[-_MOST_MOMENTS:]
        counts = reader.alive(samples[0].service, instance, moments, facts.window)
        if counts:
            found[instance] = dict(zip(moments, counts, strict=True))
    return found


def _whole(
    totals: Sequence[KeyTotals], samples: Sequence[PoolSample], instances: Sequence[InstanceSeen]
) -> frozenset[tuple[str, str, str]]:
    """Pools of whose returns none is missed for want of an example: they are counted, too, or have many open."""
    tell = {one.instance for one in instances if one.scope in _TELL_BOTH}
    counted = {(one.instance, one.dialect, one.pool) for one in samples if one.measure == "used"}
    held: Counter[tuple[str, str, str]] = Counter()
    for one in totals:
        if one.dialect == EVENTS and one.instance in tell:
            held[one.instance, one.dialect, one.pool] += len(one.open_keys)
    return frozenset(pool for pool, count in held.items() if pool in counted or count >= _MANY)


def _of_two_names(totals: Sequence[KeyTotals]) -> Sequence[KeyTotals]:
    """The pools of events in whose process a library speaks of a pool that no event names: it may be the same one."""
    told = {
        (one.instance, one.pool): one for one in sorted(totals, key=lambda one: one.last_at) if one.dialect == EVENTS
    }
    others = {one.instance for one in totals if one.dialect != EVENTS and (one.instance, one.pool) not in told}
    return [one for one in told.values() if one.instance in others]


def open_keys(
    totals: Sequence[KeyTotals], whole: Collection[tuple[str, str, str]], dialects: Mapping[str, Dialect]
) -> Sequence[OpenKey]:
    """The open keys of pairs that can accuse: one that never closed anything in its process proves nothing there.

    Unless its dialect says that nothing needs to have been closed.
    """
    free = {
        (one.name, pair.name) for one in dialects.values() for pair in one.pairs.values() if pair.needs == "nothing"
    }
    closing = {(one.instance, one.dialect, one.pair) for one in totals if one.closed or one.stray_closes}
    return [
        OpenKey(one.instance, one.dialect, one.pair, key)
        for one in totals
        if (one.instance, one.dialect, one.pair) in closing
        or (one.instance, one.dialect, one.pool) in whole
        or (one.dialect, one.pair) in free
        for key in one.open_keys
    ]


def _enough(totals: Sequence[KeyTotals]) -> int:
    """How many spans tell the loss so well that the open holds of every process can be weighed against it.

    With none missing of n, what loss could explain is keys / n of the open ones: for a fiftieth, n is 50 × keys / open.
    """
    needed = sum(max(_LEAST_MEASURED, 50 * one.keys // len(one.open_keys)) for one in totals if one.open_keys)
    return max(_LEAST_MEASURED, needed)
