"""Recordings to which something happened on the way: sampled, lost, late, twice, cut off by a crash."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from builders.store import Bench, Request
from captures import ACCUSING, Capture, named
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from score.measure import requests_of
from tracecollect.model import SECOND, Instant, Verdict
from tracecollect.ports import Telemetry

Sent = Sequence[Request]
# After the last that came: when a process that fell silent counts as gone, and when nobody waits any more.
_AFTER = (20, 600, 6 * 3600)


def _without(*left_out: Telemetry) -> Callable[[Sent, random.Random], list[Request]]:
    return lambda sent, _: [one for one in sent if one.telemetry not in left_out]


def _spans(sent: Sent, keep: Callable[[Span], bool]) -> list[Request]:
    return [_only(one, keep) if one.telemetry is Telemetry.TRACES else one for one in sent]


def _only(request: Request, keep: Callable[[Span], bool]) -> Request:
    body = ExportTraceServiceRequest.FromString(request.body)
    for resource in body.resource_spans:
        for scope in resource.scope_spans:
            kept = [one for one in scope.spans if keep(one)]
            del scope.spans[:]
            scope.spans.extend(kept)
    return Request(request.telemetry, request.arrived, body.SerializeToString())


def _sampled(sent: Sent, _: random.Random) -> list[Request]:
    return _spans(sent, lambda one: int.from_bytes(one.trace_id[8:], "big") < 2**64 // 4)


def _lost(share: float) -> Callable[[Sent, random.Random], list[Request]]:
    return lambda sent, dice: _spans(sent, lambda _: dice.random() >= share)


def _part(sent: Sent, first: float, last: float) -> tuple[float, float]:
    begin, end = sent[0].arrived, sent[-1].arrived
    return begin + first * (end - begin), begin + last * (end - begin)


def _crashed(sent: Sent, _: random.Random) -> list[Request]:
    begin, end = _part(sent, 0, 0.45)
    return [one for one in sent if begin <= one.arrived < end]


def _late(sent: Sent, _: random.Random) -> list[Request]:
    begin, end = _part(sent, 0.3, 0.5)
    moved = (Instant(int(end)) if begin < one.arrived < end else one.arrived for one in sent)
    late = [Request(one.telemetry, at, one.body) for one, at in zip(sent, moved, strict=True)]
    return sorted(late, key=lambda one: one.arrived)


def _twice(sent: Sent, _: random.Random) -> list[Request]:
    return [Request(one.telemetry, Instant(one.arrived + again), one.body) for one in sent for again in (0, 1000)]


KINDS: Mapping[str, Callable[[Sent, random.Random], list[Request]]] = {
    "no metrics": _without(Telemetry.METRICS),
    "no logs": _without(Telemetry.LOGS),
    "a quarter sampled": _sampled,
    "crash": _crashed,
    "late": _late,
    "twice": _twice,
    "1 % lost": _lost(0.01),
}
LOSSY = ("1 % lost",)


@dataclass
class DisturbedRow:
    """What one kind of disturbance made of one recording.

    `innocent`: traces called leaked that forgot nothing; `false`: findings on a run in which nobody forgot anything.
    """

    sample: str
    kind: str
    leaks: int
    named: int
    innocent: int
    false: int


def measure(bench: Bench, work: tuple[str, str], grace: float) -> DisturbedRow:
    """One recording and what is done to it."""
    sample, kind = work
    capture = Capture(sample)
    sent = KINDS[kind](requests_of(capture), random.Random(f"{sample} {kind}"))
    row = DisturbedRow(sample, kind, capture.leaked().total(), 0, 0, 0)
    if not sent:
        return row
    half, last = sent[len(sent) // 2].arrived, sent[-1].arrived
    forgotten, told, innocent, named_now = capture.forgotten(), set(), set(), set()
    for moment in (half, *(last + after * SECOND for after in _AFTER)):
        bench.deliver([one for one in sent if one.arrived <= moment])
        sent = [one for one in sent if one.arrived > moment]
        report = bench.leaks(moment, grace=grace)
        named_now = set(named(report))
        innocent |= named_now - set(forgotten)
        told |= {(one.id, one.verdict) for one in report.findings if one.verdict in ACCUSING}
    row.named, row.innocent = len(named_now & set(forgotten)), len(innocent)
    if not forgotten:
        row.false = len({one for one, verdict in told if kind not in LOSSY or verdict is Verdict.LEAKED})
    return row


def misses(rows: Sequence[DisturbedRow], bars: Mapping[str, float]) -> list[str]:
    """Where somebody is accused on a run in which nobody forgot anything, and how precise names are with loss."""
    found = [
        f"{row.sample}, {row.kind}: {row.false} false findings" for row in rows if row.false > bars["false_findings"]
    ]
    for lossy in (False, True):
        some = [row for row in rows if (row.kind in LOSSY) is lossy]
        said = sum(row.named + row.innocent for row in some)
        share = sum(row.named for row in some) / said if said else 1.0
        bar = bars["precision_with_loss" if lossy else "precision"]
        if share < bar:
            found.append(f"{'with loss' if lossy else 'without loss'}: precision {share:.3f}")
    return found
