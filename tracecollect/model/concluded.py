"""What is concluded: verdicts, findings, coverage."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tracecollect.model.moments import Instant


class Verdict(StrEnum):
    """What is said of a hold or of a leak site; ARCHITECTURE.md has the rules."""

    LEAKED = "leaked"
    SUSPECTED = "suspected"
    HELD_LONG = "held_long"
    CLOSED_LATE = "closed_late"
    RECOVERED = "recovered"
    PINNED_BY_DESIGN = "pinned_by_design"
    UNKNOWN = "unknown"


class EvidenceKind(StrEnum):
    """Somebody said it, or something that must have come did not."""

    OBSERVED = "observed"
    INFERRED = "inferred"


class CoverageLevel(StrEnum):
    """How much a pool lets us see, best first."""

    CERTAIN = "certain"
    INFERRED = "inferred"
    COUNTED = "counted"
    BLIND = "blind"


@dataclass(frozen=True, slots=True)
class Evidence:
    """One sentence behind a finding, with the span or trace it rests on."""

    kind: EvidenceKind
    text: str
    trace_id: str = ""
    span_id: str = ""


@dataclass(frozen=True, slots=True)
class LeakedHold:
    """One leaked hold of a finding, named by the trace that took it."""

    trace_id: str
    span_id: str | None
    connection_id: str | None
    acquired_at: Instant
    held_seconds: float


@dataclass(frozen=True, slots=True)
class Suspect:
    """An operation whose traffic explains the growth of what is out: how many of it, at least and at most (90 %)."""

    entry: str
    count: float
    low: float
    high: float
    trace_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Impact:
    """What a leak costs. Intervals are 90 %; None where there are too few leaks or nobody says how large the pool is.

    `waits` is how many waited long for the pool, `starved` how many of them only because of this leak, `timeouts` how
    many of these got nothing; seconds are theirs together.
    """

    per_hour_low: float | None = None
    per_hour_high: float | None = None
    pool_size: int | None = None
    left: int | None = None
    exhausted_from: Instant | None = None
    exhausted_to: Instant | None = None
    waits: int = 0
    starved: int = 0
    starved_seconds: float = 0.0
    timeouts: int = 0


@dataclass(frozen=True, slots=True)
class Finding:
    """One leak site. `instances` is empty when only metrics prove it: counted, not named."""

    id: str
    verdict: Verdict
    confidence: float
    family: str
    dialect: str
    service: str
    instance: str
    pool: str
    entry: str
    code: str | None
    statement: str | None
    leaked_count: int
    first_at: Instant
    last_at: Instant
    per_hour: float | None
    exhausted_at: Instant | None
    starved_requests: int
    evidence: tuple[Evidence, ...]
    instances: tuple[LeakedHold, ...]
    impact: Impact | None = None
    suspects: tuple[Suspect, ...] = ()


@dataclass(frozen=True, slots=True)
class Coverage:
    """How much one pool lets us see, why, and the one change that would raise it."""

    service: str
    instance: str
    pool: str
    level: CoverageLevel
    dialects: tuple[str, ...]
    why: str
    hint: str


@dataclass(frozen=True, slots=True)
class LeakReport:
    """The answer of `tracecollect leaks`, version 1 of its JSON."""

    as_of: Instant
    findings: tuple[Finding, ...]
    coverage: tuple[Coverage, ...]
    version: int = 1


@dataclass(frozen=True, slots=True)
class FindingChange:
    """One line of a finding's history: what was said of it and when."""

    at: Instant
    verdict: Verdict
    leaked_count: int
    reason: str
