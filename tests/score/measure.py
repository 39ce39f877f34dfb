"""One recording, delivered as it arrived and judged every few seconds, against its labels."""

from __future__ import annotations

import base64
import gzip
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from builders.store import Bench, Request
from captures import ACCUSING, Capture, named

from tracecollect.lifecycle.dialects import shipped
from tracecollect.model import SECOND, CoverageLevel, Finding, Instant, LeakReport
from tracecollect.ports import Telemetry

FEWEST = 3
# A verdict must not turn with the hours.
LATER = (6 * 3600 * SECOND,)
# How often a recording is judged while it arrives: where names are expected their delay is measured so finely.
_STEPS = {"named": 5 * SECOND, "counted": 10 * SECOND, "blind": 15 * SECOND}
# What elimination names is among what the pool's metric counts.
_WITHIN_THE_COUNT = "eliminated"
NAMEABLE = (CoverageLevel.CERTAIN, CoverageLevel.INFERRED)


@dataclass
class Row:
    """What one recording came to. Shares are None where there was nothing to take a share of."""

    sample: str
    expected: str
    leaks: int
    precision: float | None = None
    recall: float | None = None
    counted: int = 0
    error: int = 0
    false: int = 0
    coverage: list[str] = field(default_factory=list)
    delay: float | None = None
    below: list[str] = field(default_factory=list)


@dataclass
class _Watched:
    """What was said at any moment."""

    false: set[str] = field(default_factory=set)
    first_named: dict[str, int] = field(default_factory=dict)
    first_counted: int | None = None


def measure(bench: Bench, capture: Capture, grace: float, expected: str | None) -> Row:
    """Replay a recording; `expected` is what its library must reach, None: what its dialects claim."""
    requests = requests_of(capture)
    watched = _Watched()
    step = _STEPS.get(expected or "named", 5 * SECOND) if capture.forgotten() else _STEPS["blind"]
    for until, part in _steps(requests, capture.end, step):
        bench.deliver(part)
        _watch(watched, bench.leaks(until, grace=grace), capture, until)
    last = bench.leaks(capture.end, grace=grace)
    reports = [last, *(bench.leaks(capture.end + later, grace=grace) for later in LATER)]
    for one, moment in zip(reports, (0, *LATER), strict=True):
        _watch(watched, one, capture, capture.end + moment)
    row = Row(
        sample=capture.name,
        expected=expected or claimed(last),
        leaks=capture.leaked().total(),
        counted=told(last),
        error=max((told(one) - capture.leaked().total() for one in reports), key=abs),
        false=len(watched.false),
        coverage=sorted({str(one.level) for one in last.coverage}),
        delay=_delay(watched, requests, capture, grace),
    )
    row.precision, row.recall = _shares(reports, capture)
    return row


def claimed(report: LeakReport) -> str:
    """The best that the dialects claim whose telemetry was seen."""
    known = {one.name: one.coverage for one in shipped()}
    levels = {known[name] for one in report.coverage for name in one.dialects}
    if levels & set(NAMEABLE):
        return "named"
    return "counted" if CoverageLevel.COUNTED in levels else "blind"


def requests_of(capture: Capture) -> list[Request]:
    """What was sent, in order of arrival."""
    with gzip.open(capture.path, "rt", encoding="utf-8") as lines:
        recorded = [json.loads(line) for line in lines]
    found = [Request(Telemetry(one["signal"]), Instant(one["t"]), base64.b64decode(one["b64"])) for one in recorded]
    return sorted(found, key=lambda one: one.arrived)


def _steps(requests: Sequence[Request], end: Instant, step: int) -> Iterator[tuple[int, list[Request]]]:
    """What had arrived by each moment that is judged."""
    begin = requests[0].arrived
    for number, part in groupby(requests, key=lambda one: (one.arrived - begin) // step):
        yield min(begin + (number + 1) * step, end), list(part)


def _accusing(report: LeakReport) -> list[Finding]:
    return [one for one in report.findings if one.verdict in ACCUSING]


def told(report: LeakReport) -> int:
    """How many connections are said to be gone: a pool's count, which is whole beside its names, else the names."""
    accusing = _accusing(report)
    counted = [one for one in accusing if not one.instances]
    return sum(one.leaked_count for one in counted or accusing if one.family != _WITHIN_THE_COUNT)


def _watch(watched: _Watched, report: LeakReport, capture: Capture, moment: int) -> None:
    forgotten = capture.forgotten()
    for one in _accusing(report):
        traces = {hold.trace_id for hold in one.instances}
        # A finding is false when nobody it names forgot anything; one without names, when nobody at all did.
        if not (traces & set(forgotten) if traces else forgotten):
            watched.false.add(one.id)
        for trace in traces:
            watched.first_named.setdefault(trace, moment)
    if watched.first_counted is None and told(report):
        watched.first_counted = moment


def _shares(reports: Sequence[LeakReport], capture: Capture) -> tuple[float | None, float | None]:
    """The worst precision and recall of all the moments after the end."""
    said = [named(one) for one in reports]
    right = [(one & capture.forgotten()).total() / one.total() for one in said if one.total()]
    leaked = capture.leaked()
    found = [(one & leaked).total() / leaked.total() for one in said] if leaked else []
    return min(right, default=None), min(found, default=None)


def _delay(watched: _Watched, requests: Sequence[Request], capture: Capture, grace: float) -> float | None:
    """Seconds beyond the grace until it was accused: the latest of the names, from the last telemetry about each.

    Where nobody is named, from the third leak to the first count: fewer are not counted.
    """
    leaked: Counter[str] = capture.leaked()
    found = {trace: moment for trace, moment in watched.first_named.items() if trace in leaked}
    if found:
        heard = _last_heard(requests, set(found))
        return round(max((moment - heard[trace]) / SECOND - grace for trace, moment in found.items()), 1)
    taken = sorted(one["t_acquire"] for one in capture.labels["leaks"])
    if watched.first_counted is None or len(taken) < FEWEST:
        return None
    return round((watched.first_counted - taken[FEWEST - 1]) / SECOND - grace, 1)


def _last_heard(requests: Sequence[Request], traces: set[str]) -> dict[str, int]:
    """When the last request arrived that speaks of each trace."""
    wanted = {bytes.fromhex(one): one for one in traces}
    told = [one for one in requests if one.telemetry is not Telemetry.METRICS]
    return {trace: max(one.arrived for one in told if raw in one.body) for raw, trace in wanted.items()}
