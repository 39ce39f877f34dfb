"""The connection half of the real store: keeps the dialects' views current and asks what the judge needs to know."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import replace
from functools import partial
from itertools import pairwise

from tracecollect.lifecycle.dialects import Dialect
from tracecollect.model import SECOND, Instant, Owner, PoolSample, Signal, Window
from tracecollect.ports import InstanceSeen, KeyTotals, LateReturns, OpenKey, Returns, SpanLoss
from tracecollect.storage.engine import Engine
from tracecollect.storage.remembered import Remembered
from tracecollect.storage.rows import signal
from tracecollect.storage.traffic import StoredTraffic
from tracecollect.storage.views import DialectViews
from tracecollect.storage.witnesses import bounds

_log = logging.getLogger(__name__)
# More open holds than this in one window are a catastrophe that needs no exact number.
_MOST_KEYS = 20_000
_MOST_SAMPLES = 1_000_000
_MOST_CLOSED = 200_000
# So many spans tell how a path behaves; of more, a share of the traces is read.
_TELLING = 100_000
_MINUTE = 60 * SECOND
# A question that looks at all keys holds some 350 bytes for each.
_KEYS_AT_ONCE = 250_000
_EVER = Window(Instant(0), Instant(2**62))


class StoredHolds(StoredTraffic):
    """Implements `ports.HoldReader` and late returns with SQL over what the views made."""

    def __init__(self, engine: Engine, dialects: Sequence[Dialect] | None = None) -> None:
        super().__init__(engine, dialects)
        self._facts = Remembered(self._facts_of, joined=_facts_once, newest=partial(self._newest, "connection_signals"))
        pairs = [(one, pair) for one in self._dialects for pair in one.pairs.values()]
        # Rows written by an older meaning of a dialect are passed over: the version is part of the name.
        self._pairs = [f"{one.name}/{pair.name}/{one.version}" for one, pair in pairs]
        self._keyed = {
            f"by_{rule}": [(one.name, pair.name) for one, pair in pairs if pair.open_if == rule]
            for rule in ("last", "count", "none", "cover")
        } | {"pairs": [(one.name, pair.name, one.version) for one, pair in pairs]}
        self._versions = [f"{one.name}/{one.version}" for one in self._dialects]
        self._views = DialectViews(engine, self._dialects)

    # --- keys and signals ---------------------------------------------------------------------------

    def signals_of_keys(self, keys: Iterable[OpenKey], window: Window) -> Sequence[Signal]:
        """The facts of these keys in order of time."""
        wanted = set(keys)
        if not wanted:
            return []
        known = self._facts.of(wanted, window)
        found = [one for told in known.values() for one in told if window.since <= one.at <= window.until]
        return sorted(found, key=lambda one: one.at)

    def _facts_of(self, keys: Set[OpenKey], window: Window, after: int) -> Mapping[OpenKey, tuple[Signal, ...]]:
        found = self._engine.each(
            "holds_facts",
            # What a clock that is ahead says of later is remembered for then.
            **bounds(Window(window.since, _EVER.until)),
            pairs=self._pairs,
            dialects=sorted({one.dialect for one in keys}),
            instances=sorted({one.instance for one in keys}),
            keys=sorted({one.key for one in keys}),
            after=after,
        )
        told: dict[OpenKey, list[Signal]] = {}
        for one in map(signal, found):
            if (key := OpenKey(one.instance, one.dialect, one.pair, one.key)) in keys:
                told.setdefault(key, []).append(one)
        return {key: tuple(said) for key, said in told.items()}

    def signals_of_trace(self, trace_id: str) -> Sequence[Signal]:
        """Every signal of one trace in order of time."""
        return [signal(row) for row in self._engine.each("holds_of_trace", trace_id=trace_id, pairs=self._pairs)]

    def signals_of_pool(self, instance: str, pool: str, window: Window, limit: int) -> Sequence[Signal]:
        """The newest signals of one pool in order of time."""
        found = self._engine.rows(
            "holds_of_pool", **bounds(window), instance=instance, pool=pool, pairs=self._current, limit=limit
        )
        return [signal(row) for row in reversed(found)]

    # --- the world around them ----------------------------------------------------------------------

    def owners(self, trace_ids: Iterable[str]) -> Sequence[Owner]:
        """Entry spans of these traces in order of start."""
        return self.lived(trace_ids, _EVER).owners

    def totals(self, window: Window, *, grace: int) -> Sequence[KeyTotals]:
        """Opened and closed keys per instance, dialect, pair and pool, and the keys that are open."""
        self._engine.give_back()  # what it kept of inserts and merges and this question would be in memory together
        first, last = -(-window.since // _MINUTE) * 60, window.until // _MINUTE * 60
        minutes = {"first_minute": _clipped(first), "last_minute": _clipped(last)}
        asked = bounds(window) | minutes | {"grace": grace, "limit": _MOST_KEYS} | self._keyed
        # The minutes that are read signal by signal have keys as well.
        touched = {"first_minute": _clipped(window.since // _MINUTE * 60), "last_minute": _clipped(last + 60)}
        rows = self._engine.rows("holds_keys", **touched)[0]["rows"]
        found = (
            one
            for lowest, highest in _ranges(-(-rows // _KEYS_AT_ONCE) or 1)
            for one in self._engine.rows("holds_totals", **asked, lowest=lowest, highest=highest)
        )
        return _joined(
            KeyTotals(
                row["service"],
                row["instance"],
                row["dialect"],
                row["pair"],
                row["pool"],
                row["keys"],
                row["closed"],
                row["stray"],
                row["acquired"],
                Instant(row["first_ns"]),
                Instant(row["last_ns"]),
                tuple(row["open_keys"]),
                row["held"],
            )
            for row in found
        )

    def loss(self, services: Iterable[str], window: Window, *, grace: int, enough: int) -> Sequence[SpanLoss]:
        """Measured span loss of these services' instances, of a sample of their traces when they are many."""
        asked = set(services)
        if not asked:
            return []
        spans = sum(one.spans for one in self.instances(window) if one.service in asked)
        question = bounds(window) | {"services": sorted(asked), "grace": grace}
        found = self._engine.rows("holds_loss", **question, below=_share_of_ids(enough, spans))
        if not found and spans > enough:  # ids that do not begin at random (X-Ray's begin with the time)
            found = self._engine.rows("holds_loss", **question, below=_ALL_IDS)
        return [SpanLoss(row["instance"], row["referred"], row["missing"]) for row in found]

    def returns(self, instances: Iterable[str], window: Window) -> Returns:
        """How the paths of these processes give back, from a sample of the traces where they are many."""
        wanted = set(instances)
        spans = sum(one.spans for one in self.instances(window) if one.instance in wanted)
        asked = self._of(wanted, window) | {"limit": _MOST_CLOSED}
        found, share = list(self._rows("holds_returns", asked | {"below": _share_of_ids(_TELLING, spans)})), 1.0
        if found and spans > _TELLING:
            share = _TELLING / spans
        elif spans > _TELLING:
            found = list(self._rows("holds_returns", asked | {"below": _ALL_IDS}))
        names = ("instance", "dialect", "pair", "entry", "closed", "late", "latest", "lasted")
        return Returns([LateReturns(**{name: row[name] for name in names}) for row in found], share)

    def samples(self, window: Window, instance: str = "", pool: str = "") -> Sequence[PoolSample]:
        """Pool metrics under canonical names in order of time."""
        found = self._engine.each(
            "holds_samples",
            **bounds(window),
            dialects=self._versions,
            instance=instance,
            pool=pool,
            limit=_MOST_SAMPLES,
        )
        samples = [
            PoolSample(
                row["service"],
                row["instance"],
                row["dialect"],
                row["pool"],
                row["measure"],
                Instant(row["at_ns"]),
                row["value"],
                Instant(row["since_ns"]),
                tuple(row["trace_ids"]),
            )
            for row in found
        ]
        return self._once(samples)

    def _once(self, samples: Sequence[PoolSample]) -> Sequence[PoolSample]:
        """Without the metrics of dialects that say again what another one says of the same process."""
        yielding = {one.name: one.yields_to for one in self._dialects if one.yields_to}
        counting = {(one.instance, one.dialect) for one in samples if one.measure == "used"}
        return [
            one
            for one in samples
            if not any((one.instance, other) in counting for other in yielding.get(one.dialect, ()))
        ]

    def instances(self, window: Window) -> Sequence[InstanceSeen]:
        """Every (instance, scope) heard of in the window."""
        return [
            InstanceSeen(
                row["service"],
                row["instance"],
                row["scope"],
                row["spans"],
                Instant(row["first_ns"]),
                Instant(row["last_ns"]),
                Instant(row["arrived_ns"]),
                tuple(row["systems_seen"]),
            )
            for row in self._engine.rows("holds_instances", **bounds(window))
        ]


def _clipped(seconds: int) -> int:
    """A moment that the engine's DateTime can hold."""
    return max(0, min(seconds, 2**32 - 1))


_ALL_IDS = "g"  # after every hexadecimal digit
_ID_PREFIXES = 1 << 16


def _share_of_ids(enough: int, spans: int) -> str:
    """The trace id below which a share of all ids lies: such a sample reads that share of the table only."""
    share = enough / max(1, spans)
    return _ALL_IDS if share >= 1 else f"{max(1, round(share * _ID_PREFIXES)):04x}"


def _facts_once(told: Sequence[Signal], more: Sequence[Signal]) -> tuple[Signal, ...]:
    """Facts of one key, each once: the same may be delivered again much later."""
    known = {_fact(one) for one in told}
    return (*told, *(one for one in more if _fact(one) not in known))


def _fact(one: Signal) -> tuple[str, ...]:
    return one.service, one.kind, one.role, str(one.at), one.trace_id, one.span_id


def _ranges(parts: int) -> Iterator[tuple[int, int]]:
    """All ids of 64 bits in ranges of the same size."""
    ends = [2**64 * part // parts for part in range(parts + 1)]
    return ((lowest, end - 1) for lowest, end in pairwise(ends))


def _joined(totals: Iterable[KeyTotals]) -> Sequence[KeyTotals]:
    """What was counted of ranges of keys as one."""
    known: dict[tuple[str, ...], KeyTotals] = {}
    for one in totals:
        name = (one.service, one.instance, one.dialect, one.pair, one.pool)
        known[name] = one.plus(known[name]) if name in known else one
    return [replace(known[name], open_keys=known[name].open_keys[:_MOST_KEYS]) for name in sorted(known)]
