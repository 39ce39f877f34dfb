"""Questions about connections: facts out of the store, judged by `lifecycle`, kept in the book of findings."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from dataclasses import replace

from tracecollect.errors import Ambiguous, NotFound
from tracecollect.lifecycle.dialects import shipped
from tracecollect.lifecycle.facts import DAY, Facts, gather, window_of
from tracecollect.lifecycle.holds import follow, judged, owners_in
from tracecollect.lifecycle.judge import ACCUSING, judge_all, revise
from tracecollect.lifecycle.pools import reports, span_names
from tracecollect.model import (
    Coverage,
    Finding,
    Hold,
    Instant,
    LeakQuery,
    LeakReport,
    Lifecycle,
    PoolReport,
    PoolSample,
    Signal,
    Span,
    Starvation,
    Starved,
    Window,
)
from tracecollect.ports import Store
from tracecollect.storage import starvation
from tracecollect.storage.beside import Beside
from tracecollect.storage.following import followed

# What one picture or list can still show; the newest are kept.
_MOST_SIGNALS = 5_000
_MOST_HOLDS = 2_000
# Healthy holds of the same operation beside the leaked ones: the difference is the explanation.
_TWINS = 5
# Of so many newest signals of a pool they are taken; and so many holds that are no open ones any more are asked for.
_TELLING = 500
_MOST_ASKED = 50


class Connections:
    """Asks the store and lets `lifecycle` judge. Safe from any thread."""

    def __init__(self, store: Store, *, grace: int) -> None:
        self._store = store
        self._grace = grace
        self._beside = Beside(2, thread_name_prefix="judged")
        self._book = threading.Lock()
        self._last: tuple[Facts, LeakReport] | None = None

    def close(self) -> None:
        """End what is asked beside. Idempotent."""
        self._beside.shutdown()

    def leaks(self, query: LeakQuery, now: Instant) -> LeakReport:
        """Every pool as of a moment. What is said now and of everything is kept; what-if questions are not."""
        return _only(self._judged(query, now)[1], query)

    def of_trace(self, signals: Iterable[Signal], spans: Iterable[Span]) -> tuple[Hold, ...]:
        """The holds of one trace, with the verdicts that were said last."""
        holds = follow(signals, owners_in(spans), {one.name: one for one in shipped()})
        return judged(holds, self._store.findings()) if any(one.released_at is None for one in holds) else holds

    def lifecycle_of_trace(self, trace_id: str, spans: Iterable[Span], query: LeakQuery, now: Instant) -> Lifecycle:
        """The holds of one trace, judged as of a moment."""
        facts, report = self._judged(query, now)
        holds = judged(self.of_trace(self._store.signals_of_trace(trace_id), spans), report.findings)
        return _drawn(f"trace {trace_id}", holds, (), facts)

    def of_finding(self, finding: Finding, query: LeakQuery, now: Instant) -> Lifecycle:
        """The holds that a finding names, beside healthy ones of the same operation; if it names none, the pool's."""
        facts, report = self._judged(query, now)
        pools = [one for one in report.coverage if one.pool == finding.pool and one.service == finding.service]
        named = {one.trace_id for one in finding.instances}
        mine = [one for one in pools if finding.instance in ("", one.instance)]
        found = self._beside_named(facts, finding, mine) if named else self._holds(pools, facts.window)
        holds = judged(found, (finding, *report.findings))
        missing = len(named - {one.trace_id for one in holds})
        drawn = _drawn(f"finding {finding.id}", holds, _samples(facts, pools), facts, finding, missing)
        return self._with_process(drawn, pools)

    def of_pool(self, name: str, query: LeakQuery, now: Instant) -> Lifecycle:
        """The holds and metrics of one pool, of every instance that has one of that name."""
        facts, report = self._judged(query, now)
        pools = _of_name(name, _only(report, replace(query, pool="")).coverage)
        holds = judged(self._holds(pools, facts.window), report.findings)
        return self._with_process(_drawn(f"pool {pools[0].pool}", holds, _samples(facts, pools), facts), pools)

    def pools(self, query: LeakQuery, now: Instant) -> Sequence[PoolReport]:
        """Every pool with its newest numbers."""
        facts, report = self._judged(query, now)
        return reports(facts, _only(report, query))

    def starved(self, spans: Sequence[Span], query: LeakQuery, now: Instant) -> Sequence[Starved]:
        """The long waits of one trace, and who had the connections then. An old trace is looked at with its day."""
        began = min(one.start for one in spans)
        if query.since is None and began < window_of(query, now).since:
            query = replace(query, since=Instant(began - DAY))
        facts, report = self._judged(query, now)
        found = starvation.of_trace(self._store, facts, report, spans)
        return [one for one in found if query.service in ("", one.service) and query.pool in ("", one.pool)]

    def starvation_of_finding(self, finding: Finding, query: LeakQuery, now: Instant) -> Starvation:
        """Who kept whom waiting for the pool of a finding."""
        facts, report = self._judged(query, now)
        pools = starvation.pools_of(report, finding.service, finding.pool)
        return starvation.of_pool(self._store, facts, report, pools)

    def starvation_of_pool(self, name: str, query: LeakQuery, now: Instant) -> Starvation:
        """Who kept whom waiting for the pool of that name."""
        facts, report = self._judged(query, now)
        pools = _of_name(name, _only(report, replace(query, pool="")).coverage)
        return starvation.of_pool(self._store, facts, report, pools)

    # --- inside -------------------------------------------------------------------------------------

    def _judged(self, query: LeakQuery, now: Instant) -> tuple[Facts, LeakReport]:
        grace = self._grace if query.grace is None else query.grace
        plain = query.as_of is None and query.since is None and grace == self._grace
        if plain and not query.fresh and self._last is not None:
            return self._last
        facts = gather(self._store, query, now, grace=grace, beside=self._beside)
        report, said = judge_all(facts)
        if not plain:
            return facts, report
        with self._book:
            before = self._store.findings()
            revision = revise(before, report, facts.window.since, said)
            if revision.changed:
                self._store.record(revision.changed, now, revision.reasons)
        self._last = facts, _with_retracted(report, (*before, *revision.changed), facts.window.since)
        return self._last

    def _with_process(self, drawn: Lifecycle, pools: Sequence[Coverage]) -> Lifecycle:
        """What the pools' processes said of themselves in the stretch that is drawn."""
        services, instances = {one.service for one in pools}, {one.instance for one in pools}
        return replace(drawn, process=tuple(self._store.process(services, instances, drawn.window)))

    def _beside_named(self, facts: Facts, finding: Finding, pools: Sequence[Coverage]) -> tuple[Hold, ...]:
        """What a finding names, out of the facts it was judged by, and the newest healthy holds of its operation."""
        named = {one.trace_id for one in finding.instances}
        known = [one for found in facts.signals.values() for one in found if one.trace_id in named]
        owners = [one for found in facts.owners.values() for one in found if one.trace_id in named]
        # What was given back since is no fact about an open hold any more.
        gone = sorted(named - {one.trace_id for one in known})[:_MOST_ASKED]
        more = followed(self._store, [one for trace_id in gone for one in self._store.signals_of_trace(trace_id)])
        newest = [
            one
            for pool in pools[:_TWINS]
            for one in self._store.signals_of_pool(pool.instance, pool.pool, facts.window, _TELLING)
            if one.trace_id not in named
        ]
        twins = [one for one in followed(self._store, newest) if _entry(one) == finding.entry]
        guilty = follow(known, owners, facts.dialects)
        return tuple(sorted((*guilty, *more, *twins[-_TWINS:]), key=lambda one: one.acquired_at))

    def _holds(self, pools: Iterable[Coverage], window: Window) -> tuple[Hold, ...]:
        found: list[Hold] = []
        for one in pools:
            found += followed(self._store, self._store.signals_of_pool(one.instance, one.pool, window, _MOST_SIGNALS))
        return tuple(sorted(found, key=lambda one: one.acquired_at))


def _entry(hold: Hold) -> str:
    return hold.owner.name if hold.owner is not None else ""


def _drawn(
    title: str,
    holds: Sequence[Hold],
    samples: Sequence[PoolSample],
    facts: Facts,
    finding: Finding | None = None,
    missing: int = 0,
) -> Lifecycle:
    """At most so many holds, and the window that they and the samples span."""
    # Open ones first: a picture that leaves out the leak is none.
    kept = sorted(holds, key=lambda one: (one.released_at is not None, -one.acquired_at))[:_MOST_HOLDS]
    shown = tuple(sorted(kept, key=lambda one: one.acquired_at))
    moments = [one.acquired_at - one.wait for one in shown] + [one.at for one in samples]
    moments += [one.released_at if one.released_at is not None else _seen_until(one, facts) for one in shown]
    moments += [one.owner.end for one in shown if one.owner is not None]
    window = Window(Instant(min(moments, default=0)), Instant(max(moments, default=0) + 1))
    return Lifecycle(title, window, shown, tuple(samples), finding, len(holds) - len(shown) + missing)


def _seen_until(hold: Hold, facts: Facts) -> Instant:
    """Until when an open hold is known to be open: as long as its process said anything."""
    return max(hold.last_used_at, min(facts.now, facts.last_heard(hold.instance)))


def _samples(facts: Facts, pools: Iterable[Coverage]) -> Sequence[PoolSample]:
    """The pools' own numbers, whatever their metrics call them."""
    names = span_names(facts)
    wanted = {(one.instance, one.pool) for one in pools}
    return [
        one
        for one in facts.samples
        if (one.instance, names.get((one.instance, one.dialect, one.pool), one.pool)) in wanted
    ]


def _of_name(name: str, coverage: Sequence[Coverage]) -> Sequence[Coverage]:
    """The pools of that name, else of the one name that contains it. Raises `NotFound`, `Ambiguous`."""
    exact = [one for one in coverage if one.pool == name]
    if exact:
        return exact
    near = sorted({one.pool for one in coverage if name and name in one.pool})
    if len(near) > 1:
        raise Ambiguous(f"{name} fits {len(near)} pools", tuple(near[:20]))
    if not near:
        raise NotFound(f"there is no pool {name}", hint="tracecollect pools lists them; a longer --since may help")
    return [one for one in coverage if one.pool == near[0]]


def _with_retracted(report: LeakReport, known: Sequence[Finding], since: Instant) -> LeakReport:
    """What was said and is not true any more stays in sight as long as its leaks lie in the window."""
    told = {one.id for one in report.findings}
    latest = {one.id: one for one in known}
    more = (
        one for one in latest.values() if one.id not in told and one.verdict not in ACCUSING and one.last_at >= since
    )
    return replace(report, findings=(*report.findings, *more))


def _only(report: LeakReport, query: LeakQuery) -> LeakReport:
    """The part about one service and one pool."""

    def wanted(one: Finding | Coverage) -> bool:
        return query.service in ("", one.service) and query.pool in ("", one.pool)

    if not query.service and not query.pool:
        return report
    return replace(
        report, findings=tuple(filter(wanted, report.findings)), coverage=tuple(filter(wanted, report.coverage))
    )
