"""Signals to holds: every borrow as one object with what was done in it, for reports and pictures."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby

from tracecollect.lifecycle.dialects import Dialect, Pair
from tracecollect.lifecycle.uses import with_uses
from tracecollect.lifecycle.verdicts import by_request, owner_of
from tracecollect.model import Finding, Hold, Instant, Owner, Role, Signal, SignalKind, Span, SpanKind, Verdict

UNSEEN = "this library does not say when a connection comes back"
"""The `release` of a hold whose end cannot be seen; its verdict is `unknown`."""


def follow(signals: Iterable[Signal], owners: Iterable[Owner], dialects: Mapping[str, Dialect]) -> tuple[Hold, ...]:
    """The holds that these signals tell of, in order of acquire. Open ones have no verdict yet."""
    lived, signals = by_request(owners), with_uses(signals, dialects)

    def key(one: Signal) -> tuple[str, str, str, str]:
        return one.instance, one.dialect, one.pair, one.key

    found: list[Hold] = []
    for (instance, dialect, pair, _), group in groupby(sorted(signals, key=lambda one: (*key(one), one.at)), key=key):
        of_key = list(group)
        known = dialects.get(dialect)
        if known is None or pair not in known.pairs:
            continue
        runs = _runs(of_key, known.pairs[pair])
        found += [_hold(run, known.pairs[pair], lived.get((instance, run[0].trace_id), ())) for run in runs if run]
    return tuple(sorted(_preferred(found, dialects), key=lambda one: (one.acquired_at, one.trace_id, one.key)))


def owners_in(spans: Iterable[Span]) -> tuple[Owner, ...]:
    """The entry spans among a trace's spans, by the rule of `storage/queries/holds_requests.sql`."""
    return tuple(
        Owner(one.trace_id, one.span_id, one.service, one.instance, one.name, one.start, one.end, one.kind)
        for one in spans
        if not one.open and (one.kind in _ENTERED or (one.kind not in _CALLING and _has_no_caller_here(one)))
    )


_ENTERED = (SpanKind.SERVER, SpanKind.CONSUMER)
_CALLING = (SpanKind.CLIENT, SpanKind.PRODUCER)


def _has_no_caller_here(span: Span) -> bool:
    return not span.parent_id or span.flags & 0x300 == 0x300


def judged(holds: Iterable[Hold], findings: Iterable[Finding]) -> tuple[Hold, ...]:
    """The same holds; those that a finding names have its verdict."""
    verdicts = {hold.trace_id: one.verdict for one in findings for hold in one.instances}
    return tuple(
        replace(one, verdict=verdicts[one.trace_id])
        if one.released_at is None and one.verdict is None and one.trace_id in verdicts
        else one
        for one in holds
    )


def open_runs(signals: Sequence[Signal], pair: Pair) -> Sequence[Sequence[Signal]]:
    """Of one key's signals in order of time, the borrows that nothing ended."""
    if pair.open_if == "none":
        return [signals]
    runs = [run for run in _runs(signals, pair) if run and not any(one.role is Role.CLOSE for one in run)]
    # Where the newest opener decides, what lies before it is answered.
    return runs[-1:] if pair.open_if == "last" else runs


def _runs(signals: Sequence[Signal], pair: Pair) -> Sequence[Sequence[Signal]]:
    """Cut the signals of one key into borrows: each run begins with an opener and ends with its closer, if any."""
    if pair.open_if == "never":
        return _borrowed(signals)
    if pair.open_if == "cover":
        return _covered(signals)
    if pair.entered_by == "touch":
        return _touched(signals)
    return _begun(signals)


def _borrowed(signals: Sequence[Signal]) -> Sequence[Sequence[Signal]]:
    """Acquire-only: a borrow, then whatever the same trace did until the next borrow."""
    runs: list[list[Signal]] = []
    for one in signals:
        if one.kind is SignalKind.ACQUIRED:
            runs.append([one])
        elif runs:
            runs[-1].append(one)
    return runs


def _covered(signals: Sequence[Signal]) -> Sequence[Sequence[Signal]]:
    """A closer spans its whole hold, from its start to its end: what no closer spans is one hold that is open."""
    closers = sorted((one for one in signals if one.role is Role.CLOSE), key=lambda one: one.started)
    runs: dict[Signal | None, list[Signal]] = {}
    for one in signals:
        if one.role is not Role.CLOSE:
            # Of two that span it the inner one is nearer.
            spanning = [each for each in closers if each.started <= one.started and one.at <= each.at]
            runs.setdefault(spanning[-1] if spanning else None, []).append(one)
    return [run if closer is None else [*run, closer] for closer, run in runs.items()]


def _touched(signals: Sequence[Signal]) -> Sequence[Sequence[Signal]]:
    """Every use shows the hold; a closer ends it, and the next use begins another."""
    runs: list[list[Signal]] = [[]]
    for one in signals:
        if one.role is Role.CLOSE and not runs[-1]:
            continue
        runs[-1].append(one)
        if one.role is Role.CLOSE:
            runs.append([])
    return runs


def _begun(signals: Sequence[Signal]) -> Sequence[Sequence[Signal]]:
    """Every opener is a hold of its own; a closer ends the newest that is open, as nested code does."""
    runs: list[list[Signal]] = []
    open_: list[list[Signal]] = []
    for one in signals:
        if one.role is Role.OPEN:
            runs.append([one])
            open_.append(runs[-1])
        elif one.role is Role.EXCUSE:
            excused = [run for run in open_ if excuses(one, run[0])]
            runs = [run for run in runs if run not in excused]
            open_ = [run for run in open_ if run not in excused]
        elif open_:
            open_[-1].append(one)
            if one.role is Role.CLOSE:
                open_.pop()
    return runs


def excuses(excuse: Signal, opener: Signal) -> bool:
    """An excuse answers the openers of its statement and, if its reason names one, of that name only."""
    return excuse.statement == opener.statement and excuse.reason in ("", opener.name)


def _hold(run: Sequence[Signal], pair: Pair, owners: Sequence[Owner]) -> Hold:
    first = run[0]
    closer = next((one for one in run if one.role is Role.CLOSE), None)
    uses = tuple(one for one in run if one.role is not Role.CLOSE)
    statements = [one.statement for one in uses if one.statement]
    explicit = first.kind is SignalKind.ACQUIRED
    unseen = pair.open_if == "never"
    pinned = any(one.role is Role.PIN for one in uses)
    return Hold(
        service=first.service,
        instance=first.instance,
        pool=next((one.pool for one in run if one.pool), ""),
        dialect=first.dialect,
        pair=first.pair,
        key=first.key,
        acquired_at=first.at if explicit else first.started,
        released_at=None if closer is None else closer.at,
        last_used_at=max(one.at for one in uses) if uses else first.at,
        trace_id=first.trace_id,
        span_id=first.span_id,
        owner=owner_of(run, owners),
        wait=first.at - first.started if explicit else 0,
        connection_id=next((one.connection_id for one in run if one.connection_id), ""),
        statement=statements[-1] if statements else "",
        code=next((one.code for one in run if one.code), ""),
        release=UNSEEN if unseen else _release(closer),
        verdict=_first_verdict(closer, unseen=unseen, pinned=pinned),
        uses=tuple(one for one in uses if one is not first or not explicit),
    )


def _release(closer: Signal | None) -> str:
    if closer is None:
        return ""
    return closer.reason or ("reset query" if closer.statement else str(closer.kind))


def _first_verdict(closer: Signal | None, *, unseen: bool, pinned: bool) -> Verdict | None:
    """What the signals alone say; the rest is for the judge."""
    if closer is not None and closer.reason == "collected":
        return Verdict.RECOVERED
    if unseen:
        return Verdict.UNKNOWN
    return Verdict.PINNED_BY_DESIGN if pinned and closer is None else None


def _preferred(holds: Sequence[Hold], dialects: Mapping[str, Dialect]) -> Sequence[Hold]:
    """One connection may be followed in two pairs or by two libraries: the best informed one is kept.

    What is pinned says nothing of an end; whoever else follows the connection is better informed.
    """

    def rank(one: Hold) -> tuple[bool, int]:
        return one.verdict is not Verdict.PINNED_BY_DESIGN, dialects[one.dialect].pairs[one.pair].prefer

    best: dict[tuple[str, str, str], tuple[bool, int]] = {}
    for one in holds:
        best[_place(one)] = max(best.get(_place(one), (False, -1)), rank(one))
    return [one for one in holds if rank(one) == best[_place(one)]]


def _place(hold: Hold) -> tuple[str, str, str]:
    return hold.instance, hold.trace_id or hold.key, hold.pool


def open_at(holds: Iterable[Hold], moment: Instant) -> tuple[Hold, ...]:
    """Who held a connection at a moment, longest first; a hold without a visible end counts while its owner lived."""
    found = [
        one
        for one in holds
        if one.acquired_at <= moment
        and (moment < one.released_at if one.released_at is not None else not _ended_unseen(one, moment))
    ]
    return tuple(sorted(found, key=lambda one: one.acquired_at))


def _ended_unseen(hold: Hold, moment: Instant) -> bool:
    return hold.release == UNSEEN and hold.owner is not None and hold.owner.end <= moment
