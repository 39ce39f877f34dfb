"""Nothing of the machine stays in a recording: host names and paths are replaced, host and container ids dropped."""

from __future__ import annotations

import re
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from record.service import CACHE

MESSAGES: dict[str, Any] = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
_DROPPED = ("host.", "container.")
# Longer ones first: a folder inside another one is replaced before it.
_SAID = sorted(
    {
        (str(CACHE), "/app"),
        (str(CACHE.resolve()), "/app"),
        (sys.prefix, "/usr"),
        (sys.base_prefix, "/usr"),
        (str(Path(__file__).parents[2]), "/src"),
        (str(Path.home()), "/home/app"),
        (socket.gethostname(), "host"),
    },
    key=lambda pair: -len(pair[0]),
)
_REPLACED = [(old, new) for old, new in _SAID if old not in ("/", "/usr", "localhost")]


def clean(signal: str, body: bytes) -> bytes:
    """The request without what names the machine; byte for byte the same where nothing does."""
    request = MESSAGES[signal].FromString(body)
    changed = False
    for resource in _resources(request):
        kept = [one for one in resource.attributes if not one.key.startswith(_DROPPED)]
        if len(kept) < len(resource.attributes):
            changed = True
            del resource.attributes[:]
            resource.attributes.extend(kept)
    return request.SerializeToString() if _replace(request) or changed else body


def _resources(request: Any) -> Iterator[Any]:
    for _, groups in request.ListFields():
        yield from (group.resource for group in groups)


def _replace(message: Any) -> bool:
    """Replace in every string of the message, in place; whether there was one."""
    changed = False
    for field, value in message.ListFields():
        if field.message_type is not None:
            for child in value if field.is_repeated else [value]:
                changed |= _replace(child)
        elif field.type == field.TYPE_STRING and not field.is_repeated:
            new = value
            for old, instead in _REPLACED:
                new = re.sub(rf"(?<!\w){re.escape(old)}(?!\w)", instead, new)
            if new != value:
                setattr(message, field.name, new)
                changed = True
    return changed
