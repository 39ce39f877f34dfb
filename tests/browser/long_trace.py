"""A trace of many spans as OTLP JSON lines: deep, wide, with an error, a parent that never came and hostile names."""

from __future__ import annotations

import json
from pathlib import Path

HOSTILE = "</script><img src=x onerror=alert(1)>\u202e{{7*7}}"
SPANS = 10_000
LONG = f"{SPANS:032x}"
_LINE = 1000
_SHALLOW = 12


def write(path: Path, trace_id: str, spans: int, began: int) -> Path:
    """`began` in nanoseconds. Every span has ten attributes, as a real one."""
    found = [_span(trace_id, number, spans, began) for number in range(1, spans + 1)]
    with path.open("w", encoding="utf-8") as file:
        for first in range(0, spans, _LINE):
            file.write(json.dumps(_request(found[first : first + _LINE])) + "\n")
    return path


def _span(trace_id: str, number: int, spans: int, began: int) -> dict:
    start = began + number * 100_000
    span = {
        "traceId": trace_id,
        "spanId": f"{number:016x}",
        "name": "GET /report" if number == 1 else f"step {number}",
        "kind": 2 if number == 1 else 1,
        "startTimeUnixNano": str(start),
        "endTimeUnixNano": str(began + (spans + 2) * 100_000 if number == 1 else start + 80_000),
        "attributes": [_attribute(f"key.{place}", f"value {number} {place}") for place in range(10)],
    }
    if number > 1:
        # Twelve deep, then up again: a comb, as nested calls in a loop are.
        span["parentSpanId"] = f"{number - 1 if number % _SHALLOW else 1:016x}"
    if number == spans // 2:
        span |= {"name": HOSTILE, "status": {"code": 2, "message": HOSTILE}}
        span["attributes"].append(_attribute(HOSTILE, HOSTILE))
    if number == spans:
        span |= {"name": "the last step", "parentSpanId": "f" * 16}
    return span


def _request(spans: list[dict]) -> dict:
    resource = {"attributes": [_attribute("service.name", "reports"), _attribute("service.instance.id", "reports-1")]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "steps"}, "spans": spans}]}]}


def _attribute(key: str, value: str) -> dict:
    return {"key": key, "value": {"stringValue": value}}
