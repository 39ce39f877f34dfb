"""What a connection was held for: how long it worked, how long it idled, and what the request did meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tracecollect.model import Hold, Instant, Span, SpanKind

Stretch = tuple[int, int]
_DATABASE = ("db.system", "db.system.name", "db.statement", "db.query.text")
_MOST_FILLERS = 3


@dataclass(frozen=True, slots=True)
class Filler:
    """Work of the same request that went on while its connection idled; `time` in nanoseconds."""

    name: str
    service: str
    time: int


@dataclass(frozen=True, slots=True)
class Usage:
    """One hold's time, in nanoseconds: `busy` with statements, `idle` otherwise; `longest` is the longest idle gap."""

    held: int
    busy: int
    longest: int
    fillers: tuple[Filler, ...] = ()

    @property
    def idle(self) -> int:
        """Time in which the connection was held and did nothing."""
        return self.held - self.busy


def usage(hold: Hold, spans: Iterable[Span], until: Instant) -> Usage:
    """How a hold was used by the spans of its trace; one that is not back is held `until` then."""
    end = max(hold.acquired_at, until if hold.released_at is None else hold.released_at)
    of_process = [one for one in spans if one.instance == hold.instance and not one.open]
    statements = _merged((one.start, one.end) for one in of_process if _is_statement(one))
    busy = _within(statements, hold.acquired_at, end)
    gaps = _gaps(busy, hold.acquired_at, end)
    # What the request waits for ends with the request: afterwards nobody waits, the connection is just out.
    waiting = [(start, min(stop, hold.owner.end)) for start, stop in gaps] if hold.owner is not None else gaps
    return Usage(
        held=end - hold.acquired_at,
        busy=sum(stop - start for start, stop in busy),
        longest=max((stop - start for start, stop in gaps), default=0),
        fillers=_fillers(hold, of_process, waiting),
    )


def _is_statement(span: Span) -> bool:
    return any(span.attributes.get(key) for key in _DATABASE)


def _fillers(hold: Hold, spans: Sequence[Span], gaps: Sequence[Stretch]) -> tuple[Filler, ...]:
    """Calls out of the process first: they are waited for; other work only where no call explains a gap."""
    owner = hold.owner.span_id if hold.owner is not None else ""
    time: Counter[tuple[str, str]] = Counter()
    others = [one for one in spans if one.span_id != owner and not _is_statement(one)]
    calls = [one for one in others if one.kind in (SpanKind.CLIENT, SpanKind.PRODUCER)]
    for one in calls or [each for each in others if each.parent_id == owner]:
        overlap = sum(max(0, min(stop, one.end) - max(start, one.start)) for start, stop in gaps)
        if overlap:
            time[one.name, one.service] += overlap
    return tuple(Filler(name, service, spent) for (name, service), spent in time.most_common(_MOST_FILLERS))


def _merged(stretches: Iterable[Stretch]) -> Sequence[Stretch]:
    found: list[Stretch] = []
    for start, stop in sorted(stretches):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], stop)
        else:
            found.append((start, stop))
    return found


def _within(stretches: Iterable[Stretch], begin: int, end: int) -> Sequence[Stretch]:
    cut = ((max(start, begin), min(stop, end)) for start, stop in stretches)
    return [(start, stop) for start, stop in cut if start < stop]


def _gaps(busy: Sequence[Stretch], begin: int, end: int) -> Sequence[Stretch]:
    edges = [begin, *(moment for stretch in busy for moment in stretch), end]
    return [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]
