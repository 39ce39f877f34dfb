"""One long wait for a connection in words: who had the pool then, and whose fault it was."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

import click

from tracecollect.cli.tables import clean, clock, length, shorten, verdict
from tracecollect.model import Cause, Holder, Starved

_WIDTH = 80
_LABEL = 12
_BECAUSE = {Cause.LEAK: "the leak", Cause.SLOW_HOLDERS: "slow holders", Cause.UNKNOWN: "cannot be told"}


def waits(found: Sequence[Starved], limit: int, again: str) -> None:
    """Every wait with its holders, and what to ask next."""
    for number, one in enumerate(found):
        if number:
            click.echo()
        _wait(one, limit)
    names = dict.fromkeys(holder.finding for one in found for holder in one.holders if holder.finding)
    if names:
        click.echo()
    for name in list(names)[:3]:
        click.echo(f"next: tracecollect explain {name}{again}")


def _wait(one: Starved, limit: int) -> None:
    took = length(one.ended - one.began)
    vain = " in vain" if one.failed else ""
    said = f"{clean(one.entry) or 'this request'} waited {took}{vain} for a connection of {_pool(one)}"
    for line in textwrap.wrap(said, _WIDTH, break_long_words=False):
        click.echo(click.style(line, bold=True))
    _row("because of", f"{click.style(_BECAUSE[one.cause], bold=True)}: {one.why}")
    _row("since", f"{clock(one.began)}, place {one.place} in the queue")
    sites: dict[tuple[str, ...], list[Holder]] = {}
    for holder in one.holders[:limit]:
        sites.setdefault(_site(holder), []).append(holder)
    for holders in sites.values():
        _had(one, holders)
    if one.unnamed:
        _row("had by", f"{one.unnamed}{' more' if sites else ''} leaked connections that no span names")
    if len(one.holders) > limit:
        _row("", f"and {len(one.holders) - limit} more: --limit {len(one.holders)}")
    if not one.holders and not one.unnamed:
        _row("had by", "nobody who is seen; tracecollect pools says what would help")


def _pool(one: Starved) -> str:
    return clean(one.pool) or "a pool without a name"


def _site(one: Holder) -> tuple[str, ...]:
    return one.finding, one.service, one.entry, one.code, "" if one.code else one.statement


def _had(wait: Starved, holders: Sequence[Holder]) -> None:
    """One operation, where in its code, and every connection that it had."""
    first = holders[0]
    word = verdict(first.verdict) if first.finding and first.verdict is not None else "slow"
    _row("had by", f"{word}  {len(holders)} × {clean(first.entry) or 'an unknown operation'}")
    where = first.code or first.statement
    for text in (shorten(clean(where), _WIDTH - _LABEL - 2), first.finding):
        if text:
            _row("", text)
    for one in holders:
        # The day is said by the wait; only a connection taken on another one needs it.
        since = clock(one.since) if clock(one.since)[:10] != clock(wait.began)[:10] else clock(one.since)[11:]
        own = ", this request itself" if one.trace_id == wait.trace_id else ""
        had = length(max(0, wait.began - one.since))
        click.echo(f"  {one.trace_id}  since {since} ({had}), {_after(wait, one)}{own}")


def _after(wait: Starved, one: Holder) -> str:
    if one.until is not None:
        return f"back {length(one.until - wait.began)} later"
    return "never back" if one.finding else "not seen back"


def _row(label: str, text: str) -> None:
    for number, line in enumerate(_wrapped(text, _WIDTH - _LABEL - 2)):
        click.echo(f"  {label if number == 0 else '':<{_LABEL}}{line}")


def _wrapped(text: str, room: int) -> Iterable[str]:
    # Colours take no room on the screen, and long words stay whole: a trace id is copied, not read.
    lines, line = [], ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if line and len(click.unstyle(joined)) > room:
            lines.append(line)
            joined = word
        line = joined
    return [*lines, line]
