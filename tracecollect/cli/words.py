"""Findings and coverage in words, for someone who was woken up."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

import click

from tracecollect.cli.tables import clean, clock, length, room_or, shorten, verdict
from tracecollect.lifecycle.findings import lost
from tracecollect.model import (
    SECOND,
    Coverage,
    CoverageLevel,
    Finding,
    Instant,
    LeakedHold,
    LeakReport,
    Verdict,
)

_WIDTH = 98
_LEAST = 24
_LABEL = 12
_EXAMPLES = 3
_EVIDENCE = 4
_ACCUSED = (Verdict.LEAKED, Verdict.SUSPECTED)
_STATEMENT = 160


def report(answer: LeakReport, again: str = "") -> None:
    """The whole answer of `leaks`. `again` are the options that ask the same question once more."""
    click.echo(click.style(headline(answer), bold=True))
    for one in answer.findings:
        click.echo()
        finding(one, answer.as_of)
    _coverage(answer.coverage)
    click.echo()
    for line in _next(answer):
        click.echo(f"next: {line}{again}")


def headline(answer: LeakReport) -> str:
    """The state in one line. Blindness is never health."""
    accused = [one for one in answer.findings if one.verdict in _ACCUSED]
    when = f"as of {clock(answer.as_of)}"
    if accused:
        return f"{_many(lost(accused), 'connection')} not given back at {_many(len(accused), 'place')}, {when}"
    blind = [one for one in answer.coverage if one.level is CoverageLevel.BLIND]
    seen = len(answer.coverage) - len(blind)
    if not answer.coverage:
        return f"nothing has arrived that says anything about a connection, {when}"
    if not seen:
        return f"cannot tell: every pool is blind ({len(blind)}), no finding is no proof of health, {when}"
    gone = sum(one.leaked_count for one in answer.findings if one.verdict is Verdict.UNKNOWN)
    if gone:
        return f"cannot tell what became of {_many(gone, 'connection')}: their processes are gone, {when}"
    unsure = f"; cannot tell for {_many(len(blind), 'blind pool')}" if blind else ""
    return f"no leak in {_many(seen, 'pool')} that can be watched{unsure}, {when}"


def finding(one: Finding, as_of: Instant, *, whole: bool = False) -> None:
    """One finding: what, where, since when, how bad, why we say so."""
    named = one.entry or "counted by the pool's own numbers, not named"
    count = f"{one.leaked_count} × " if one.leaked_count else ""
    click.echo(f"{verdict(one.verdict)}  {click.style(count + clean(named), bold=True)}  ({clean(one.service)})")
    _row("id", one.id)
    _row("code", clean(one.code) if one.code else "not said by the instrumentation")
    if one.statement:
        _row("statement", shorten(clean(one.statement), 10_000 if whole else _STATEMENT))
    _row("pool", clean(one.pool) + (f" of {clean(one.instance)}" if one.instance else ""))
    _row("since", _since(one, as_of))
    if one.exhausted_at is not None:
        _row("exhausted", _exhausted(one.exhausted_at, as_of))
    if one.starved_requests:
        _row("starved", f"{_many(one.starved_requests, 'request')} waited in vain because of it")
    _why(one, whole)
    _examples(one.instances, whole)
    _row("sure", f"{one.confidence:.0%} (family {one.family}, dialect {clean(one.dialect)})")


def _since(one: Finding, as_of: Instant) -> str:
    age = f" ({length(as_of - one.first_at)} ago)" if one.first_at and as_of > one.first_at else ""
    rate = "" if one.per_hour is None else f", {_rate(one.per_hour)} per hour"
    return f"{clock(one.first_at)}{age}, last {clock(one.last_at)}{rate}"


def _rate(per_hour: float) -> str:
    return f"{per_hour:.0f}" if per_hour >= 10 else f"{per_hour:.2g}"


def _exhausted(at: Instant, as_of: Instant) -> str:
    if at <= as_of:
        return f"since {clock(at)}: no connection is left for anybody"
    return f"in about {length(at - as_of)} ({clock(at)}) at this rate"


def _why(one: Finding, whole: bool) -> None:
    shown = one.evidence if whole else one.evidence[:_EVIDENCE]
    for number, evidence in enumerate(shown):
        place = f" [trace {evidence.trace_id[:16]}]" if evidence.trace_id and whole else ""
        _row("why" if number == 0 else "", f"{evidence.kind}: {clean(evidence.text)}{place}")


def _examples(holds: Sequence[LeakedHold], whole: bool) -> None:
    shown = holds if whole else holds[-_EXAMPLES:]
    for number, hold in enumerate(shown):
        connection = f" on connection {clean(hold.connection_id)}" if hold.connection_id else ""
        held = length(round(hold.held_seconds * SECOND))
        text = f"{hold.trace_id}  taken {clock(hold.acquired_at)}, held {held}{connection}"
        _row("traces" if number == 0 else "", text)
    if len(holds) > len(shown):
        _row("", f"and {len(holds) - len(shown)} more")


def _row(label: str, text: str) -> None:
    for number, line in enumerate(_wrapped(text, _LABEL + 2) or [""]):
        click.echo(f"  {label if number == 0 else '':<{_LABEL}}{line}")


def _wrapped(text: str, indent: int) -> list[str]:
    # Long words stay whole: a trace id or a path is copied, not read.
    room = min(_WIDTH, room_or(_WIDTH)) - indent
    return textwrap.wrap(text, max(room, _LEAST), break_long_words=False, break_on_hyphens=False)


def _coverage(coverage: Iterable[Coverage]) -> None:
    shown = list(coverage)
    if not shown:
        return
    click.echo()
    click.echo(click.style("what each pool lets us see", bold=True))
    for one in sorted(shown, key=lambda each: (-_LEVELS.index(each.level), each.service, each.pool)):
        coverage_line(one)


_LEVELS = list(CoverageLevel)


def coverage_line(one: Coverage) -> None:
    """One pool's coverage, its reason, and the one change that would raise it."""
    blind = one.level is CoverageLevel.BLIND
    level = click.style(
        f"{one.level.upper() if blind else one.level:<9}", fg="yellow" if blind else None, bold=blind or None
    )
    click.echo(f"  {level} {clean(one.service)}  {clean(one.pool) or '(no pool named)'}")
    for text in (one.why, one.hint and f"to see more: {one.hint}"):
        for line in _wrapped(clean(text), _LABEL):
            click.echo(f"            {line}")


def _next(answer: LeakReport) -> Sequence[str]:
    if answer.findings:
        name = answer.findings[0].id
        return (f"tracecollect explain {name}", f"tracecollect lifecycle {name} --as svg -o leak.svg")
    return ("tracecollect pools",) if answer.coverage else ("tracecollect doctor",)


def _many(count: int, thing: str) -> str:
    return f"{count} {thing}{'' if count == 1 else 's'}"
