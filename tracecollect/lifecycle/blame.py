"""Who starved whom: the connections that were out when a long wait began, and which of them it is put down to."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tracecollect.lifecycle.counts import Counted, counted_pools
from tracecollect.lifecycle.facts import Facts
from tracecollect.lifecycle.findings import COUNTED
from tracecollect.lifecycle.impact import full_at, moments_of, place_in_queue, sizes
from tracecollect.lifecycle.judge import ACCUSING
from tracecollect.lifecycle.verdicts import Owners
from tracecollect.model import SECOND, Blame, Cause, Finding, Hold, Holder, Instant, Starved, Verdict
from tracecollect.ports import Wait


def starved(
    facts: Facts,
    findings: Sequence[Finding],
    waits: Sequence[Wait],
    holds: Sequence[Hold],
    owners: Owners,
    *,
    asked: Callable[[Wait], bool] = lambda _: True,
) -> Sequence[Starved]:
    """The waits that are `asked` for, in order of their beginning, with who had the pool's connections then.

    `waits` are all of these pools, for the queue; `holds` are what is known of them. A wait that came to something is
    put down to somebody only where the pool had nothing left: to open a connection may take long, too.
    """
    by_pool: dict[tuple[str, str], list[Wait]] = {}
    for wait in sorted(waits, key=lambda one: one.began):
        by_pool.setdefault((wait.instance, wait.pool), []).append(wait)
    found: list[Starved] = []
    known = _known(facts, findings)
    for (instance, pool), queue in by_pool.items():
        told = _told(known, instance, pool)
        mine = [
            one for one in holds if (one.instance, one.pool) == (instance, pool) and one.trace_id not in told.traces
        ]
        places = [place for place, wait in enumerate(queue) if asked(wait)]
        out = _out(facts, mine, [queue[place].began for place in places])
        found += [_starved(told, queue, place, others, owners) for place, others in zip(places, out, strict=True)]
    return sorted(found, key=lambda one: (one.began, one.trace_id, one.span_id))


@dataclass(frozen=True, slots=True)
class _Told:
    """What the findings and the pool's own numbers say of one pool of one process."""

    service: str
    named: tuple[Holder, ...]
    counted: Sequence[Instant]
    size: int | None
    full: Sequence[Instant]
    traces: frozenset[str] = field(default=frozenset())

    def lost(self, at: Instant) -> tuple[Sequence[Holder], int]:
        """Who had leaked a connection by then, and how many more only the count knows: it holds the named, too."""
        names = self.named[: bisect_right(self.named, at, key=lambda one: one.since)]
        return names, max(0, bisect_right(self.counted, at) - len(names))

    def was_full(self, wait: Wait, out: int) -> bool:
        """Whether the pool had nothing left while somebody waited."""
        if wait.failed or (self.size is not None and out >= self.size):
            return True
        after = bisect_left(self.full, wait.began)
        return after < len(self.full) and self.full[after] <= wait.ended


@dataclass(frozen=True, slots=True)
class _Known:
    """What is the same for every pool: who is accused, in which process each trace holds, counts and sizes."""

    facts: Facts
    accusing: Sequence[Finding]
    home: Mapping[str, str]
    counted: Mapping[tuple[str, str], Counted]
    sizes: Mapping[tuple[str, str], tuple[int | None, int]]


def _known(facts: Facts, findings: Iterable[Finding]) -> _Known:
    accusing = [one for one in findings if one.verdict in ACCUSING]
    counting = any(one.family == COUNTED for one in accusing)
    return _Known(
        facts,
        accusing,
        # A finding of several processes names holds of each: the signals say which.
        {one.trace_id: key.instance for key, signals in facts.signals.items() for one in signals},
        {(one.instance, one.pool): one for one in counted_pools(facts)} if counting else {},
        sizes(facts),
    )


def _told(known: _Known, instance: str, pool: str) -> _Told:
    facts = known.facts
    accusing = [one for one in known.accusing if one.pool == pool and one.instance in ("", instance)]
    named = [
        _leaker(one, hold.trace_id, hold.span_id, hold.connection_id, hold.acquired_at, instance)
        for one in accusing
        for hold in one.instances
        if known.home.get(hold.trace_id, instance) == instance
    ]
    whole = [one for one in accusing if one.family == COUNTED]
    counted = sorted(at for one in whole for at in moments_of(one, known.counted.get((one.instance, one.pool))))
    size = known.sizes.get((instance, pool), (None, 0))[0]
    service = next((one.service for one in facts.instances if one.instance == instance), "")
    return _Told(
        service=service,
        named=tuple(sorted(named, key=lambda one: one.since)),
        counted=counted,
        size=size,
        full=full_at(facts, instance, pool, size),
        traces=frozenset(one.trace_id for one in named),
    )


def _leaker(
    one: Finding, trace_id: str, span_id: str | None, connection_id: str | None, since: Instant, instance: str
) -> Holder:
    return Holder(
        service=one.service,
        instance=instance,
        entry=one.entry,
        trace_id=trace_id,
        span_id=span_id or "",
        since=since,
        until=None,
        verdict=one.verdict,
        code=one.code or "",
        statement=one.statement or "",
        connection_id=connection_id or "",
        finding=one.id,
    )


def _out(facts: Facts, holds: Iterable[Hold], moments: Sequence[Instant]) -> Iterator[Sequence[Hold]]:
    """For each of the moments, which are in order, the holds that were out, longest first."""
    coming = sorted(holds, key=lambda one: one.acquired_at)
    out: list[Hold] = []
    place = 0
    for at in moments:
        while place < len(coming) and coming[place].acquired_at <= at:
            out.append(coming[place])
            place += 1
        out = [one for one in out if _held(facts, one, at)]
        yield tuple(out)


def _held(facts: Facts, hold: Hold, at: Instant) -> bool:
    """Whether it was out: one that was not seen to come back was while its owner lived, and until it can be judged."""
    if hold.released_at is not None:
        return at < hold.released_at
    if hold.owner is None or at < hold.owner.end or at <= hold.last_used_at:
        return True
    return hold.verdict is not Verdict.UNKNOWN and facts.now - hold.last_used_at < facts.grace


def _starved(told: _Told, queue: Sequence[Wait], place: int, others: Sequence[Hold], owners: Owners) -> Starved:
    wait, stands = queue[place], place_in_queue(queue, place)
    named, unnamed = told.lost(wait.began)
    lost = len(named) + unnamed
    full = told.was_full(wait, lost + len(others))
    cause, why = _cause(stands, lost, told.size, full=full, others=len(others))
    entered = [one for one in owners.get((wait.instance, wait.trace_id), ()) if one.start <= wait.began]
    return Starved(
        service=told.service,
        instance=wait.instance,
        pool=wait.pool,
        entry=max(entered, key=lambda one: one.start).name if entered else "",
        trace_id=wait.trace_id,
        span_id=wait.span_id,
        began=wait.began,
        ended=wait.ended,
        failed=wait.failed,
        cause=cause,
        why=why,
        place=stands,
        lost=lost,
        unnamed=unnamed,
        pool_size=told.size,
        holders=(*named, *map(_holder, others)),
    )


def _cause(place: int, lost: int, size: int | None, *, full: bool, others: int) -> tuple[Cause, str]:
    """Without the leak, would there have been a connection for who stands here? Else the slow holders had them."""
    leaked = f"{lost} of {size}" if size is not None else f"{lost}"
    if not full:
        return Cause.UNKNOWN, "the pool was not seen to have none left: to open a connection may have taken so long"
    if size is not None and lost >= size:
        return Cause.LEAK, f"every connection of the pool ({size}) was leaked by then"
    if place <= lost:
        return Cause.LEAK, f"{leaked} connections were leaked by then: without the leak there was one for place {place}"
    if not others and not lost:
        return Cause.UNKNOWN, "nobody is seen who had the connections then"
    if not others:
        return (
            Cause.UNKNOWN,
            f"{leaked} connections were leaked by then, too few for place {place}, and nobody is seen who had another",
        )
    if not lost:
        return Cause.SLOW_HOLDERS, "nothing was leaked by then: others were at work with the connections"
    return (
        Cause.SLOW_HOLDERS,
        f"{leaked} connections were leaked by then, too few for place {place}: others were at work with the rest",
    )


def _holder(hold: Hold) -> Holder:
    return Holder(
        service=hold.service,
        instance=hold.instance,
        entry=hold.owner.name if hold.owner is not None else "",
        trace_id=hold.trace_id,
        span_id=hold.span_id,
        since=hold.acquired_at,
        until=hold.released_at,
        verdict=hold.verdict,
        code=hold.code,
        statement=hold.statement,
        connection_id=hold.connection_id,
    )


# --- put together -----------------------------------------------------------------------------------------

_Site = tuple[str, str, str, str, str, Verdict | None]
_NOBODY: _Site = ("", "", "", "", "", Verdict.LEAKED)


def blames(waits: Iterable[Starved]) -> Sequence[Blame]:
    """Which operation kept which waiting, the most time first; the time of a wait is shared by those to blame."""
    traces: dict[tuple[_Site, str], set[str]] = {}
    failed: dict[tuple[_Site, str], set[str]] = {}
    seconds: dict[tuple[_Site, str], float] = {}
    for wait in waits:
        guilty = _guilty(wait)
        for site, count in guilty.items():
            edge = site, wait.entry
            traces.setdefault(edge, set()).add(wait.trace_id)
            if wait.failed:
                failed.setdefault(edge, set()).add(wait.trace_id)
            share = (wait.ended - wait.began) / SECOND * count / guilty.total()
            seconds[edge] = seconds.get(edge, 0.0) + share
    found = [
        Blame(*site, entry, len(traces[site, entry]), len(failed.get((site, entry), ())), round(time, 3))
        for (site, entry), time in seconds.items()
    ]
    return sorted(found, key=lambda one: (-one.seconds, one.holder, one.starved))


def _guilty(wait: Starved) -> Counter[_Site]:
    """The holders a wait is put down to, by where in the code they took their connection."""
    if wait.cause is Cause.UNKNOWN:
        return Counter()
    leak = wait.cause is Cause.LEAK
    found = Counter(_site(one) for one in wait.holders if bool(one.finding) is leak)
    if leak and wait.unnamed:
        found[_NOBODY] += wait.unnamed
    return found


def _site(one: Holder) -> _Site:
    # What a slow holder did last differs from one to the next; the statement of a leak site is its name.
    statement = one.statement if one.finding else ""
    return one.service, one.entry, one.code, statement, one.finding, one.verdict if one.finding else None
