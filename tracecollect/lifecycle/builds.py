"""What the requests of one build did with connections, and two builds beside each other."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracecollect.lifecycle.judge import ACCUSING
from tracecollect.model import Build, BuildDiff, Finding, Hold, Signal, SignalKind, Traffic, TrafficChange
from tracecollect.ports import RequestsSeen

_GIVEN_BACK = (SignalKind.RELEASED, SignalKind.CLOSED)


def traffic(
    requests: Iterable[RequestsSeen], holds: Iterable[Hold], signals: Iterable[Signal]
) -> tuple[Traffic, tuple[Traffic, ...]]:
    """All requests together and each entry operation, the busiest first.

    `holds` and `signals` are those of the requests that were followed. Where no hold was seen at all, nothing says how
    many connections a request takes; where no statement was, nothing says how many a hold runs.
    """
    seen = sorted(requests, key=lambda one: (-one.requests, one.entry))
    by_entry: dict[str, list[Hold]] = {}
    for one in holds:
        if one.owner is not None:
            by_entry.setdefault(one.owner.name, []).append(one)
    counted = _Statements(signals)

    def of(asked: RequestsSeen, taken: Sequence[Hold]) -> Traffic:
        times = sorted(one.released_at - one.acquired_at for one in taken if one.released_at is not None)
        ran = sum(map(counted.during, taken))
        return Traffic(
            entry=asked.entry,
            requests=asked.requests,
            connections_per_request=len(taken) / asked.followed if by_entry and asked.followed else None,
            held_p50=_quantile(times, 0.5),
            held_p95=_quantile(times, 0.95),
            statements_per_hold=ran / len(taken) if taken and counted.dialects else None,
        )

    together = RequestsSeen("", sum(one.requests for one in seen), sum(one.followed for one in seen))
    whole = of(together, [one for taken in by_entry.values() for one in taken])
    return whole, tuple(of(one, by_entry.get(one.entry, ())) for one in seen)


class _Statements:
    """What was seen to run, by process and trace. `dialects` are those that show statements."""

    def __init__(self, signals: Iterable[Signal]) -> None:
        self.dialects: set[str] = set()
        self._of: dict[tuple[str, str], list[Signal]] = {}
        signals = list(signals)
        # What a library sends to give a connection back (a reset query) is no statement of the request.
        given_back = {(one.trace_id, one.span_id) for one in signals if one.kind in _GIVEN_BACK}
        for one in signals:
            if (one.statement or one.kind is SignalKind.USED) and (one.trace_id, one.span_id) not in given_back:
                self.dialects.add(one.dialect)
                self._of.setdefault((one.instance, one.trace_id), []).append(one)

    def during(self, hold: Hold) -> int:
        """Statements of the request while it held the connection, by whom follows it, else by anybody who says any."""
        end = hold.released_at
        return len(
            {
                one.span_id
                for one in self._of.get((hold.instance, hold.trace_id), ())
                if one.at >= hold.acquired_at
                and (end is None or one.started <= end)  # clocks of whole milliseconds
                and (one.dialect == hold.dialect or hold.dialect not in self.dialects)
            }
        )


def _quantile(times: Sequence[int], share: float) -> int | None:
    return times[int((len(times) - 1) * share)] if times else None


def compare(before: Build, after: Build) -> BuildDiff:
    """What changed from one build to the other. A leak site is what somebody forgot: leaked or suspected."""
    old, new = _sites(before), _sites(after)
    known = {one.entry: one for one in before.operations}
    now = {one.entry: one for one in after.operations}
    return BuildDiff(
        service=after.service,
        before=before.side,
        after=after.side,
        whole=TrafficChange("", before.whole, after.whole),
        operations=tuple(TrafficChange(name, known.get(name), now.get(name)) for name in {**now, **known}),
        new=tuple(one for name, one in new.items() if name not in old),
        vanished=tuple(one for name, one in old.items() if name not in new),
        still=tuple(one for name, one in new.items() if name in old),
    )


def _sites(build: Build) -> dict[str, Finding]:
    return {one.id: one for one in build.findings if one.verdict in ACCUSING}
