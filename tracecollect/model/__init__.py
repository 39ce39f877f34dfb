"""The nouns: what is received, what is followed, what is concluded.

Conventions: times are integers, nanoseconds since the Unix epoch (`Instant`); durations are integer
nanoseconds unless the name says `_seconds`; ids are lower-case hex (32 characters for a trace, 16 for a
span), the empty string where there is none. Everything is frozen. The words are those of ARCHITECTURE.md.
"""

from __future__ import annotations

from tracecollect.model.asked import (
    CallEdge,
    LeakQuery,
    Lifecycle,
    PoolReport,
    SearchQuery,
    ServiceReport,
    Trace,
    TraceSummary,
    Window,
)
from tracecollect.model.builds import (
    Build,
    BuildDiff,
    BuildQuery,
    BuildSide,
    OperationCalls,
    OperationChange,
    TraceDiff,
    Traffic,
    TrafficChange,
)
from tracecollect.model.concluded import (
    Coverage,
    CoverageLevel,
    Evidence,
    EvidenceKind,
    Finding,
    FindingChange,
    Impact,
    LeakedHold,
    LeakReport,
    Suspect,
    Verdict,
)
from tracecollect.model.followed import Hold, Owner, PoolSample, ProcessSample, Role, Signal, SignalKind
from tracecollect.model.moments import SECOND, Instant
from tracecollect.model.received import LogRecord, Span, SpanEvent, SpanKind, SpanLink, StatusCode
from tracecollect.model.starvation import Blame, Cause, Holder, Starvation, Starved

__all__ = [
    "SECOND",
    "Blame",
    "Build",
    "BuildDiff",
    "BuildQuery",
    "BuildSide",
    "CallEdge",
    "Cause",
    "Coverage",
    "CoverageLevel",
    "Evidence",
    "EvidenceKind",
    "Finding",
    "FindingChange",
    "Hold",
    "Holder",
    "Impact",
    "Instant",
    "LeakQuery",
    "LeakReport",
    "LeakedHold",
    "Lifecycle",
    "LogRecord",
    "OperationCalls",
    "OperationChange",
    "Owner",
    "PoolReport",
    "PoolSample",
    "ProcessSample",
    "Role",
    "SearchQuery",
    "ServiceReport",
    "Signal",
    "SignalKind",
    "Span",
    "SpanEvent",
    "SpanKind",
    "SpanLink",
    "Starvation",
    "Starved",
    "StatusCode",
    "Suspect",
    "Trace",
    "TraceDiff",
    "TraceSummary",
    "Traffic",
    "TrafficChange",
    "Verdict",
    "Window",
]
