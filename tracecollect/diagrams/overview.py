"""The home page: what leaks, how many, since when, at one glance; and beside it how much can be seen at all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tracecollect.diagrams.finding import sentence
from tracecollect.diagrams.holds import SEVERITY
from tracecollect.diagrams.shapes import Role
from tracecollect.diagrams.words import many
from tracecollect.lifecycle.findings import lost
from tracecollect.model import SECOND, Coverage, CoverageLevel, Finding, Impact, Instant, LeakReport, Verdict

STEPS = 48
"""Values of a sparkline: more than its pixels show nothing."""

_ACCUSED = (Verdict.LEAKED, Verdict.SUSPECTED)
_ORDER = {level: place for place, level in enumerate(CoverageLevel)}
_SHORTEST = 10 * SECOND


@dataclass(frozen=True, slots=True)
class Row:
    """One leak site in one line. `where` is a place in the code or a statement, empty when neither was said.

    Where no span names the request, `suspect` is the operation whose traffic explains it best. Intervals are 90 %.

    `out` are holds that were taken and not given back, at `STEPS` moments evenly spread from `first_at` to now;
    empty where nothing names the holds: `named` is false then.
    """

    id: str
    role: Role
    title: str
    count: int
    entry: str
    service: str
    instance: str
    pool: str
    where: str
    is_code: bool
    first_at: Instant
    last_at: Instant
    per_hour: float | None
    per_hour_low: float | None
    per_hour_high: float | None
    exhausted_at: Instant | None
    exhausted_from: Instant | None
    exhausted_to: Instant | None
    left: int | None
    starved: int
    suspect: str
    confidence: float
    dialect: str
    named: bool
    out: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Overview:
    """Everything the home page says. `role` is the state as a whole: leaked, suspected, unknown or healthy.

    `counts` has the findings by verdict and `matching` how many fit the filters; `rows` may be fewer.
    """

    as_of: Instant
    role: Role
    headline: str
    detail: str
    rows: tuple[Row, ...]
    matching: int
    counts: Mapping[str, int]
    coverage: tuple[Coverage, ...]
    levels: Mapping[str, int]
    services: tuple[str, ...]
    pools: tuple[str, ...]


def overview(
    report: LeakReport,
    *,
    service: str = "",
    pool: str = "",
    verdicts: Collection[str] = (),
    since: Instant | None = None,
    limit: int = 200,
) -> Overview:
    """A report as the home page; the headline is about everything, the rows are those that fit.

    `since`: only leak sites that lost a connection after it. At most `limit` rows, the worst first.
    """
    fitting = [
        one
        for one in sorted(report.findings, key=_badness)
        if service in ("", one.service)
        and pool in ("", one.pool)
        and (not verdicts or one.verdict in verdicts)
        and (since is None or one.last_at >= since)
    ]
    coverage = tuple(sorted(report.coverage, key=lambda one: (-_ORDER[one.level], one.service, one.pool)))
    role, headline, detail = _state(report)
    named: list[Finding | Coverage] = [*report.findings, *report.coverage]
    return Overview(
        as_of=report.as_of,
        role=role,
        headline=headline,
        detail=detail,
        rows=tuple(row(one, report.as_of) for one in fitting[:limit]),
        matching=len(fitting),
        counts=dict(Counter(str(one.verdict) for one in report.findings)),
        coverage=coverage,
        levels=dict(Counter(str(one.level) for one in coverage)),
        services=tuple(sorted({one.service for one in named})),
        pools=tuple(sorted({one.pool for one in named})),
    )


def row(one: Finding, as_of: Instant) -> Row:
    """A finding as its line."""
    cost = one.impact or Impact()
    return Row(
        id=one.id,
        role=Role(one.verdict),
        title=sentence(one),
        count=one.leaked_count,
        entry=one.entry,
        service=one.service,
        instance=one.instance,
        pool=one.pool,
        where=one.code or one.statement or "",
        is_code=bool(one.code),
        first_at=one.first_at,
        last_at=one.last_at,
        per_hour=one.per_hour,
        per_hour_low=cost.per_hour_low,
        per_hour_high=cost.per_hour_high,
        exhausted_at=one.exhausted_at,
        exhausted_from=cost.exhausted_from,
        exhausted_to=cost.exhausted_to,
        left=cost.left,
        starved=max(one.starved_requests, cost.starved),
        suspect=one.suspects[0].entry if one.suspects and not one.entry else "",
        confidence=one.confidence,
        dialect=one.dialect,
        named=bool(one.instances),
        out=_growth(one, as_of),
    )


def _badness(one: Finding) -> tuple[int, int, str]:
    return SEVERITY.index(Role(one.verdict)), -one.leaked_count, one.id


def _growth(one: Finding, as_of: Instant) -> tuple[int, ...]:
    """How many were out at each step; `_SHORTEST` at least, or a burst would look like a wall."""
    taken = sorted(hold.acquired_at for hold in one.instances)
    if not taken:
        return ()
    first = min(taken[0], as_of - _SHORTEST)
    step = max(1, (as_of - first) // (STEPS - 1))
    counts, out = [], 0
    for number in range(STEPS):
        moment = as_of if number == STEPS - 1 else first + number * step
        while out < len(taken) and taken[out] <= moment:
            out += 1
        counts.append(out)
    return tuple(counts)


def _state(report: LeakReport) -> tuple[Role, str, str]:
    """The state, in one line and a second one. Blindness is never health."""
    accused = sorted((one for one in report.findings if one.verdict in _ACCUSED), key=_badness)
    blind = sum(one.level is CoverageLevel.BLIND for one in report.coverage)
    pools = len(report.coverage)
    if accused:
        out = lost(accused)
        role = Role(accused[0].verdict)
        return (
            role,
            f"{many(out, 'connection')} not given back, {many(len(accused), 'leak site')}",
            (f"The worst: {sentence(accused[0])}." + (f" Blind for {many(blind, 'pool')}." if blind else "")),
        )
    if not pools:
        return (
            Role.UNKNOWN,
            "Nothing has arrived that says anything about a connection",
            ("No finding means nothing yet: no pool was seen."),
        )
    if blind == pools:
        return Role.UNKNOWN, f"Cannot tell: blind for {many(pools, 'pool')}", "No finding here is no proof of health."
    gone = sum(one.leaked_count for one in report.findings if one.verdict is Verdict.UNKNOWN)
    if gone:
        return (
            Role.UNKNOWN,
            f"Cannot tell what became of {many(gone, 'connection')}",
            ("Their processes were not heard of again, or too much of their telemetry is missing."),
        )
    if blind:
        return (
            Role.UNKNOWN,
            f"No finding, but blind for {blind} of {pools} pools",
            ("Nothing can be said of these: see below what would open them."),
        )
    return Role.HEALTHY, f"No leak in {many(pools, 'pool')}", "Every pool that was seen lets a leak be seen."
