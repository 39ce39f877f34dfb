"""Facts to report, and what changed since the last one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from tracecollect.lifecycle import findings as sites
from tracecollect.lifecycle.counted import counted, recovered
from tracecollect.lifecycle.counts import Counted, counted_pools
from tracecollect.lifecycle.coverage import coverages
from tracecollect.lifecycle.facts import EVENTS, Facts
from tracecollect.lifecycle.findings import Accused
from tracecollect.lifecycle.holds import open_runs
from tracecollect.lifecycle.impact import with_impact
from tracecollect.lifecycle.pools import only_names
from tracecollect.lifecycle.verdicts import World, judge_hold, owner_of
from tracecollect.lifecycle.witnesses import Held, PoolsSay, Surroundings
from tracecollect.model import (
    CoverageLevel,
    Evidence,
    EvidenceKind,
    Finding,
    Instant,
    LeakReport,
    Role,
    Signal,
    Verdict,
)
from tracecollect.ports import OpenKey

ACCUSING = (Verdict.LEAKED, Verdict.SUSPECTED)
"""The verdicts that say: somebody forgot this."""


def judge(facts: Facts) -> LeakReport:
    """What is leaked, suspected and not seen in this window, as of its end."""
    return judge_all(facts)[0]


def judge_all(facts: Facts) -> tuple[LeakReport, Sequence[Accused]]:
    """The same, and what is said of every hold that is open, the innocent included."""
    pools = counted_pools(facts)
    said = _opinions(facts, pools)
    accused = [one for one in said if one.opinion.verdict in ACCUSING]
    by_name = sites.named(facts, accused)
    # Silence is not health: what a process took with it when it went is told, unless its site is accused anyway.
    told = {one.id for one in by_name}
    gone = sites.named(facts, (one for one in said if one.opinion.verdict is Verdict.UNKNOWN))
    by_count = counted(facts, pools, by_name)
    found = (*by_name, *by_count, *(one for one in gone if one.id not in told), *recovered(facts))
    weighed = with_impact(facts, pools, found)
    ordered = sorted(weighed, key=lambda one: (_rank(one.verdict), -one.leaked_count, one.id))
    return LeakReport(facts.now, tuple(ordered), tuple(coverages(facts))), said


def _opinions(facts: Facts, pools: Sequence[Counted]) -> Sequence[Accused]:
    """What is said of every hold that is open: the whole remainder, the innocent included."""
    told = _told_by_probe(facts)
    holds = [
        (key, run)
        for key, signals in facts.signals.items()
        for run in open_runs(signals, facts.dialects[key.dialect].pairs[key.pair])
        if key.dialect == EVENTS or (key.instance, _pool(run)) not in told
    ]
    only = only_names(facts)
    names = [_pool(run) or only.get(key.instance, "") for key, run in holds]
    requests = [facts.owners.get((key.instance, run[0].trace_id), ()) for key, run in holds]
    mine = [owner_of(run, owners) for (_, run), owners in zip(holds, requests, strict=True)]
    old = facts.now - facts.grace
    unowned = {
        (key.instance, run[0].trace_id)
        for (key, run), owner in zip(holds, mine, strict=True)
        if owner is None and run[0].at <= old
    }
    worlds = _worlds(facts, holds, names, pools, Counter(instance for instance, _ in unowned))
    beside = Surroundings(facts, holds, mine)
    found = []
    for (key, run), name, owners, owner in zip(holds, names, requests, mine, strict=True):
        world = worlds[key.instance, key.dialect, key.pair]
        around = beside.of(key, run, owner)
        found.append(Accused(key, tuple(run), judge_hold(run, owners, world, around), world, name))
    return _one_voice(facts, found)


def _told_by_probe(facts: Facts) -> Collection[tuple[str, str]]:
    """The pools, by instance and name, of which the probe tells every hold: nothing has to be inferred there."""
    told = {(one.instance, one.pool) for one in facts.totals if one.dialect == EVENTS}
    probed = facts.probed
    return {pool for pool in told.union(facts.led_to) if pool[0] in probed}


def _pool(run: Sequence[Signal]) -> str:
    """The pool as who takes and gives back names it; what is done in between may know an address only."""
    return next((one.pool for one in reversed(run) if one.pool and one.role is not Role.NOTE), run[-1].pool)


def _worlds(
    facts: Facts,
    holds: Sequence[Held],
    names: Sequence[str],
    pools: Sequence[Counted],
    running: Mapping[str, int],
) -> Mapping[tuple[str, str, str], World]:
    opened = Counter((key.instance, key.dialect, key.pair) for key, _ in holds)
    keys: Counter[tuple[str, str, str]] = Counter()
    closed: Counter[tuple[str, str, str]] = Counter()
    answered: set[tuple[str, str, str]] = set()
    stray: Counter[tuple[str, str, str]] = Counter()
    for total in facts.totals:
        pair = total.instance, total.dialect, total.pair
        keys[pair] += total.keys
        closed[pair] += total.closed
        if total.closed or total.stray_closes:
            answered.add(pair)
        # Only where each acquire is a signal of its own does a close without one show that signals get lost.
        if pair in opened and facts.dialects[total.dialect].pairs[total.pair].entered_by == "begin":
            stray[pair] += total.stray_closes
    mine: dict[tuple[str, str, str], set[str]] = {}
    for (key, _), name in zip(holds, names, strict=True):
        mine.setdefault(_pair(key), set()).add(name)
    traces: dict[tuple[str, str], set[str]] = {}
    for (key, run), name in zip(holds, names, strict=True):
        traces.setdefault((key.instance, name), set()).add(run[0].trace_id or key.key)
    metrics = PoolsSay(facts, pools)
    return {
        pair: World(
            now=facts.now,
            grace=facts.grace,
            alive_until=facts.last_heard(pair[0]),
            keys=keys[pair],
            opened=count,
            closed=min(closed[pair], keys[pair] - count),
            silent=pair not in answered,
            stray_closes=stray[pair],
            loss=facts.loss.get(pair[0]),
            running=running[pair[0]],
            together=len(set().union(*(traces[pair[0], name] for name in mine[pair]))),
            ended=facts.ended,
            **metrics.about(pair[0], mine[pair]),
        )
        for pair, count in opened.items()
    }


def _pair(key: OpenKey) -> tuple[str, str, str]:
    return key.instance, key.dialect, key.pair


def _one_voice(facts: Facts, found: Sequence[Accused]) -> Sequence[Accused]:
    """One connection may be open in two pairs (its lease and its transaction) and followed by two libraries.

    Of the libraries that speak of a trace the one that sees most is heard, and of its pairs on a pool the preferred.
    """
    found = _best_informed(facts, found)
    best: dict[tuple[str, str, str], int] = {}
    for one in found:
        place = _place(one)
        best[place] = max(best.get(place, -1), _prefer(facts, one.key))
    return [one for one in found if _prefer(facts, one.key) == best[_place(one)]]


def _best_informed(facts: Facts, found: Sequence[Accused]) -> Sequence[Accused]:
    best: dict[tuple[str, str], tuple[int, int, str]] = {}
    for one in found:
        place = one.key.instance, one.signals[0].trace_id or one.key.key
        best[place] = max(best.get(place, (-99, -1, "")), _informed(facts, one))
    return [
        one for one in found if best[one.key.instance, one.signals[0].trace_id or one.key.key][2] == one.key.dialect
    ]


def _informed(facts: Facts, one: Accused) -> tuple[int, int, str]:
    level = tuple(CoverageLevel).index(facts.dialects[one.key.dialect].coverage)
    return -level, _prefer(facts, one.key), one.key.dialect


def _prefer(facts: Facts, key: OpenKey) -> int:
    return facts.dialects[key.dialect].pairs[key.pair].prefer


def _place(one: Accused) -> tuple[str, str, str]:
    # Without a trace nothing says that two keys are one connection.
    return one.key.instance, one.signals[0].trace_id or one.key.key, one.pool


def _rank(verdict: Verdict) -> int:
    return ACCUSING.index(verdict) if verdict in ACCUSING else len(ACCUSING)


# --- what changed since -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Revision:
    """What is to be kept of a new report: the findings that changed, each with the reason."""

    changed: tuple[Finding, ...]
    reasons: Mapping[str, str]


def revise(
    previous: Iterable[Finding], report: LeakReport, since: Instant, opinions_now: Iterable[Accused] = ()
) -> Revision:
    """Compare a report with what was said before, and say why it changed.

    A finding is never silently dropped: one that is not in the report any more, though its holds lie in the
    window, came back after its owner had ended (`closed_late`) or its process is gone (`unknown`).
    """
    now = {one.id: one for one in report.findings}
    before = {one.id: one for one in previous}
    gone = {one.last_use.trace_id for one in opinions_now if one.opinion.verdict is Verdict.UNKNOWN}
    changed, reasons = [], {}
    for one in report.findings:
        reason = _difference(before.get(one.id), one)
        if reason:
            changed.append(one)
            reasons[one.id] = reason
    for one in before.values():
        if one.verdict in ACCUSING and one.id not in now and one.last_at >= since:
            verdict, reason = _withdrawn(one, gone)
            changed.append(_retracted(one, verdict, reason))
            reasons[one.id] = reason
    return Revision(tuple(changed), reasons)


def _difference(before: Finding | None, now: Finding) -> str:
    if before is None:
        return "first seen"
    if before.verdict is not now.verdict:
        return f"was {before.verdict}"
    if before.leaked_count != now.leaked_count:
        return f"was {before.leaked_count} connections"
    return ""


def _withdrawn(one: Finding, gone: set[str]) -> tuple[Verdict, str]:
    if any(hold.trace_id in gone for hold in one.instances):
        return Verdict.UNKNOWN, "the process is gone, and its connections with it"
    return Verdict.CLOSED_LATE, "its connections came back after their owner had ended"


def _retracted(one: Finding, verdict: Verdict, reason: str) -> Finding:
    said = Evidence(EvidenceKind.OBSERVED, f"retracted: {reason}")
    return replace(one, verdict=verdict, confidence=1.0, leaked_count=0, evidence=(said, *one.evidence))
