"""What is looked at before a request is acknowledged: is it well-formed, and which of its spans can be taken.

Measured per span on requests of 512: parsing every byte with upb 0.9 µs, ids and names 0.3 µs; a lone span 5 µs.
The columnar decoder needs 0.25 µs for the ids but 30–60 µs for any request, and 45 MB in the receiver process.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from operator import attrgetter
from typing import Any

from google.protobuf.message import DecodeError

from tracecollect.errors import Rejected, TooLarge
from tracecollect.ports import Receipt, Telemetry
from tracecollect.wire.schema import Message, strict_class

MOST_ITEMS = 250_000
"""So many spans, records or points one request may have: what it takes to decode them is many times its size."""
BAD_TRACE_ID = "trace id is not 16 bytes or all zero"
BAD_SPAN_ID = "span id is not 8 bytes or all zero"
NO_NAME = "name is empty"
_NO_TRACE, _NO_SPAN = bytes(16), bytes(8)
_IDENTITY = attrgetter("trace_id", "span_id", "name")


def check(telemetry: Telemetry, body: bytes) -> tuple[Receipt, Mapping[str, int]]:
    """What can be taken of a request, and how many spans cannot, by reason. Raises `Rejected` if it is malformed."""
    message, count = _CHECKS[telemetry]
    try:
        request = strict_class(message).FromString(body)
    except DecodeError as error:
        raise Rejected(
            f"not a well-formed OTLP {telemetry} request: {error}", hint="see the sender's exporter"
        ) from error
    receipt, reasons = count(request)
    if receipt.accepted + receipt.rejected > MOST_ITEMS:
        raise TooLarge(
            f"the request has {receipt.accepted + receipt.rejected} items, at most {MOST_ITEMS} are taken at once",
            reason="items",
        )
    return receipt, reasons


def _spans(request: Message) -> tuple[Receipt, Mapping[str, int]]:
    total = 0
    reasons: Counter[str] = Counter()
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            spans = scope.spans
            total += len(spans)
            if spans and not _all_good(spans):
                reasons.update(filter(None, map(_complaint, spans)))
    rejected = reasons.total()
    text = "; ".join(f"{count} × {reason}" for reason, count in sorted(reasons.items()))
    return Receipt(total - rejected, rejected, text), reasons


def _all_good(spans: Iterable[Any]) -> bool:
    # Every step runs in C: lengths and zeros of whole columns, no statement per span.
    traces, own, names = zip(*map(_IDENTITY, spans), strict=True)
    distinct = set(traces)
    return (
        set(map(len, distinct)) == {16}
        and set(map(len, own)) == {8}
        and _NO_TRACE not in distinct
        and _NO_SPAN not in own
        and all(names)
    )


def _complaint(span: Message) -> str:
    if len(span.trace_id) != 16 or span.trace_id == _NO_TRACE:
        return BAD_TRACE_ID
    if len(span.span_id) != 8 or span.span_id == _NO_SPAN:
        return BAD_SPAN_ID
    return "" if span.name else NO_NAME


def _records(request: Message) -> tuple[Receipt, Mapping[str, int]]:
    total = sum(len(scope.log_records) for resource in request.resource_logs for scope in resource.scope_logs)
    return Receipt(total), {}


def _points(request: Message) -> tuple[Receipt, Mapping[str, int]]:
    total = 0
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                total += len(getattr(metric, kind).data_points) if kind else 0
    return Receipt(total), {}


_CHECKS: Mapping[Telemetry, tuple[str, Callable[[Any], tuple[Receipt, Mapping[str, int]]]]] = {
    Telemetry.TRACES: ("TraceRequest", _spans),
    Telemetry.LOGS: ("LogsRequest", _records),
    Telemetry.METRICS: ("MetricsRequest", _points),
}
