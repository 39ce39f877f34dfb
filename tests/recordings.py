"""Recordings moved by whole hours, so that they are young whenever the tests run: the store forgets what is old."""

from __future__ import annotations

import base64
import gzip
import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

SAMPLES = Path(__file__).resolve().parent / "samples"
HOUR = 3600 * 10**9
_REQUESTS = {
    "traces": ExportTraceServiceRequest,
    "metrics": ExportMetricsServiceRequest,
    "logs": ExportLogsServiceRequest,
}
# Nothing below these has a time, and most of a request is below them.
_TIMELESS = {"resource", "scope", "attributes", "body"}


def young(name: str, into: Path) -> tuple[Path, datetime]:
    """The recording as if it had ended one or two hours ago; and when it ended."""
    with gzip.open(SAMPLES / f"{name}.jsonl.gz", "rt", encoding="utf-8") as lines:
        recorded = [json.loads(line) for line in lines]
    end = max(one["t"] for one in recorded)
    hours = (time.time_ns() - end) // HOUR - 1
    path = into / f"{name}.jsonl.gz"
    with gzip.open(path, "wt", encoding="utf-8", compresslevel=1) as file:
        file.writelines(json.dumps(_moved(one, hours * HOUR)) + "\n" for one in recorded)
    return path, datetime.fromtimestamp(end // 10**9, UTC) + timedelta(hours=hours)


def labels(name: str) -> dict:
    """What really happened while it was recorded."""
    return json.loads((SAMPLES / f"{name}.labels.json").read_text())


def _moved(one: dict, by: int) -> dict:
    request = _REQUESTS[one["signal"]].FromString(base64.b64decode(one["b64"]))
    _move(request, by)
    return one | {"t": one["t"] + by, "b64": base64.b64encode(request.SerializeToString()).decode()}


def _move(message: Message, by: int) -> None:
    for field, value in message.ListFields():
        if field.name.endswith("time_unix_nano"):
            setattr(message, field.name, value + by)
        elif field.type == FieldDescriptor.TYPE_MESSAGE and field.name not in _TIMELESS:
            for below in _messages(value):
                _move(below, by)


def _messages(value: object) -> Iterator[Message]:
    return iter([value] if isinstance(value, Message) else value)  # type: ignore[arg-type]
