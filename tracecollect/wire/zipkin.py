"""Zipkin's JSON (version 2) as an OTLP request, by OpenTelemetry's own mapping read backwards.

A span without `duration` is Zipkin's form of one that is not finished: it gets no end. What JSON is read with is a
Python loop; who sends much, sends OTLP.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tracecollect.errors import Rejected

_KINDS = {
    "CLIENT": Span.SPAN_KIND_CLIENT,
    "SERVER": Span.SPAN_KIND_SERVER,
    "PRODUCER": Span.SPAN_KIND_PRODUCER,
    "CONSUMER": Span.SPAN_KIND_CONSUMER,
}
_CODES = {"OK": Status.STATUS_CODE_OK, "ERROR": Status.STATUS_CODE_ERROR}
# OpenTelemetry's exporters put these into tags; here they have a place of their own.
_SCOPE = ("otel.scope.name", "otel.library.name")
_SCOPE_VERSION = ("otel.scope.version", "otel.library.version")
_CODE, _DESCRIPTION, _ERROR = "otel.status_code", "otel.status_description", "error"
# Of a tag only these say which process a span comes from.
_RESOURCE = ("service.instance.id", "host.name", "process.pid")
_LONGEST = 2**63 - 1


def read_spans(text: bytes) -> bytes:
    """A JSON array of Zipkin spans as the bytes of an OTLP request. Raises `Rejected` with the place of the mistake."""
    try:
        spans = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise Rejected(f"not JSON: {error}", hint="POST a JSON array of Zipkin v2 spans") from error
    if not isinstance(spans, list):
        raise Rejected("not a JSON array", hint="POST a JSON array of Zipkin v2 spans")
    request = _Request()
    for number, one in enumerate(spans):
        try:
            request.add(one)
        except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
            raise Rejected(f"span {number} is no Zipkin span: {error}", hint="see zipkin.io/zipkin-api") from error
    return bytes(request.message.SerializeToString())


class _Request:
    """Spans sorted by the process and the library they come from."""

    def __init__(self) -> None:
        self.message = ExportTraceServiceRequest()
        self._scopes: dict[tuple[str, ...], Any] = {}

    def add(self, one: Mapping[str, Any]) -> None:
        tags = {str(name): str(value) for name, value in (one.get("tags") or {}).items()}
        local = one.get("localEndpoint") or {}
        scope = self._scope(str(local.get("serviceName") or ""), tags)
        span = scope.spans.add(
            trace_id=bytes.fromhex(one["traceId"].rjust(32, "0")),
            span_id=bytes.fromhex(one["id"].rjust(16, "0")),
            parent_span_id=bytes.fromhex((one.get("parentId") or "").rjust(16, "0")) if one.get("parentId") else b"",
            # Zipkin allows a span without a name; here a name is what tells spans apart.
            name=str(one.get("name") or "unknown"),
            kind=_KINDS.get(one.get("kind") or "", Span.SPAN_KIND_INTERNAL),
            start_time_unix_nano=_nanos(one.get("timestamp")),
        )
        duration = one.get("duration")
        if duration is not None and span.start_time_unix_nano:
            span.end_time_unix_nano = span.start_time_unix_nano + _nanos(duration)
        _say_status(span, tags)
        tags |= _endpoint("network.local", local) | _endpoint("network.peer", one.get("remoteEndpoint") or {})
        if one.get("shared"):
            tags["zipkin.shared"] = "true"
        for name, value in tags.items():
            span.attributes.add(key=name).value.string_value = value
        for note in one.get("annotations") or ():
            span.events.add(time_unix_nano=_nanos(note["timestamp"]), name=str(note["value"]))

    def _scope(self, service: str, tags: dict[str, str]) -> Any:  # noqa: ANN401 -- a message made at run time
        name, version = _taken(tags, _SCOPE), _taken(tags, _SCOPE_VERSION)
        process = tuple(tags.pop(name, "") for name in _RESOURCE)
        key = (service, *process, name, version)
        if key not in self._scopes:
            resource = self.message.resource_spans.add()
            for attribute, value in zip(("service.name", *_RESOURCE), (service, *process), strict=True):
                if value:
                    resource.resource.attributes.add(key=attribute).value.string_value = value
            self._scopes[key] = resource.scope_spans.add()
            self._scopes[key].scope.name, self._scopes[key].scope.version = name, version
        return self._scopes[key]


def _taken(tags: dict[str, str], names: tuple[str, ...]) -> str:
    return next(filter(None, [tags.pop(name, "") for name in names]), "")


def _nanos(micros: object) -> int:
    """Microseconds as nanoseconds; absent is 0. Raises `ValueError`."""
    if micros is None:
        return 0
    nanos = int(micros) * 1000 if isinstance(micros, int | float | str) else -1
    if not 0 <= nanos <= _LONGEST:
        raise ValueError(f"{micros} is no time in microseconds")
    return nanos


def _say_status(span: Span, tags: dict[str, str]) -> None:
    code, description = tags.pop(_CODE, ""), tags.pop(_DESCRIPTION, "")
    if _ERROR in tags and code != "OK":
        code, description = "ERROR", description or tags[_ERROR].removeprefix("true")
    if code in _CODES:
        span.status.code, span.status.message = _CODES[code], description


def _endpoint(prefix: str, endpoint: Mapping[str, Any]) -> dict[str, str]:
    found = {f"{prefix}.address": endpoint.get("ipv4") or endpoint.get("ipv6"), f"{prefix}.port": endpoint.get("port")}
    if prefix == "network.peer":
        found["peer.service"] = endpoint.get("serviceName")
    return {name: str(value) for name, value in found.items() if value}
