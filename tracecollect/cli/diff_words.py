"""Two builds or two traces as tables that fit 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import click

from tracecollect.cli import common
from tracecollect.cli.tables import clean, clock, ending, length, shorten, table, verdict
from tracecollect.model import (
    BuildDiff,
    BuildSide,
    CoverageLevel,
    Finding,
    OperationCalls,
    OperationChange,
    TraceDiff,
    Traffic,
    TrafficChange,
)

_OPERATION = 23
_CALLED = 20
_SERVICE = 10
_NAME = 24
_WIDTH = 78


def builds(diff: BuildDiff, before: str, after: str) -> None:
    """The whole answer: what was compared, what requests did with connections, and the leak sites."""
    click.echo(click.style(_headline(diff), bold=True))
    click.echo(f"before  {_side(diff.before, before)}")
    click.echo(f"after   {_side(diff.after, after)}")
    click.echo()
    heads = ("operation", "requests", "conn/req", "held 50 %", "held 95 %", "stmts")
    table(heads, [row for one in (diff.whole, *diff.operations) for row in _rows(one)], right=range(1, len(heads)))
    for title, sites in (("new", diff.new), ("still there", diff.still), ("vanished", diff.vanished)):
        _sites(title, sites)
    _doubts(diff)


def _headline(diff: BuildDiff) -> str:
    counts = f"{len(diff.new)} new, {len(diff.still)} still there, {len(diff.vanished)} vanished"
    return f"leak sites of {clean(diff.service)}: {counts}"


def _side(side: BuildSide, name: str) -> str:
    when = f"{clock(side.window.since)} to {clock(side.window.until)}"
    return f"{when}  {shorten(clean(name), _NAME)}".rstrip()


def _rows(one: TrafficChange) -> Sequence[Sequence[str]]:
    """Two lines an operation, before above after: numbers are compared along their column."""
    name = shorten(clean(one.entry) or "all", _OPERATION)
    return (
        (name, *_numbers(one.before)),
        ("  after", *_numbers(one.after)),
    )


def _numbers(one: Traffic | None) -> Sequence[str]:
    if one is None:
        return ("none", "-", "-", "-", "-")
    return (
        str(one.requests),
        _said(one.connections_per_request, "{:.3g}".format),
        _said(one.held_p50, length),
        _said(one.held_p95, length),
        _said(one.statements_per_hold, "{:.3g}".format),
    )


def _said(value: float | None, spell: Callable[[float], str]) -> str:
    return "-" if value is None else spell(value)


def _sites(title: str, sites: Sequence[Finding]) -> None:
    if not sites:
        return
    click.echo()
    click.echo(click.style(f"{title}:", bold=True))
    for one in sites:
        count = f"{one.leaked_count} × " if one.leaked_count else ""
        entry = clean(one.entry) or "counted by the pool's own numbers, not named"
        # The id stays whole, and the operation has what is left.
        room = _WIDTH - len(one.id) - len(one.verdict) - len(count) - 6
        click.echo(f"  {one.id}  {verdict(one.verdict)}  {count}{shorten(entry, room)}")
        if one.code:
            click.echo(f"  {'':{len(one.id)}}  {ending(clean(one.code), _WIDTH - len(one.id) - 4)}")


def _doubts(diff: BuildDiff) -> None:
    for name, side in (("before", diff.before), ("after", diff.after)):
        blind = sorted({clean(one.pool) for one in side.coverage if one.level is CoverageLevel.BLIND})
        if not side.coverage:
            common.note(f"{name}: nothing says anything about a connection; no leak site there is no proof of health")
        if side.unjudged:
            common.note(f"{name}: cannot tell what became of {side.unjudged} connections: nothing was heard of their")
            common.note("  processes when their grace was over; for a short recording a shorter --grace may tell")
        for pool in blind:
            common.note(f"{name}: pool {pool} is blind, no leak site there is no proof of health")
        if side.followed < side.requests:
            common.note(f"{name}: connections of {side.followed} of the {side.requests} requests were followed")


def traces(diff: TraceDiff) -> None:
    """Two traces operation by operation."""
    click.echo(f"before  {diff.before}  {length(diff.before_duration)}")
    click.echo(f"after   {diff.after}  {length(diff.after_duration)}")
    click.echo()
    heads = ("operation", "service", "calls", "errors", "before", "after", "only in")
    table(heads, [_call(one) for one in diff.operations], right=(2, 3, 4, 5))


def _call(one: OperationChange) -> Sequence[str]:
    before, after = one.before or _NONE, one.after or _NONE
    only = "after" if one.before is None else "before" if one.after is None else ""
    return (
        shorten(clean(one.name), _CALLED),
        shorten(clean(one.service), _SERVICE),
        _changed(before.count, after.count),
        _changed(before.errors, after.errors),
        "-" if one.before is None else length(before.total),
        "-" if one.after is None else length(after.total),
        only,
    )


_NONE = OperationCalls(0, 0, 0, 0)


def _changed(before: int, after: int) -> str:
    return str(before) if before == after else f"{before}→{after}"
