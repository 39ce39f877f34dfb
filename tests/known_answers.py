"""Answers that are known beforehand, hostile labels and all: what passes through HTTP must come out the same."""

from __future__ import annotations

from tracecollect import model
from tracecollect.errors import Ambiguous, NotFound
from tracecollect.model import Instant
from tracecollect.ports import Check, Status

AT = Instant(1_795_405_440_000_000_001)
LATER = Instant(AT + 10**9)
TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HOSTILE = "</script><img src=x onerror=alert(1)>\x1b[31m\u202e"

HOLD = model.LeakedHold(TRACE, None, None, AT, 41.2)
EVIDENCE = model.Evidence(model.EvidenceKind.INFERRED, HOSTILE, TRACE, "00f067aa0ba902b7")
FINDING = model.Finding(
    "f_3f9a", model.Verdict.LEAKED, 0.95, "B", "python-asyncpg", "orders", "i", "db/one", HOSTILE, None,
    "SELECT 1", 45, AT, LATER, 3600.0, None, 0, (EVIDENCE,), (HOLD,),
)  # fmt: skip
BLIND = model.Coverage(
    "legacy", "j", "main", model.CoverageLevel.BLIND, ("python-psycopg2",), "statements only", "probe"
)
SEEN = model.Coverage("orders", "i", "db/one", model.CoverageLevel.INFERRED, ("python-asyncpg",), "reset query", "")
REPORT = model.LeakReport(LATER, (FINDING,), (SEEN, BLIND))
SPAN = model.Span(
    TRACE, "00f067aa0ba902b7", "", HOSTILE, model.SpanKind.SERVER, "orders", "i", AT, 10**8,
    attributes={"a": HOSTILE}, events=(model.SpanEvent(AT, "e"),), links=(model.SpanLink(TRACE, "1"),),
)  # fmt: skip
OPEN = model.Hold("orders", "i", "db/one", "python-asyncpg", "p", "k", AT, None, LATER, TRACE, "00f067aa0ba902b7")


HOLDER = model.Holder(
    "orders", "i", HOSTILE, TRACE, "", AT, None, model.Verdict.LEAKED, "pay.py:41", "SELECT 1", "", FINDING.id
)
STARVED = model.Starved(
    "orders", "i", "db/one", HOSTILE, TRACE, "", AT, LATER, True, model.Cause.LEAK, HOSTILE, 2, 3, 1, None, (HOLDER,)
)
BLAMES = (
    model.Blame("orders", HOSTILE, "pay.py:41", "SELECT 1", FINDING.id, model.Verdict.LEAKED, HOSTILE, 3, 1, 4.5),
    model.Blame("orders", "", "", "", "", model.Verdict.LEAKED, "", 1, 1, 2.0),
    model.Blame("orders", "GET /report", "", "", "", None, HOSTILE, 2, 0, 1.0),
)


class KnownAnswers:
    """Implements `ports.Answers`; remembers what it was asked."""

    def __init__(self, report: model.LeakReport = REPORT) -> None:
        self.asked: list[object] = []
        self.report = report

    def leaks(self, query):
        self.asked.append(query)
        return self.report

    def finding(self, finding_id, query):
        self.asked.append((finding_id, query))
        if not FINDING.id.startswith(finding_id):
            raise NotFound(f"there is no finding {finding_id}", hint="tracecollect leaks lists what there is")
        return FINDING, (model.FindingChange(AT, model.Verdict.SUSPECTED, 3, "first seen"),)

    def trace(self, trace_id, most=0, skip=0):
        self.asked.append(trace_id)
        if trace_id == "4b":
            raise Ambiguous("4b fits 2 traces", (TRACE, "4bff"))
        if not TRACE.startswith(trace_id):
            raise NotFound(f"there is no trace {trace_id}", hint="tracecollect search lists traces")
        log = model.LogRecord(AT, TRACE, "", "orders", "WARN", HOSTILE)
        return model.Trace(TRACE, (SPAN,), (log,), (OPEN,), 2)

    def lifecycle(self, subject, query):
        self.asked.append((subject, query))
        sample = model.PoolSample("orders", "i", "d", "db/one", "used", AT, 3.0)
        return model.Lifecycle(f"of {subject}", model.Window(AT, LATER), (OPEN,), (sample,), FINDING)

    def pool(self, name, query):
        return self.lifecycle(name, query)

    def pools(self, query):
        self.asked.append(query)
        return (model.PoolReport("orders", "i", "db/one", "postgresql", SEEN, used=3),)

    def starved(self, trace_id, query):
        self.asked.append((trace_id, query))
        if not TRACE.startswith(trace_id):
            raise NotFound(f"there is no trace {trace_id}", hint="tracecollect search lists traces")
        return (STARVED,)

    def starvation(self, subject, query):
        self.asked.append((subject, query))
        return model.Starvation("orders", "db/one", 7, 1, 0, BLAMES)

    def search(self, query):
        self.asked.append(query)
        return (model.TraceSummary(TRACE, "orders", HOSTILE, AT, 10**8, 1, 0, ("orders",)),)

    def services(self, window):
        self.asked.append(window)
        return (model.ServiceReport("orders", "i", 3, AT, LATER, ("asyncpg",)),)

    def calls(self, window, service=""):
        self.asked.append((window, service))
        return (model.CallEdge("", "", "orders", HOSTILE, model.SpanKind.SERVER, 3, 0, 10**8),)

    def build(self, query):
        self.asked.append(query)
        side = model.BuildSide(query.version, model.Window(AT, LATER), 3, 3, 1, (SEEN, BLIND))
        one = model.Traffic(HOSTILE, 3, 1.5, 2_000_000, None, 2.0)
        return model.Build("orders", side, one, (one,), (FINDING,))

    def status(self):
        return Status("0", (Check("listening", True, "here"),), {"grace": "2m"})

    def stop(self, name):
        self.asked.append(name)

    def close(self):
        pass
