"""Recorded telemetry: what the Collector's file exporter writes (JSON lines, protobuf) and our own captures."""

from __future__ import annotations

import base64
import binascii
import gzip
import io
import json
import struct
import time
import zlib
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import IO, Any

from google.protobuf import json_format
from google.protobuf.message import DecodeError

from tracecollect.errors import Busy, CaptureError, Rejected
from tracecollect.ports import Receipt, Sink, Telemetry
from tracecollect.wire.otlp_json import REQUESTS, spell_out, to_protobuf
from tracecollect.wire.schema import Message, strict_class

TRANSPORT = "file"
_HINT = (
    "import takes OTLP JSON lines or length-prefixed protobuf (the Collector's file exporter), and captures "
    '({"signal", "t", "b64"} a line), each also as .gz'
)
_MAX_MESSAGE = 64 << 20


@dataclass(frozen=True, slots=True)
class Recorded:
    """One export request of a file. `place` is its line, or its number among the messages."""

    telemetry: Telemetry
    body: bytes
    place: int


@dataclass(slots=True)
class FileReport:
    """What became of a file: requests, items accepted by kind of telemetry, spans rejected, and why.

    `newest` is the latest time in the last request of each kind, in unix nanoseconds; 0 where none is said.
    """

    newest: int = 0
    requests: int = 0
    accepted: Counter[Telemetry] = field(default_factory=Counter)
    rejected: int = 0
    reasons: list[str] = field(default_factory=list)


def import_file(path: Path, sink: Sink, *, patience: float = 60.0) -> FileReport:
    """Hand every request of a file to the sink, waiting while it is busy.

    Raises `CaptureError` with the place of the first request that is not what it should be; what came before
    it stays. Raises `Busy` when the sink takes nothing for `patience` seconds.
    """
    report = FileReport()
    last: dict[Telemetry, bytes] = {}
    for one in read_file(path):
        last[one.telemetry] = one.body
        try:
            receipt = _offer(sink, one, patience)
        except Rejected as error:
            raise CaptureError(f"{path}:{one.place}: {error.message}", hint=_HINT) from error
        report.requests += 1
        report.accepted[one.telemetry] += receipt.accepted
        report.rejected += receipt.rejected
        if receipt.reason and receipt.reason not in report.reasons:
            report.reasons.append(receipt.reason)
    report.newest = max((_newest(telemetry, body) for telemetry, body in last.items()), default=0)
    return report


def _newest(telemetry: Telemetry, body: bytes) -> int:
    message, _ = _LEAVES[telemetry]
    return max(_TIMES[telemetry](strict_class(message).FromString(body)), default=0)


def _offer(sink: Sink, one: Recorded, patience: float) -> Receipt:
    deadline = time.monotonic() + patience
    while True:
        try:
            return sink.accept(one.telemetry, one.body, transport=TRANSPORT)
        except Busy as error:
            if time.monotonic() + error.retry_after > deadline:
                raise
            time.sleep(error.retry_after)


def read_file(path: Path) -> Iterator[Recorded]:
    """The export requests of a file in their order, whatever its form. Raises `CaptureError`."""
    try:
        with path.open("rb") as raw:
            packed = raw.read(2) == b"\x1f\x8b"
            raw.seek(0)
            content: IO[bytes] = gzip.GzipFile(fileobj=raw) if packed else raw  # type: ignore[assignment]
            start = content.read(64)
            rest = _Joined(start, content)
            if not start.strip():
                if start or rest.read(1):
                    raise CaptureError(f"{path} holds no telemetry", hint=_HINT)
                return
            yield from _lines(path, rest) if start.lstrip().startswith(b"{") else _messages(path, rest)
    except OSError as error:
        reason = "is not a whole gzip file" if isinstance(error, gzip.BadGzipFile) else error.strerror or str(error)
        raise CaptureError(f"{path}: {reason}", hint=_HINT) from error
    except (EOFError, zlib.error) as error:
        raise CaptureError(f"{path}: the gzip stream is damaged or ends in the middle", hint=_HINT) from error


class _Joined(io.RawIOBase):
    """The bytes looked at already, then the rest of the file."""

    def __init__(self, start: bytes, rest: IO[bytes]) -> None:
        self._start = start
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - as the base class has it
        piece = self._start[: len(buffer)] or self._rest.read(len(buffer))
        self._start = self._start[len(buffer) :]
        buffer[: len(piece)] = piece
        return len(piece)


# --- JSON lines -------------------------------------------------------------------------------------


def _lines(path: Path, content: io.RawIOBase) -> Iterator[Recorded]:
    reader = io.BufferedReader(content)
    first = reader.readline()
    try:
        json.loads(first)
    except ValueError:
        # Perhaps one document over many lines, as people save them.
        yield _parsed(path, 1, first + reader.read(_MAX_MESSAGE))
        return
    for number, line in enumerate(chain([first], reader), 1):
        if line.strip():
            yield _parsed(path, number, line)


def _parsed(path: Path, number: int, line: bytes) -> Recorded:
    try:
        document = json.loads(line, object_hook=_object)
        if not isinstance(document, dict):
            raise CaptureError(f"{path}:{number}: not a JSON object", hint=_HINT)
        if "b64" in document:
            return Recorded(Telemetry(document["signal"]), base64.b64decode(document["b64"], validate=True), number)
        return _otlp(path, number, document)
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, json_format.ParseError) as error:
        raise CaptureError(f"{path}:{number}: not OTLP JSON and no capture: {error}", hint=_HINT) from error


def _otlp(path: Path, number: int, document: Mapping[str, Any]) -> Recorded:
    for telemetry, (name, _) in REQUESTS.items():
        if name in document:
            return Recorded(telemetry, to_protobuf(telemetry, document), number)
    raise CaptureError(f"{path}:{number}: neither resourceSpans nor resourceMetrics nor resourceLogs", hint=_HINT)


def _object(pairs: dict[str, Any]) -> dict[str, Any]:
    """An object of OTLP's, or a capture of ours."""
    return pairs if "b64" in pairs else spell_out(pairs)


# --- protobuf, each message behind its length (4 bytes, big-endian) ---------------------------------------


def _messages(path: Path, content: io.RawIOBase) -> Iterator[Recorded]:
    reader = io.BufferedReader(content)
    number = 0
    while head := reader.read(4):
        number += 1
        size = struct.unpack(">I", head)[0] if len(head) == 4 else _MAX_MESSAGE + 1
        if size > _MAX_MESSAGE:
            raise CaptureError(f"{path}: message {number} has no believable length", hint=_HINT)
        body = reader.read(size)
        if len(body) < size:
            raise CaptureError(f"{path}: message {number} ends in the middle of the file", hint=_HINT)
        telemetry = _recognised(body)
        if telemetry is None:
            raise CaptureError(f"{path}: message {number} is no OTLP export request", hint=_HINT)
        yield Recorded(telemetry, body, number)


def _recognised(body: bytes) -> Telemetry | None:
    """Which export request this is: the three have the same outline, only their leaves tell."""
    for telemetry, (message, fits) in _LEAVES.items():
        try:
            request = strict_class(message).FromString(body)
        except (DecodeError, binascii.Error):
            continue
        if fits(request):
            return telemetry
    return None


def _has_spans(request: Message) -> bool:
    leaves = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
    # A metric's name and description may be 16 and 8 bytes long too, but it has no start time.
    return not leaves or any(len(span.trace_id) == 16 and span.start_time_unix_nano for span in leaves)


def _has_metrics(request: Message) -> bool:
    return any(
        metric.name and metric.WhichOneof("data")
        for resource in request.resource_metrics
        for scope in resource.scope_metrics
        for metric in scope.metrics
    )


def _has_records(request: Message) -> bool:
    return any(
        record.time_unix_nano or record.observed_time_unix_nano or record.HasField("body")
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    )


def _point_times(request: Message) -> Iterator[int]:
    for resource in request.resource_metrics:
        for scope in resource.scope_metrics:
            for metric in scope.metrics:
                kind = metric.WhichOneof("data")
                yield from (point.time_unix_nano for point in (getattr(metric, kind).data_points if kind else ()))


_TIMES: Mapping[Telemetry, Callable[[Message], Iterator[int]]] = {
    Telemetry.TRACES: lambda request: (
        max(span.start_time_unix_nano, span.end_time_unix_nano)
        for resource in request.resource_spans
        for scope in resource.scope_spans
        for span in scope.spans
    ),
    Telemetry.METRICS: _point_times,
    Telemetry.LOGS: lambda request: (
        max(record.time_unix_nano, record.observed_time_unix_nano)
        for resource in request.resource_logs
        for scope in resource.scope_logs
        for record in scope.log_records
    ),
}
_LEAVES: Mapping[Telemetry, tuple[str, Callable[[Message], bool]]] = {
    Telemetry.TRACES: ("TraceRequest", _has_spans),
    Telemetry.METRICS: ("MetricsRequest", _has_metrics),
    Telemetry.LOGS: ("LogsRequest", _has_records),
}
