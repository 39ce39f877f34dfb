"""The lifecycle picture of a finding, a pool or a trace: leaked holds first, healthy neighbours for contrast."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from tracecollect.diagrams.finding import caption, sentence
from tracecollect.diagrams.holds import (
    ENDLESS,
    SEVERITY,
    as_judged,
    connection_lane,
    hold_lane,
    last_moment,
    role_of,
)
from tracecollect.diagrams.process import process_rows
from tracecollect.diagrams.shapes import Axis, Lane, Occupancy, Role, Sample, Timeline
from tracecollect.diagrams.words import axis, duration, many, moment
from tracecollect.model import Hold, Instant, LeakedHold, Lifecycle, PoolSample

SHOWN = 12
"""Lanes of holds that are a problem; a dozen are seen at a glance, the rest is counted."""
NEIGHBOURS = 6
"""Healthy lanes for contrast."""

_NEIGHBOURS = "healthy, same pool"
_HEADS = {
    Role.LEAKED: "never released",
    Role.SUSPECTED: "not released, request over",
    Role.HELD_LONG: "held long, request still running",
    Role.UNKNOWN: "not followed to the end",
    Role.CLOSED_LATE: "released late",
    Role.RECOVERED: "taken back by the pool or the runtime",
    Role.HELD: "in use",
    Role.PINNED: "kept on purpose",
    Role.HEALTHY: "released",
}


def lifecycle(picture: Lifecycle, *, limit: int = SHOWN, neighbours: int = NEIGHBOURS) -> Timeline:
    """Holds as lanes over one axis, with the pool's own numbers above them where it says any.

    Lanes that were never released run off the right edge. At most `limit` lanes of each problem and `neighbours`
    healthy ones are drawn, spread evenly over time; `folded` counts the others.
    """
    holds = _with_verdicts(picture)
    span = _axis(picture, holds)
    now = max(int(picture.window.until), span.end)
    by_role: dict[Role, list[Hold]] = defaultdict(list)
    for hold in sorted(holds, key=lambda hold: (hold.acquired_at, hold.trace_id, hold.span_id, hold.key)):
        by_role[role_of(hold)].append(hold)
    lanes: list[Lane] = []
    folded: list[str] = []
    if _by_connection(picture, holds):
        lanes, folded = _connection_lanes(holds, now, limit + neighbours)
    else:
        for role in SEVERITY:
            found = by_role.get(role, [])
            room = neighbours if role is Role.HEALTHY else limit
            words = _NEIGHBOURS if role is Role.HEALTHY and picture.finding is not None else _HEADS[role]
            head = f"{words} ({len(found)})"
            lanes += [hold_lane(hold, now=now, group=head) for hold in _spread(found, room)]
            if len(found) > room:
                folded.append(f"+{len(found) - room:,} more {words}")
    if picture.omitted:
        folded.append(f"+{picture.omitted:,} more not loaded")
    title, under = _words(picture, by_role)
    return Timeline(
        title=title,
        caption=under,
        axis=span,
        lanes=tuple(lanes),
        occupancy=_occupancy(picture.samples, span),
        beside=process_rows(picture.process, span),
        folded=tuple(folded),
        notes=_notes(picture, holds, span, now),
    )


def _with_verdicts(picture: Lifecycle) -> list[Hold]:
    """The holds, and where a finding names one that was not loaded, what the finding knows of it."""
    finding = picture.finding
    if finding is None:
        return list(picture.holds)
    named = {(leaked.trace_id, leaked.span_id): leaked for leaked in finding.instances}
    traces = {leaked.trace_id for leaked in finding.instances if leaked.span_id is None}
    holds = []
    for hold in picture.holds:
        key = (hold.trace_id, hold.span_id)
        accused = key in named or hold.trace_id in traces
        named.pop(key, None)
        if accused:
            named.pop((hold.trace_id, None), None)
        holds.append(as_judged(hold, finding.verdict) if accused else hold)
    seen = {hold.trace_id for hold in holds if role_of(hold) is not Role.HEALTHY}
    return holds + [_stand_in(picture, leaked) for leaked in named.values() if leaked.trace_id not in seen]


def _stand_in(picture: Lifecycle, leaked: LeakedHold) -> Hold:
    finding = picture.finding
    assert finding is not None  # noqa: S101 - only called for the instances of a finding
    return Hold(
        service=finding.service,
        instance=finding.instance,
        pool=finding.pool,
        dialect=finding.dialect,
        pair="",
        key=leaked.span_id or "",
        acquired_at=leaked.acquired_at,
        released_at=None,
        last_used_at=leaked.acquired_at,
        trace_id=leaked.trace_id,
        span_id=leaked.span_id or "",
        connection_id=leaked.connection_id or "",
        statement=finding.entry or finding.statement or "",
        verdict=finding.verdict,
    )


def _axis(picture: Lifecycle, holds: Sequence[Hold]) -> Axis:
    """From the first hold to a little after the last event: quiet hours before and after are not drawn."""
    starts = [hold.acquired_at - hold.wait for hold in holds]
    ends = [last_moment(hold) for hold in holds]
    if not holds:
        starts = [sample.at for sample in picture.samples] or [picture.window.since]
        ends = [sample.at for sample in picture.samples] or [picture.window.until]
    start, end = min(starts), max(ends)
    end += max((end - start) // 6, 1000)
    open_ = any(hold.released_at is None for hold in holds)
    if open_ or not holds:
        end = max(min(end, picture.window.until), max(ends))
    return axis(start, end, clock=picture.finding is not None or len({hold.trace_id for hold in holds}) != 1)


def _by_connection(picture: Lifecycle, holds: Sequence[Hold]) -> bool:
    known = {hold.connection_id for hold in holds}
    return picture.finding is None and "" not in known and 1 < len(known) < len(holds)


def _connection_lanes(holds: Sequence[Hold], now: int, room: int) -> tuple[list[Lane], list[str]]:
    by_connection: dict[str, list[Hold]] = defaultdict(list)
    for hold in holds:
        by_connection[hold.connection_id].append(hold)
    lanes = [connection_lane(id_, found, now=now) for id_, found in sorted(by_connection.items())]
    lanes.sort(key=lambda lane: SEVERITY.index(lane.role))
    return lanes[:room], [f"+{len(lanes) - room:,} more connections"] if len(lanes) > room else []


def _spread(holds: Sequence[Hold], room: int) -> list[Hold]:
    """First, last and evenly chosen ones between, so that the picture still shows how the leak grew."""
    if len(holds) <= room:
        return list(holds)
    if room < 2:
        return list(holds[:room])
    return [holds[number * (len(holds) - 1) // (room - 1)] for number in range(room)]


def _words(picture: Lifecycle, by_role: dict[Role, list[Hold]]) -> tuple[str, str]:
    if picture.finding is not None:
        return sentence(picture.finding), caption(picture.finding)
    parts = [f"{len(by_role[role])} {_HEADS[role]}" for role in SEVERITY if by_role.get(role)]
    under = " · ".join(parts) or "no holds in this window"
    for role in (Role.LEAKED, Role.SUSPECTED):
        if by_role.get(role):
            return f"{picture.title}: {_accuse(by_role[role], role)}", under
    return picture.title, under


def _accuse(holds: Sequence[Hold], role: Role) -> str:
    entry = _most(hold.owner.name for hold in holds if hold.owner)
    text = many(len(holds), "connection") + (f" of {entry}" if entry else "") + f" {ENDLESS[role].split(',')[0]}"
    text += f", since {moment(holds[0].acquired_at)} UTC"
    code = _most(hold.code for hold in holds)
    statement = _most(hold.statement for hold in holds)
    if code:
        return f"{text}, taken in {code}"
    return f"{text}, last used by {statement}" if statement else text


def _most(words: Iterable[str]) -> str:
    counted = Counter(filter(None, words))
    return min(counted, key=lambda word: (-counted[word], word), default="")


def _occupancy(samples: Sequence[PoolSample], span: Axis) -> Occupancy | None:
    """The numbers of the pool that speaks most, as they were at each moment it spoke."""
    wanted = {"used", "max", "pending"}
    pools = Counter((s.instance, s.pool) for s in samples if s.measure in wanted)
    if not pools:
        return None
    chosen = min(pools, key=lambda key: (-pools[key], key))
    spoken: dict[int, dict[str, int]] = defaultdict(dict)
    for sample in sorted(samples, key=lambda sample: (sample.at, sample.measure)):
        if (sample.instance, sample.pool) == chosen and sample.measure in wanted:
            spoken[sample.at][sample.measure] = round(sample.value)
    now: dict[str, int] = {}
    rows = []
    for at, said in sorted(spoken.items()):
        now |= said
        if at <= span.end:
            rows.append(Sample(Instant(max(at, span.start)), now.get("used"), now.get("max"), now.get("pending")))
    before = [row for row in rows if row.at == span.start][-1:]
    rows = before + [row for row in rows if row.at > span.start]
    return Occupancy(f"pool {chosen[1] or '(unnamed)'}", tuple(rows)) if rows else None


def _notes(picture: Lifecycle, holds: Sequence[Hold], span: Axis, now: int) -> tuple[str, ...]:
    notes = []
    if picture.finding is not None and not holds:
        notes.append("The pool's own metrics count these connections; no span names the requests that took them.")
    if any(hold.released_at is None for hold in holds) and now > span.end:
        notes.append(
            f"The picture ends {duration(now - span.end)} before {moment(now)} UTC;"
            " what is open here was not back by then."
        )
    return tuple(notes)
