"""Findings out of counts: pools that have connections out, who is left to have them, and what was taken back."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from tracecollect.lifecycle.attribution import suspects
from tracecollect.lifecycle.counts import FEWEST, Counted
from tracecollect.lifecycle.eliminate import eliminate
from tracecollect.lifecycle.facts import Facts
from tracecollect.lifecycle.findings import COUNTED, fingerprint
from tracecollect.lifecycle.witnesses import COLLECTED
from tracecollect.model import (
    SECOND,
    Evidence,
    EvidenceKind,
    Finding,
    Instant,
    LeakedHold,
    Suspect,
    Verdict,
)
from tracecollect.ports import Borrow

ELIMINATED = "eliminated"
"""The family of a finding whose holds were named because nobody else can have them; they are counted elsewhere, too."""


def counted(facts: Facts, pools: Iterable[Counted], named: Iterable[Finding]) -> Sequence[Finding]:
    """Of each pool that metrics accuse: how many are out, if `named` findings do not name them all.

    The count is of the whole pool, those included that have a name: `lost` does not count them twice. Where the library
    tells which borrow opened a connection, also who must have them.
    """
    by_pool: dict[tuple[str, str], list[Finding]] = {}
    for one in named:
        by_pool.setdefault((one.service, one.pool), []).append(one)
    found: list[Finding] = []
    for pool in pools:
        known = [one for one in by_pool.get((pool.service, pool.pool), ()) if one.instance in ("", pool.instance)]
        traces = {hold.trace_id for one in known for hold in one.instances}
        already = sum(one.leaked_count for one in known)
        if pool.leaked - already < FEWEST:
            continue
        more = _eliminated(facts, pool, traces) if pool.by == "borrows" and pool.seen_share >= 1 else []
        found += [*more, _counted(facts, pool, already + sum(one.leaked_count for one in more))]
    return found


def _counted(facts: Facts, one: Counted, named: int) -> Finding:
    ranked = () if named >= one.leaked else suspects(facts, one)
    return Finding(
        id=fingerprint(one.service, one.pool, COUNTED),
        # Without spans of living borrowers a busy pool and a leaking one look alike.
        verdict=Verdict.LEAKED if one.proves else Verdict.SUSPECTED,
        confidence=_confidence(one),
        family=COUNTED,
        dialect=one.dialect,
        service=one.service,
        instance=one.instance,
        pool=one.pool,
        entry="",
        code=None,
        statement=None,
        leaked_count=one.leaked,
        first_at=one.first_at,
        last_at=one.last_at,
        per_hour=None,
        exhausted_at=None,
        starved_requests=0,
        evidence=tuple(_evidence(facts, one, named, ranked)),
        instances=(),
        suspects=ranked,
    )


def _confidence(one: Counted) -> float:
    if not one.proves:
        return 0.5
    agrees = one.outstanding is not None and abs(one.outstanding - one.used) <= 1
    return 0.95 if agrees else 0.9 if one.by == "borrows" else 0.8


def _evidence(facts: Facts, one: Counted, named: int, ranked: Sequence[Suspect]) -> Iterable[Evidence]:
    def observed(text: str) -> Evidence:
        return Evidence(EvidenceKind.OBSERVED, text)

    who = "borrowing request" if one.by == "borrows" else "request of any kind"
    yield observed(
        f"the pool has {one.used} connections out and {one.living} {who}{'' if one.living == 1 else 's'} alive to hold "
        f"them; it stayed so for the last samples; {one.baseline} were out before any request took one"
    )
    if one.outstanding is not None:
        yield observed(f"the pool's counts of borrows less returns say {one.outstanding}")
    if one.seen_share < 1:
        yield observed(f"only {100 * one.seen_share:.0f} % of the requests are traced: the count is a lower bound")
    if named:
        text = f"{named} of these are named in findings of their own"
        yield Evidence(EvidenceKind.INFERRED, text)
    elif not ranked:
        yield Evidence(EvidenceKind.INFERRED, f"counted, not named: {facts.dialects[one.dialect].blind_to}")
    for each in ranked:
        explained = f"{each.count:.0f} ({each.low:.0f} to {each.high:.0f})"
        yield Evidence(EvidenceKind.INFERRED, f"the growth follows the traffic of {each.entry}: {explained} of it")
    yield from (observed(f"this metric is known to be off: {lie}") for lie in _lies(facts, one))


def _lies(facts: Facts, one: Counted) -> Sequence[str]:
    series = facts.dialects[one.dialect].series
    return sorted({each.lies for each in series if each.measure == "used" and each.lies})


# --- named because nobody else is left ----------------------------------------------------------------


def _eliminated(facts: Facts, pool: Counted, named: Collection[str]) -> Sequence[Finding]:
    """The borrows that nobody else can have been, by operation and statement; less those of traces named already."""
    settled = facts.now - facts.grace
    of_pool = [one for one in facts.borrows if (one.instance, one.dialect) == (pool.instance, pool.dialect)]
    of_pool = [one for one in of_pool if one.pool == pool.pool] or of_pool
    told = eliminate(of_pool, named)
    rest = pool.leaked - len(named)
    if len(told.certain) > rest:
        # More than are out: the rule does not hold here (a pool that closes and reopens), so it names nobody.
        return []
    certain, likely = (
        [one for one in tier if one.owner_end is not None and one.owner_end <= settled]
        for tier in (told.certain, told.likely)
    )
    tiers = ((Verdict.LEAKED, certain), (Verdict.SUSPECTED, likely[: rest - len(told.certain)]))
    return [finding for verdict, tier in tiers for finding in _sites(facts, pool, verdict, tier)]


def _sites(facts: Facts, pool: Counted, verdict: Verdict, borrows: Iterable[Borrow]) -> Sequence[Finding]:
    sites: dict[tuple[str, str], list[Borrow]] = {}
    for one in sorted(borrows, key=lambda one: one.at):
        sites.setdefault((one.entry, one.statement), []).append(one)
    return [_site(facts, pool, verdict, group) for group in sites.values()]


def _site(facts: Facts, pool: Counted, verdict: Verdict, group: Sequence[Borrow]) -> Finding:
    first, certain = group[0], verdict is Verdict.LEAKED
    how = (
        "only these can have them"
        if certain
        else "most borrows of this path stay out, though another may have this one"
    )
    return Finding(
        id=fingerprint(pool.service, pool.pool, first.entry, first.statement, *([] if certain else ["likely"])),
        verdict=verdict if pool.proves else Verdict.SUSPECTED,
        confidence=0.9 if certain and pool.proves else 0.6,
        family=ELIMINATED,
        dialect=pool.dialect,
        service=pool.service,
        instance=pool.instance,
        pool=pool.pool,
        entry=first.entry,
        code=None,
        statement=first.statement or None,
        leaked_count=len(group),
        first_at=first.at,
        last_at=group[-1].at,
        per_hour=None,
        exhausted_at=None,
        starved_requests=0,
        evidence=(
            Evidence(
                EvidenceKind.OBSERVED, f"the pool's own metric has {pool.leaked} out that no living request holds"
            ),
            Evidence(
                EvidenceKind.INFERRED,
                "a pool opens a connection only when none is idle: when it did, every earlier borrow had been given "
                f"back and taken again, or is still out; {how}",
            ),
            *(
                Evidence(EvidenceKind.OBSERVED, f"taken by {one.entry}", one.trace_id, one.span_id)
                for one in group[-3:]
            ),
        ),
        instances=tuple(
            LeakedHold(
                one.trace_id,
                one.entry_span or one.span_id,
                None,
                one.at,
                round((facts.now - one.at) / SECOND, 3),
            )
            for one in group
        ),
    )


# --- taken back by somebody else ------------------------------------------------------------------------


def recovered(facts: Facts) -> Sequence[Finding]:
    """What garbage collection or a pool took back, by its own words: forgotten, and out no more."""
    found: dict[tuple[str, str, str], tuple[int, str, Instant, Instant]] = {}
    for total in facts.totals:
        if total.pair == COLLECTED and total.keys:
            found[total.service, total.instance, total.pool] = total.keys, total.dialect, total.first_at, total.last_at
    for (service, instance, pool), counts in _reclaimed(facts).items():
        values, dialect, times = counts
        grown = round(values[-1] - values[0])
        if grown > 0:
            found[service, instance, pool] = grown, dialect, times[0], times[-1]
    return [_recovered(place, *told) for place, told in sorted(found.items())]


def _reclaimed(facts: Facts) -> Mapping[tuple[str, str, str], tuple[list[float], str, list[Instant]]]:
    found: dict[tuple[str, str, str], tuple[list[float], str, list[Instant]]] = {}
    for one in facts.samples:
        if one.measure == "reclaimed":
            values, _, times = found.setdefault((one.service, one.instance, one.pool), ([0.0], one.dialect, [one.at]))
            values.append(one.value)
            times.append(one.at)
    return found


def _recovered(place: tuple[str, str, str], count: int, dialect: str, first: Instant, last: Instant) -> Finding:
    service, instance, pool = place
    text = (
        f"{count} connection{'' if count == 1 else 's'} that nobody gave back "
        f"{'was' if count == 1 else 'were'} taken back by the pool or the garbage collector, by its own words; "
        "the trace in such a line is the one that ran just then, not the one that forgot it"
    )
    return Finding(
        id=fingerprint(service, pool, "recovered"),
        verdict=Verdict.RECOVERED,
        confidence=1.0,
        family="report",
        dialect=dialect,
        service=service,
        instance=instance,
        pool=pool,
        entry="",
        code=None,
        statement=None,
        leaked_count=count,
        first_at=first,
        last_at=last,
        per_hour=None,
        exhausted_at=None,
        starved_requests=0,
        evidence=(Evidence(EvidenceKind.OBSERVED, text),),
        instances=(),
    )
