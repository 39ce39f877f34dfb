"""Leak sites: open holds of one operation and one pool put together."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tracecollect.lifecycle.facts import Facts
from tracecollect.lifecycle.verdicts import Opinion, World, acquired_at, last_sign
from tracecollect.model import (
    SECOND,
    Evidence,
    EvidenceKind,
    Finding,
    Instant,
    LeakedHold,
    Role,
    Signal,
    SignalKind,
    Verdict,
)
from tracecollect.ports import OpenKey

COUNTED = "counted"
"""The family of a finding that has a whole pool's count and no names."""
_EXAMPLES = 5
_MOST_SURE = 0.99
_ONE_WITNESS = 0.95
_ALONE = 0.85


@dataclass(frozen=True, slots=True)
class Accused:
    """One open hold with what is said of it and what surrounds it."""

    key: OpenKey
    signals: tuple[Signal, ...]
    opinion: Opinion
    world: World
    pool: str = ""

    @property
    def last_use(self) -> Signal:
        """The last thing that was done with the connection."""
        done = (one for one in self.signals if one.role is Role.OPEN or one.kind is SignalKind.USED)
        return max(done, key=lambda one: one.at)

    @property
    def began(self) -> Instant:
        """When the connection was taken."""
        return acquired_at(self.signals)


def lost(findings: Iterable[Finding]) -> int:
    """How many connections these findings say are out: a pool's count holds those that have a name, too.

    Names that are of several processes are not told apart by process, and neither are the counts of their pool then.
    """
    findings = list(findings)
    shared = {(one.service, one.pool) for one in findings if not one.instance}
    whole, names = Counter[tuple[str, str, str]](), Counter[tuple[str, str, str]]()
    for one in findings:
        process = "" if (one.service, one.pool) in shared else one.instance
        side = whole if one.family == COUNTED else names
        side[one.service, one.pool, process] += one.leaked_count
    return (whole | names).total()


def fingerprint(*parts: str) -> str:
    """The id of a leak site: the same site has the same id after a restart and on another machine."""
    return "f_" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def named(facts: Facts, accused: Iterable[Accused]) -> Sequence[Finding]:
    """One finding per leak site: service, pool, entry operation, and code or statement."""
    sites: dict[tuple[str, ...], list[Accused]] = {}
    for one in accused:
        use, owner = one.last_use, one.opinion.owner
        entry = owner.name if owner else ""
        site = (use.service, one.pool, entry, use.code or use.statement, one.key.dialect, one.key.pair)
        sites.setdefault(site, []).append(one)
    return [_named(facts, group) for group in sites.values()]


def _named(facts: Facts, group: Sequence[Accused]) -> Finding:
    group = sorted(group, key=lambda one: one.began)
    first = group[0]
    use, owner = first.last_use, first.opinion.owner
    # One finding has one verdict: the doubt about lost spans is about all of them.
    verdict = min((one.opinion.verdict or Verdict.UNKNOWN for one in group), key=_ORDER.index)
    entry = owner.name if owner else ""
    pair = facts.dialects[first.key.dialect].pairs[first.key.pair]
    return Finding(
        id=fingerprint(use.service, first.pool, entry, use.code or use.statement),
        verdict=verdict,
        confidence=_confidence(verdict, group),
        family=pair.family,
        dialect=first.key.dialect,
        service=use.service,
        instance=_only({one.key.instance for one in group}),
        pool=first.pool,
        entry=entry,
        code=use.code or None,
        statement=use.statement or None,
        leaked_count=len(group),
        first_at=first.began,
        last_at=group[-1].began,
        per_hour=None,
        exhausted_at=None,
        starved_requests=0,
        evidence=_evidence(facts, group),
        instances=tuple(_instance(one, facts.now) for one in group),
    )


_ORDER = (
    Verdict.LEAKED,
    Verdict.SUSPECTED,
    Verdict.RECOVERED,
    Verdict.HELD_LONG,
    Verdict.UNKNOWN,
    Verdict.CLOSED_LATE,
    Verdict.PINNED_BY_DESIGN,
)


def _only(values: set[str]) -> str:
    return next(iter(values)) if len(values) == 1 else ""


def _confidence(verdict: Verdict, group: Sequence[Accused]) -> float:
    """What lost telemetry leaves of certainty, raised by a second witness; a suspicion is little better than even."""
    sure = 1 - max(one.opinion.lost for one in group)
    if verdict is not Verdict.LEAKED:
        return round(max(0.05, min(sure, 0.6)), 2)
    if any(one.opinion.witness for one in group):
        return _MOST_SURE
    # A single hold may be an accident of telemetry that no rate describes.
    return round(min(sure, _ALONE if len(group) == 1 else _ONE_WITNESS), 2)


def _instance(one: Accused, now: Instant) -> LeakedHold:
    use = one.last_use
    owner = one.opinion.owner
    return LeakedHold(
        trace_id=use.trace_id,
        span_id=(owner.span_id if owner else use.span_id) or None,
        connection_id=use.connection_id or None,
        acquired_at=one.began,
        held_seconds=round((now - one.began) / SECOND, 3),
    )


def _evidence(facts: Facts, group: Sequence[Accused]) -> tuple[Evidence, ...]:
    first = group[0]
    world, dialect = first.world, facts.dialects[first.key.dialect]
    found = [
        Evidence(
            EvidenceKind.INFERRED, f"{_count(len(group), 'hold')} of this operation never came back: {dialect.why}"
        ),
        Evidence(EvidenceKind.OBSERVED, _returns_text(world)),
        Evidence(EvidenceKind.OBSERVED, _loss_text(world, max(one.opinion.lost for one in group))),
        *_metric_says(world),
    ]
    reasons = Counter(one.opinion.reason for one in group)
    found += [Evidence(EvidenceKind.INFERRED, f"{count} ×: {reason}") for reason, count in reasons.most_common(3)]
    for one in group[-_EXAMPLES:]:
        quiet = (facts.now - last_sign(one.signals)) / SECOND
        found.append(
            Evidence(
                EvidenceKind.OBSERVED,
                f"nothing for {quiet:.0f} s after {_shortened(one.last_use.statement or one.last_use.name)}",
                one.last_use.trace_id,
                one.last_use.span_id,
            )
        )
    return tuple(found)


def _returns_text(world: World) -> str:
    """Others came back, or would have been told: what did not is no gap in what can be seen."""
    if world.silent:
        holds = _count(world.keys, "hold")
        return f"in the same process none of {holds} came back: a return would be told as its acquire is"
    return f"in the same process {world.closed} of {world.keys} holds did come back: a return is seen"


def _metric_says(world: World) -> Sequence[Evidence]:
    """The pool's own numbers beside the names."""
    if world.counted is not None:
        text = f"the pool's own metric has {world.counted} out that no living request holds; {world.opened} are named"
        return [Evidence(EvidenceKind.OBSERVED, text)]
    if world.out is not None:
        return [Evidence(EvidenceKind.OBSERVED, f"the pool's own metric has {world.out} out at the end")]
    return []


def _loss_text(world: World, lost: float) -> str:
    if world.loss is None or not world.loss.referred:
        return "span loss of this process could not be measured"
    return (
        f"{world.loss.missing} of {world.loss.referred} spans that others refer to are missing; "
        f"lost spans could explain {100 * lost:.0f} % of these holds"
    )


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _shortened(text: str) -> str:
    flat = " ".join(text.split())
    return flat if len(flat) <= 80 else flat[:79] + "…"
