"""Questions about connections: facts out of the store, judged by `lifecycle`."""

from __future__ import annotations

from collections.abc import Sequence

from tracecollect.model import Finding, Hold, Instant, LeakQuery, LeakReport, Lifecycle, PoolReport
from tracecollect.lifecycle.facts import window_of
from tracecollect.ports import Store


class Connections:
    """Asks the store and lets `lifecycle` judge."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def leaks(self, query: LeakQuery, now: Instant) -> LeakReport:
        """Every pool as of a moment."""
        return LeakReport(window_of(query, now).until, (), ())

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
