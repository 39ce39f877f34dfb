"""Answers out of a store in this process: reads facts, lets `lifecycle` judge them, keeps what was said."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import tracecollect
from tracecollect.errors import Ambiguous, NotFound
from tracecollect.model import (
    Build,
    BuildQuery,
    CallEdge,
    Finding,
    FindingChange,
    Instant,
    LeakQuery,
    LeakReport,
    Lifecycle,
    PoolReport,
    SearchQuery,
    ServiceReport,
    Span,
    Starvation,
    Starved,
    Trace,
    TraceSummary,
    Window,
)
from tracecollect.ports import MOST_SPANS, Check, Status, Store, TableUsage
from tracecollect.storage import builds, connections
from tracecollect.storage.beside import Beside

_HEX = frozenset("0123456789abcdef")
_TRACE_ID = 32
_CANDIDATES = 20
# Deeper than requests nest; a chain that is longer begins with a parent that is not told.
_GENERATIONS = 100
_MOST_ABOVE = 2_000


class LocalAnswers:
    """`Answers` over a store.

    `now`, what is `waiting` to be stored, and the server's own `checks` and `settings` come from outside.

    A question with the usual `grace`, about everything and now, is remembered with its answer.
    """

    def __init__(
        self,
        store: Store,
        *,
        grace: int,
        checks: Callable[[], Sequence[Check]] = tuple,
        settings: Mapping[str, str] | None = None,
        origins: Mapping[str, str] | None = None,
        waiting: Callable[[], Sequence[TableUsage]] = tuple,
        now: Callable[[], int] = time.time_ns,
    ) -> None:
        self._store = store
        self._checks = checks
        self._settings, self._origins = settings or {}, origins or {}
        self._waiting = waiting
        self._now = now
        self._grace = grace
        self._connections = connections.Connections(store, grace=grace)
        self._beside = Beside(4, thread_name_prefix="beside")

    def leaks(self, query: LeakQuery) -> LeakReport:
        """See `Answers`. The plain question (everything, now) is also remembered."""
        return self._connections.leaks(query, self._moment())

    def finding(self, finding_id: str, query: LeakQuery) -> tuple[Finding, tuple[FindingChange, ...]]:
        """See `Answers`. A finding that is not true any more is still told, with its history."""
        current = self.leaks(query).findings
        known = {one.id: one for one in (*self._store.findings(), *current)}
        name = _only(finding_id, sorted(one for one in known if one.startswith(_finding_id(finding_id))), "finding")
        return known[name], tuple(self._store.history(name))

    def trace(self, trace_id: str, most: int = MOST_SPANS, skip: int = 0) -> Trace:
        """See `Answers`."""
        name = self._trace_id(trace_id)
        # Each question waits for the engine most of its time, so they are asked at once, for the same reader.
        signals = self._beside.submit(self._store.signals_of_trace, name)
        logs = self._beside.submit(self._store.logs, name)
        copies = self._store.spans(name, most, skip)
        if not copies:
            raise _no_trace(trace_id) if not skip else _no_more(name, skip)
        omitted = self._store.span_count(name) - most - skip if len(copies) == most else 0
        copies = [*copies, *self._above(name, copies)] if skip else copies
        spans = _final(copies)
        holds = self._connections.of_trace(signals.result(), spans)
        return Trace(name, spans, tuple(logs.result()), holds, len(copies) - len(spans), omitted, skip)

    def _above(self, trace_id: str, spans: Sequence[Span]) -> Sequence[Span]:
        """The earlier spans that these lie in, generation by generation."""
        known, found = {one.span_id for one in spans}, list[Span]()
        missing = {one.parent_id for one in spans if one.parent_id} - known
        for _ in range(_GENERATIONS):
            above = self._store.spans_named(trace_id, sorted(missing)[:_MOST_ABOVE])
            known |= missing
            found += above
            missing = {one.parent_id for one in above if one.parent_id} - known
            if not missing:
                break
        return found

    def lifecycle(self, subject: str, query: LeakQuery) -> Lifecycle:
        """See `Answers`."""
        if subject.startswith("f_"):
            finding, _ = self.finding(subject, query)
            return self._connections.of_finding(finding, replace(query, fresh=False), self._moment())
        name = self._trace_id(subject)
        spans = _final(self._store.spans(name))
        if not spans:
            raise _no_trace(subject)
        return self._connections.lifecycle_of_trace(name, spans, query, self._moment())

    def pool(self, name: str, query: LeakQuery) -> Lifecycle:
        """See `Answers`."""
        return self._connections.of_pool(name, query, self._moment())

    def pools(self, query: LeakQuery) -> Sequence[PoolReport]:
        """See `Answers`."""
        return self._connections.pools(query, self._moment())

    def starved(self, trace_id: str, query: LeakQuery) -> Sequence[Starved]:
        """See `Answers`."""
        spans = _final(self._store.spans(self._trace_id(trace_id)))
        if not spans:
            raise _no_trace(trace_id)
        return self._connections.starved(spans, query, self._moment())

    def starvation(self, subject: str, query: LeakQuery) -> Starvation:
        """See `Answers`."""
        if subject.startswith("f_"):
            finding, _ = self.finding(subject, query)
            return self._connections.starvation_of_finding(finding, replace(query, fresh=False), self._moment())
        return self._connections.starvation_of_pool(subject, query, self._moment())

    def search(self, query: SearchQuery) -> Sequence[TraceSummary]:
        """See `Answers`."""
        return self._store.search(query)

    def services(self, window: Window) -> Sequence[ServiceReport]:
        """See `Answers`."""
        return self._store.services(window)

    def calls(self, window: Window, service: str = "") -> Sequence[CallEdge]:
        """See `Answers`."""
        return self._store.calls(window, service)

    def build(self, query: BuildQuery) -> Build:
        """See `Answers`."""
        return builds.build(self._store, query, self._moment(), grace=self._grace)

    def status(self) -> Status:
        """See `Answers`."""
        usage = (*self._store.usage(), *self._waiting())
        return Status(
            tracecollect.__version__, (*self._checks(), *self._own_checks()), self._settings, self._origins, usage
        )

    def stop(self, name: str) -> None:
        """See `Answers`."""
        self._store.stop(name)

    def close(self) -> None:
        """The store belongs to whoever opened it; what is asked of it ends. Idempotent."""
        self._beside.shutdown()
        self._connections.close()

    # --- inside -------------------------------------------------------------------------------------

    def _moment(self) -> Instant:
        return Instant(self._now())

    def _trace_id(self, prefix: str) -> str:
        """The one trace id that begins so."""
        wanted = prefix.strip().lower()
        if not wanted or len(wanted) > _TRACE_ID or not _HEX.issuperset(wanted):
            raise NotFound(
                f"{prefix!r} is no trace id", hint="a trace id is up to 32 hexadecimal digits; a finding begins with f_"
            )
        if len(wanted) == _TRACE_ID:
            return wanted
        return _only(prefix, self._store.trace_ids(wanted, _CANDIDATES + 1), "trace")

    def _own_checks(self) -> Sequence[Check]:
        stats = self._store.stats()
        spans = stats.get("otel_traces.rows", 0)
        size = sum(value for name, value in stats.items() if name.endswith(".bytes"))
        return (
            Check("store", True, f"{spans} spans, {stats.get('otel_logs.rows', 0)} log records, {size >> 20} MiB"),
            self._clock_check(),
        )

    def _clock_check(self) -> Check:
        """Telemetry from the future: some clock is wrong, and grace and windows with it."""
        moment = self._moment()
        ahead = [
            one
            for one in self._store.services(Window(Instant(moment - _HOUR), Instant(moment + 100 * _HOUR)))
            if one.last_at > moment + _SKEW
        ]
        if not ahead:
            return Check("clock", True, "no telemetry from the future")
        worst = max(ahead, key=lambda one: one.last_at)
        seconds = (worst.last_at - moment) / 1e9
        return Check(
            "clock",
            False,
            f"{worst.service} {worst.instance} is {seconds:.0f} s ahead of this clock",
            "set the clocks with NTP: a hold of a process from the future is never old enough",
        )


_HOUR = 3600 * 10**9
_SKEW = 30 * 10**9
_FINDINGS = "tracecollect leaks lists what there is; one that it told with --grace or --as-of needs the same here"


def _finding_id(prefix: str) -> str:
    return prefix if prefix.startswith("f_") else f"f_{prefix}"


def _only(prefix: str, found: Sequence[str], kind: str) -> str:
    if len(found) == 1:
        return found[0]
    if not found:
        raise (_no_trace(prefix) if kind == "trace" else NotFound(f"there is no {kind} {prefix}", hint=_FINDINGS))
    more = f"more than {_CANDIDATES}" if len(found) > _CANDIDATES else str(len(found))
    raise Ambiguous(f"{prefix} fits {more} {kind}s", tuple(found[:_CANDIDATES]))


def _no_trace(name: str) -> NotFound:
    return NotFound(
        f"there is no trace {name}", hint="tracecollect search lists traces; older ones leave by --retention"
    )


def _no_more(name: str, skip: int) -> NotFound:
    return NotFound(f"trace {name} has no more than {skip} spans", hint="ask for an earlier stretch, or without skip")


def _final(copies: Sequence[Span]) -> tuple[Span, ...]:
    """One of each span: what was heard after the end is final, then what came last.

    Spans of two processes may share an id (Zipkin's client and server), so the id alone does not say enough.
    """
    final: dict[tuple[str, str, str, str], Span] = {}
    for one in sorted(copies, key=lambda span: (not span.open, span.arrived)):
        final[one.span_id, one.service, one.instance, one.kind] = one
    return tuple(sorted(final.values(), key=lambda span: (span.start, span.span_id)))
