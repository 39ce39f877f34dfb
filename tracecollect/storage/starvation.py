"""Who starved whom: the long waits of a trace or a pool and the holds around them, out of the store."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tracecollect.errors import NotFound
from tracecollect.lifecycle.blame import blames, starved
from tracecollect.lifecycle.facts import LONG_WAIT, Facts
from tracecollect.lifecycle.holds import follow, judged
from tracecollect.lifecycle.pools import only_names
from tracecollect.lifecycle.verdicts import by_request
from tracecollect.model import (
    SECOND,
    Cause,
    Coverage,
    Hold,
    Instant,
    LeakReport,
    Span,
    Starvation,
    Starved,
    Window,
)
from tracecollect.ports import OpenKey, Store, Wait
from tracecollect.storage.following import followed

# What is looked at of one pool; the newest are kept.
_MOST_SIGNALS = 20_000
_MOST_WAITS = 5_000
# Who stood before in the queue may have waited so much longer than the request that asks.
_BESIDE = 60 * SECOND


def of_trace(store: Store, facts: Facts, report: LeakReport, spans: Sequence[Span]) -> Sequence[Starved]:
    """The long waits of one trace, each with who had the pool's connections when it began."""
    trace_id, instances = spans[0].trace_id, {one.instance for one in spans}
    during = Window(min(one.start for one in spans), Instant(max(one.end for one in spans) + _BESIDE))
    waits = _waits(store, facts, instances, during)
    mine = [one for one in waits if one.trace_id == trace_id]
    if not mine:
        return ()
    pools = {(one.instance, one.pool) for one in mine}
    until = max(one.began for one in mine)
    holds: list[Hold] = []
    for instance, pool in pools:
        before = Window(facts.window.since, until)
        held = follow(store.signals_of_pool(instance, pool, before, _MOST_SIGNALS), (), facts.dialects)
        # What came after the wait began says what became of them.
        out = {OpenKey(one.instance, one.dialect, one.pair, one.key) for one in held if one.released_at is None}
        holds += followed(store, store.signals_of_keys(out, facts.window))
    beside = [one for one in waits if (one.instance, one.pool) in pools]
    return starved(
        facts,
        report.findings,
        beside,
        judged(holds, report.findings),
        by_request(store.owners({trace_id})),
        asked=lambda one: one.trace_id == trace_id,
    )


def of_pool(store: Store, facts: Facts, report: LeakReport, pools: Sequence[Coverage]) -> Starvation:
    """Who kept whom waiting for a pool, in every process that has it."""
    wanted = {(one.instance, one.pool) for one in pools}
    waits = [
        one
        for one in _waits(store, facts, {one.instance for one in pools}, facts.window)
        if (one.instance, one.pool) in wanted
    ]
    holds: list[Hold] = []
    reach = facts.window.since
    for instance, pool in wanted if waits else ():
        signals = store.signals_of_pool(instance, pool, facts.window, _MOST_SIGNALS)
        if len(signals) == _MOST_SIGNALS:
            reach = max(reach, signals[0].at)
        holds += followed(store, signals)
    newest = [one for one in waits if one.began >= reach][-_MOST_WAITS:]
    first = newest[0].began if newest else facts.now
    owners = by_request(store.owners({one.trace_id for one in newest}))
    found = starved(
        facts, report.findings, waits, judged(holds, report.findings), owners, asked=lambda one: one.began >= first
    )
    return Starvation(
        service=pools[0].service,
        pool=pools[0].pool,
        waits=len(waits),
        unexplained=sum(one.cause is Cause.UNKNOWN for one in found),
        omitted=len(waits) - len(found),
        blames=tuple(blames(found)),
    )


def pools_of(report: LeakReport, service: str, pool: str) -> Sequence[Coverage]:
    """The pools of a finding. Raises `NotFound`."""
    found = [one for one in report.coverage if one.pool == pool and one.service == service]
    if not found:
        raise NotFound(f"nothing is known any more of the pool {pool}", hint="a longer --since may help")
    return found


def _waits(store: Store, facts: Facts, instances: Iterable[str], window: Window) -> Sequence[Wait]:
    """In order of their beginning. Where a failure names no pool, and its process has one only, it is of that one."""
    only = only_names(facts)
    found = store.waits(instances, window, least=LONG_WAIT)
    return [one if one.pool else replace(one, pool=only.get(one.instance, "")) for one in found]
