"""What the newest traces show about the way they came: what got lost, sampling, clocks that are apart, code unseen.

For `doctor`: each remark has the one change that helps.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tracecollect.graphs import Mark, trace_tree
from tracecollect.lifecycle.sampling import kept_share
from tracecollect.model import SECOND, ServiceReport, SpanKind, Trace, TraceSummary

# Fewer missing parents than this happen in every system that is switched on or off somewhere.
_LOSS = 0.02
_APART = SECOND // 5
_PROBE, _ACQUIRED, _PATH = "tracecollect.probe", "db.client.connection.acquired", "code.file.path"
_CALLING = {SpanKind.CLIENT, SpanKind.PRODUCER}
# The threshold below which a consistent sampler drops (OpenTelemetry tracestate, `ot=th:…`); `th:0` keeps everything.
_SAMPLED = re.compile(r"(?:^|,)ot=(?:[^,]*;)?th:(?!0(?:[;,]|$))[0-9a-f]+")


@dataclass(frozen=True, slots=True)
class Remark:
    """Something about the telemetry of one service, and the one change that helps."""

    service: str
    text: str
    change: str


def remarks(
    services: Sequence[ServiceReport], traces: Iterable[Trace], newest: Sequence[TraceSummary] = ()
) -> Sequence[Remark]:
    """What the newest traces show, by service; `newest` are more of them than are looked into."""
    seen = list(traces)
    return [*_silent(services), *_lost(seen), *_sampled(seen, newest), *_skewed(seen), *_unplaced(seen)]


def _silent(services: Sequence[ServiceReport]) -> Iterable[Remark]:
    traced = {one.service for one in services if one.spans}
    for name in sorted({one.service for one in services} - traced):
        yield Remark(
            name,
            "sends metrics or logs and no span: nothing says which request took a connection",
            "export traces, too: OTEL_TRACES_EXPORTER=otlp",
        )


def _lost(traces: Sequence[Trace]) -> Iterable[Remark]:
    referred: Counter[str] = Counter()
    missing: Counter[str] = Counter()
    for trace in traces:
        there = {span.span_id for span in trace.spans}
        for span in trace.spans:
            if span.parent_id and span.parent_is_local:
                referred[span.service] += 1
                missing[span.service] += span.parent_id not in there
    for service, count in sorted(missing.items()):
        if count and count > _LOSS * referred[service]:
            yield Remark(
                service,
                f"{count} of {referred[service]} spans name a parent in their own process that did not arrive",
                "its exporter drops spans: raise OTEL_BSP_MAX_QUEUE_SIZE (16384), and filter no spans on the way",
            )


def _sampled(traces: Sequence[Trace], newest: Sequence[TraceSummary]) -> Iterable[Remark]:
    """Said by the sampler, or by the ids of what it kept; who begins a trace decides."""
    told = {span.service for trace in traces for span in trace.spans if _SAMPLED.search(span.trace_state)}
    began: dict[str, list[str]] = {}
    for one in newest:
        began.setdefault(one.root_service, []).append(one.trace_id)
    kept = {service: part for service, ids in began.items() if (part := kept_share(ids)) < 1}
    for service in sorted(told | kept.keys()):
        share = f" (some {100 * kept[service]:.2g} % of them are kept)" if service in kept else ""
        yield Remark(
            service,
            f"samples its traces{share}: what was left out cannot be named",
            "OTEL_TRACES_SAMPLER=always_on while you look for a leak",
        )


def _skewed(traces: Sequence[Trace]) -> Iterable[Remark]:
    apart: dict[str, int] = {}
    for trace in traces:
        for node in trace_tree(trace):
            if node.span is not None and Mark.SKEW in node.marks and abs(node.skew) > _APART:
                apart[node.span.service] = max(apart.get(node.span.service, 0), abs(node.skew))
    for service, skew in sorted(apart.items()):
        yield Remark(
            service,
            f"its clock is some {skew / SECOND:.1f} s apart from its callers'",
            "synchronize it with NTP: holds and requests of two machines are compared by time",
        )


def _unplaced(traces: Sequence[Trace]) -> Iterable[Remark]:
    """The probe names the nearest code of the service; where all of it is a library's, none.

    A library may have statements of its own, which nobody asked for: they are traces of calls only.
    """
    asked = [trace for trace in traces if not {one.kind for one in trace.spans} <= _CALLING]
    taken = [one for trace in asked for one in trace.logs if (one.scope, one.event_name) == (_PROBE, _ACQUIRED)]
    placed = {one.service for one in taken if one.attributes.get(_PATH)}
    for service in sorted({one.service for one in taken} - placed):
        yield Remark(
            service,
            "the probe sees no code of its own: all that takes connections is installed like a library",
            "TRACECOLLECT_PROBE_OWN=the name of its package, in its environment (docs/probe.md)",
        )
