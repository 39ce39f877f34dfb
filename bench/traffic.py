"""Synthetic traffic of services that use a pool: prepared once as bytes, made new for each request by patching ids.

A sender in Python that built every span would be slower than what it measures. Here a few requests are built and
serialised; before one is sent again its ids are changed by exclusive or with random constants and its times are
moved, in place, so that every span is new and every trace still belongs together.
"""

from __future__ import annotations

import base64
import gzip
import json
import random
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import ScopeSpans, Span

SECOND = 1_000_000_000
RESET = "SELECT pg_advisory_unlock_all(); CLOSE ALL; UNLISTEN *; RESET ALL;"
# A day in 2020: the templates' own time; times this close to it are found again as bytes.
_EPOCH = 1_577_836_800 * SECOND
_RESOURCE = {
    "host.name": "node-3",
    "telemetry.sdk.name": "opentelemetry",
    "telemetry.sdk.language": "python",
    "telemetry.sdk.version": "1.45.2",
}


@dataclass(frozen=True, slots=True)
class Template:
    """One serialised request and where in it are trace ids, span ids and times.

    `early`: nanoseconds from its last time to the end of the recording that it comes from.
    """

    body: np.ndarray
    trace_ids: np.ndarray
    span_ids: np.ndarray
    times: np.ndarray
    spans: int
    early: int = 0

    @property
    def last(self) -> int:
        """The latest of its times, in nanoseconds."""
        return int(self.body[self.times[:, None] + np.arange(8)].view("<u8").max())

    def fresh(self, dice: np.random.Generator, end: int) -> bytes:
        """The request anew: other ids, and times that end at `end` (nanoseconds)."""
        body = self.body.copy()
        body[self.trace_ids[:, None] + np.arange(16)] ^= dice.integers(0, 256, 16, dtype=np.uint8)
        body[self.span_ids[:, None] + np.arange(8)] ^= dice.integers(0, 256, 8, dtype=np.uint8)
        places = self.times[:, None] + np.arange(8)
        times = body[places].view("<u8")[:, 0]
        moved = times - times.max() + np.uint64(end)
        body[places] = moved.astype("<u8")[:, None].view(np.uint8)
        return body.tobytes()


def template(
    spans: int, seed: int, instance: str, leaks: float = 0.0, *, holds: float = 1.0, each_its_own: bool = False
) -> Template:
    """A request of `spans` spans in traces of up to six: an entry span, four statements and the reset query.

    A share of `leaks` traces has no reset query. Each span carries ten attributes and takes some 375 bytes.
    Only a share of `holds` traces asks the database; with `each_its_own` every trace is of another operation.
    """
    dice = random.Random(seed)
    message = ExportTraceServiceRequest()
    entry = _scope(message, instance, "opentelemetry.instrumentation.starlette")
    asyncpg = message.resource_spans[0].scope_spans.add()
    asyncpg.scope.name = _ASYNCPG
    made = 0
    while made < spans:
        begin = _EPOCH + dice.randrange(SECOND)
        trace, root = dice.randbytes(16), dice.randbytes(8)
        name = f"POST /report/{made}" if each_its_own else "POST /orders/{oid}/pay"
        _span(entry.spans.add(), trace, root, b"", name, 2, begin, 40_000_000, dice)
        statements = [f"SELECT * FROM orders WHERE id = {dice.randrange(10**6)}"] * 4
        if dice.random() >= leaks:
            statements.append(RESET)
        if made + 1 + len(statements) > spans:
            statements = []  # a trace cut short would be one more leak
        where, kind = (asyncpg, 3) if dice.random() < holds else (entry, 1)
        for number, text in enumerate(statements):
            child = where.spans.add()
            _span(child, trace, dice.randbytes(8), root, "SELECT", kind, begin + number * 5_000_000, 4_000_000, dice)
            child.attributes.add(key="db.statement").value.string_value = text
        made += 1 + len(statements)
    return _indexed(message)


def recorded(path: Path) -> list[Template]:
    """The requests with spans of a recording (`make record`), in the order in which they came."""
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        requests = [one for one in map(json.loads, lines) if one["signal"] == "traces"]
    found = [_indexed(ExportTraceServiceRequest.FromString(base64.b64decode(one["b64"]))) for one in requests]
    end = max(one.last for one in found)
    return [replace(one, early=end - one.last) for one in found]


def long_trace(trace_id: bytes, spans: int, end: int) -> list[bytes]:
    """One trace as requests of at most 5,000 spans: calls of calls in a loop, one within the other."""
    dice, began, bodies = random.Random(1), end - spans * 1000, []
    for first in range(0, spans, 5000):
        message = ExportTraceServiceRequest()
        steps = _scope(message, "orders-0", "steps")
        for number in range(first + 1, min(first + 5000, spans) + 1):
            parent = 0 if number == 1 else number - 1 if number % _DEEP else 1
            ids = number.to_bytes(8, "big"), parent.to_bytes(8, "big") if parent else b""
            begin, length = began + number * 1000, (spans + 2) * 1000 if number == 1 else 800
            _span(steps.spans.add(), trace_id, *ids, f"step {number}", 1, begin, length, dice)
        bodies.append(message.SerializeToString())
    return bodies


def _scope(message: ExportTraceServiceRequest, instance: str, name: str) -> ScopeSpans:
    resource = message.resource_spans.add()
    for key, value in (_RESOURCE | {"service.name": "orders", "service.instance.id": instance}).items():
        resource.resource.attributes.add(key=key).value.string_value = value
    scope = resource.scope_spans.add()
    scope.scope.name = name
    return scope


_DEEP = 12
_ASYNCPG = "opentelemetry.instrumentation.asyncpg"


def _span(
    span: Span,
    trace: bytes,
    own: bytes,
    parent: bytes,
    name: str,
    kind: int,
    begin: int,
    length: int,
    dice: random.Random,
) -> None:
    span.trace_id, span.span_id, span.parent_span_id = trace, own, parent
    span.name, span.kind, span.flags = name, kind, 0x101
    span.start_time_unix_nano, span.end_time_unix_nano = begin, begin + length
    texts = {
        "db.system": "postgresql",
        "db.name": "shop",
        "db.user": "me",
        "net.peer.name": "10.0.0.7",
        "http.route": "/orders/{oid}/pay",
        "thread.name": "MainThread",
    }
    for key, value in texts.items():
        span.attributes.add(key=key).value.string_value = value
    span.attributes.add(key="net.peer.port").value.int_value = 5432
    span.attributes.add(key="thread.id").value.int_value = 140_000_000_000_000 + dice.randrange(64)


def _indexed(message: ExportTraceServiceRequest) -> Template:
    body = message.SerializeToString()
    spans = [one for resource in message.resource_spans for scope in resource.scope_spans for one in scope.spans]
    times = {time for one in spans for time in (one.start_time_unix_nano, one.end_time_unix_nano)}
    times |= {event.time_unix_nano for one in spans for event in one.events}
    return Template(
        np.frombuffer(body, np.uint8),
        _all_places(body, {one.trace_id for one in spans}),
        _all_places(body, {one for span in spans for one in (span.span_id, span.parent_span_id) if one}),
        _all_places(body, {time.to_bytes(8, "little") for time in times if time}),
        len(spans),
    )


def _all_places(body: bytes, wanted: set[bytes]) -> np.ndarray:
    return np.unique(np.array([place for one in wanted for place in _places(body, one)]))


def _places(body: bytes, wanted: bytes) -> list[int]:
    found, at = [], body.find(wanted)
    while at >= 0:
        found.append(at)
        at = body.find(wanted, at + 1)
    return found
