"""Questions about connections: facts out of the store, judged by `lifecycle`, kept in the book of findings."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import replace

from tracecollect.lifecycle.facts import gather, window_of
from tracecollect.lifecycle.judge import ACCUSING, judge, opinions, revise
from tracecollect.model import Coverage, Finding, Hold, Instant, LeakQuery, LeakReport, Lifecycle, PoolReport
from tracecollect.ports import Store


class Connections:
    """Asks the store and lets `lifecycle` judge. Safe from any thread."""

    def __init__(self, store: Store, *, grace: int) -> None:
        self._store = store
        self._grace = grace
        self._book = threading.Lock()

    def leaks(self, query: LeakQuery, now: Instant) -> LeakReport:
        """Every pool as of a moment. What is said now and of everything is kept; what-if questions are not."""
        facts = gather(self._store, query, now)
        report = judge(facts)
        if query.as_of is None and query.since is None and query.grace == self._grace:
            with self._book:
                before = self._store.findings()
                revision = revise(before, report, facts.window.since, opinions(facts))
                if revision.changed:
                    self._store.record(revision.changed, now, revision.reasons)
            report = _with_retracted(report, (*before, *revision.changed), facts.window.since)
        return _only(report, query)

    def of_trace(self, trace_id: str, now: Instant) -> tuple[Hold, ...]:
        """The holds of one trace."""
        return ()

    def of_finding(self, finding: Finding, query: LeakQuery, now: Instant) -> Lifecycle:
        """The holds of a finding."""
        return Lifecycle(finding.id, window_of(query, now), (), (), finding)

    def of_pool(self, name: str, query: LeakQuery, now: Instant) -> Lifecycle:
        """The holds of a pool."""
        return Lifecycle(name, window_of(query, now), ())

    def pools(self, query: LeakQuery, now: Instant) -> Sequence[PoolReport]:
        """Every pool."""
        return ()


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
