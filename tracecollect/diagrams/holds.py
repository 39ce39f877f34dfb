"""One hold as a lane: wait, busy, idle, and then released, or never."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tracecollect.diagrams.shapes import Lane, Marker, Role, Segment
from tracecollect.diagrams.words import duration
from tracecollect.model import Hold, Instant, SignalKind, Verdict

ENDLESS = {
    Role.LEAKED: "never released",
    Role.SUSPECTED: "not released, its request is over",
    Role.HELD_LONG: "still held",
    Role.HELD: "still held",
    Role.PINNED: "kept on purpose",
    Role.UNKNOWN: "not seen again",
}
"""What is said where a lane runs off the right edge."""

OPEN_TAIL = {
    Role.LEAKED: Role.NEVER,
    Role.SUSPECTED: Role.SUSPECTED,
    Role.HELD_LONG: Role.HELD,
    Role.HELD: Role.HELD,
    Role.PINNED: Role.HELD,
    Role.UNKNOWN: Role.UNKNOWN,
}

SEVERITY = (
    Role.LEAKED,
    Role.SUSPECTED,
    Role.HELD_LONG,
    Role.UNKNOWN,
    Role.CLOSED_LATE,
    Role.RECOVERED,
    Role.HELD,
    Role.PINNED,
    Role.HEALTHY,
)
"""Worst first: the order of lanes."""

_WORK = {SignalKind.USED, SignalKind.ROWS_OPENED, SignalKind.TX_BEGAN, SignalKind.TX_ENDED}


def role_of(hold: Hold) -> Role:
    """What a hold is called: by its verdict, else by whether it came back."""
    if hold.verdict is not None:
        return Role(hold.verdict)
    return Role.HELD if hold.released_at is None else Role.HEALTHY


def last_moment(hold: Hold) -> int:
    """The last thing known of a hold: its release, its last use or the end of its owner."""
    known = [hold.acquired_at, hold.last_used_at, hold.released_at or 0]
    return max(known + ([hold.owner.end] if hold.owner else []))


def hold_lane(hold: Hold, *, now: int, label: str = "", depth: int = 0, group: str = "", since: bool = True) -> Lane:
    """The lane of a hold that is drawn up to `now`; `since`: and says how long it has been held by then."""
    role = role_of(hold)
    endless = ENDLESS.get(role, "") if hold.released_at is None else ""
    owner = hold.owner.name if hold.owner else ""
    return Lane(
        id=f"{hold.trace_id}/{hold.span_id}/{hold.dialect}/{hold.pair}/{hold.key}",
        label=label or owner or hold.statement or "(unknown request)",
        role=role,
        segments=tuple(_segments(hold, role, now)),
        markers=_markers(hold, role),
        detail=" ".join(filter(None, [f"trace {hold.trace_id[:8]}" if hold.trace_id else "", hold.connection_id])),
        note=_note(hold, role, endless, now if since else None),
        group=group,
        depth=depth,
        endless=endless,
        trace_id=hold.trace_id,
    )


def connection_lane(connection: str, holds: Sequence[Hold], *, now: int, group: str = "") -> Lane:
    """One physical connection with all its holds, in order of time."""
    lanes = [hold_lane(hold, now=now) for hold in sorted(holds, key=lambda hold: hold.acquired_at)]
    worst = min((lane.role for lane in lanes), key=SEVERITY.index)
    last = lanes[-1]
    return Lane(
        id=f"connection/{connection}",
        label=f"connection {connection}",
        role=worst,
        segments=tuple(segment for lane in lanes for segment in lane.segments),
        markers=tuple(marker for lane in lanes for marker in lane.markers),
        detail=f"{len(holds)} holds" if len(holds) > 1 else "1 hold",
        note=last.note,
        group=group,
        endless=last.endless,
    )


def _segments(hold: Hold, role: Role, now: int) -> Iterable[Segment]:
    start = hold.acquired_at
    if hold.wait > 0:
        yield Segment(Instant(start - hold.wait), start, Role.WAIT)
    end = hold.released_at if hold.released_at is not None else max(now, hold.last_used_at)
    cursor = int(start)
    for began, ended in _busy(hold, end):
        if began > cursor:
            yield Segment(Instant(cursor), Instant(began), Role.IDLE)
        yield Segment(Instant(began), Instant(ended), Role.BUSY)
        cursor = ended
    if cursor < end or cursor == start:
        tail = Role.IDLE if cursor > start else Role.BUSY
        yield Segment(Instant(cursor), Instant(end), tail if hold.released_at is not None else OPEN_TAIL[_open(role)])


def _open(role: Role) -> Role:
    return role if role in OPEN_TAIL else Role.HELD


def _busy(hold: Hold, end: int) -> list[tuple[int, int]]:
    """Stretches in which the connection worked, merged; up to its last use when the uses are not known."""
    stretches = sorted((int(use.started), int(use.at)) for use in hold.uses if use.kind in _WORK)
    if not stretches:
        stretches = [(int(hold.acquired_at), int(hold.last_used_at))]
    merged: list[tuple[int, int]] = []
    for began, ended in stretches:
        began, ended = max(began, hold.acquired_at), min(ended, end)
        if ended <= began:
            continue
        if merged and began <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], ended))
        else:
            merged.append((began, ended))
    return merged


def _markers(hold: Hold, role: Role) -> tuple[Marker, ...]:
    markers = []
    if hold.owner is not None and role is not Role.HEALTHY and hold.owner.end > hold.owner.start:
        markers.append(Marker(hold.owner.end, Role.OWNER_ENDED, "request ended"))
    if hold.released_at is not None:
        markers.append(Marker(hold.released_at, Role.RELEASED, hold.release or "released"))
    return tuple(markers)


def _note(hold: Hold, role: Role, endless: str, now: int | None) -> str:
    if hold.released_at is None:
        text = endless or "still held"
        return text if now is None else f"{text} · {duration(now - hold.acquired_at)}"
    late = hold.released_at - hold.owner.end if hold.owner else 0
    if role is Role.CLOSED_LATE and late > 0:
        return f"released {duration(late)} late"
    said = "taken back" if role is Role.RECOVERED else "released"
    return f"{said} after {duration(hold.released_at - hold.acquired_at)}"


def as_judged(hold: Hold, verdict: Verdict) -> Hold:
    """The same hold with a verdict, where it had none and did not come back."""
    return replace(hold, verdict=verdict) if hold.verdict is None and hold.released_at is None else hold
