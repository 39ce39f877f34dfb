"""OTLP in JSON, by OTLP's own rules: protobuf's differ in ids (hex, not base64), names and what is unknown.

Only lowerCamelCase keys are known and unknown ones are passed over; ids are hex in either case; enums are numbers
(names are understood, others emit them); 64-bit integers are strings or numbers; bytes stay base64. A JSON request
costs some ten times the CPU of the same one in protobuf.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any

from google.protobuf import json_format
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tracecollect.errors import Rejected
from tracecollect.ports import Telemetry
from tracecollect.wire.schema import Message

REQUESTS: Mapping[Telemetry, tuple[str, Callable[[], Message]]] = {
    Telemetry.TRACES: ("resourceSpans", ExportTraceServiceRequest),
    Telemetry.METRICS: ("resourceMetrics", ExportMetricsServiceRequest),
    Telemetry.LOGS: ("resourceLogs", ExportLogsServiceRequest),
}
"""What each kind of telemetry is called at the top of a document, and its protobuf message."""

_IDS = ("traceId", "spanId", "parentSpanId")
# What older senders and Tempo call the same things.
_OLD_NAMES = {
    "batches": "resourceSpans",
    "instrumentationLibrarySpans": "scopeSpans",
    "instrumentationLibraryMetrics": "scopeMetrics",
    "instrumentationLibraryLogs": "scopeLogs",
    "instrumentationLibrary": "scope",
}


def read_request(telemetry: Telemetry, text: bytes) -> bytes:
    """A JSON export request as protobuf. Raises `Rejected` with the place of the mistake."""
    try:
        document = json.loads(text, object_hook=spell_out)
        if not isinstance(document, dict):
            raise Rejected("the request is not a JSON object", hint="it must be an OTLP export request")
        return to_protobuf(telemetry, document)
    except (ValueError, TypeError, AttributeError, OverflowError, RecursionError, json_format.ParseError) as error:
        raise Rejected(
            f"not a well-formed OTLP/JSON {telemetry} request: {str(error) or type(error).__name__}",
            hint="see the sender's exporter",
        ) from error


def to_protobuf(telemetry: Telemetry, document: Mapping[str, Any]) -> bytes:
    """A document whose objects went through `spell_out`, as bytes. Raises what protobuf's JSON parser raises."""
    name, message = REQUESTS[telemetry]
    known = {name: document[name]} if name in document else {}
    return bytes(json_format.ParseDict(known, message(), ignore_unknown_fields=True).SerializeToString())


def spell_out(pairs: dict[str, Any]) -> dict[str, Any]:
    """OTLP's own rules for one JSON object, before protobuf's: hex ids, no snake_case, old names."""
    named = {_OLD_NAMES.get(key, key): value for key, value in pairs.items() if key.isascii() and "_" not in key}
    for key in _IDS:
        if key in named:
            named[key] = base64.b64encode(_hex(named[key])).decode()
    return named


def _hex(text: object) -> bytes:
    """An id that cannot be read counts as absent: the span is refused and counted, the request is not."""
    try:
        return bytes.fromhex(text) if isinstance(text, str) else b""
    except ValueError:
        return b""
