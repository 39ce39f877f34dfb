"""OTLP over HTTP: protobuf and JSON on one port, answered in the request's type. Lives on an event loop."""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping

from tracecollect.errors import Busy, NotAllowed, Rejected, TooLarge, TracecollectError
from tracecollect.ports import Telemetry
from tracecollect.receivers.access import Tokens
from tracecollect.receivers.http import Request, Response
from tracecollect.receivers.intake import Homing, Intake, aside, unpacked
from tracecollect.wire.answers import json_response, response
from tracecollect.wire.otlp_json import read_request
from tracecollect.wire.packing import ENCODINGS
from tracecollect.wire.status import wire_status

TRANSPORT = "http"
PATHS: Mapping[str, Telemetry] = {f"/v1/{one}": one for one in Telemetry}
PROTOBUF, JSON = "application/x-protobuf", "application/json"
_TYPES = (PROTOBUF, JSON)
# From this size on JSON is left to a thread: the loop must go on answering.
_LONG_JSON = 32 << 10
# What a JSON text needs as objects while it is turned into protobuf, in times of its length.
_JSON_MEMORY = 8
_PREFLIGHT_SECONDS = 7200
_log = logging.getLogger(__name__)


class OtlpHttpService:
    """Answers connections of HTTP/1.1. `origins` are the web pages (scheme://host:port) whose scripts may send."""

    def __init__(
        self, intake: Intake, home: Homing, *, tokens: Tokens | None = None, origins: Collection[str] = ()
    ) -> None:
        self._intake, self._home = intake, home
        self._tokens = tokens or Tokens()
        self._origins = frozenset(origins)

    def admit(self, head: Request, size: int) -> Response | None:
        """See `Service`."""
        telemetry = PATHS.get(head.path)
        if telemetry is None:
            return _plain(404, f"there is nothing at {head.path[:200]}: OTLP goes to {', '.join(PATHS)}")
        if head.method == "OPTIONS":
            return None
        if head.method != "POST":
            return _plain(405, f"{head.method} is not possible here, only POST", {"allow": "POST, OPTIONS"})
        if _media_type(head) not in _TYPES:
            return _plain(415, f"Content-Type must be one of {', '.join(_TYPES)}")
        if _encoding(head) not in ("", "identity", *ENCODINGS):
            return _plain(
                415, f"Content-Encoding must be one of {', '.join(ENCODINGS)}", {"accept-encoding": _ACCEPTED}
            )
        try:
            with self._intake.counted(telemetry, TRANSPORT):
                self._tokens.check(head.header("authorization"))
                if size > self._intake.max_body:
                    raise TooLarge(f"the request has {size} bytes, the limit is {self._intake.max_body}")
        except Rejected as error:
            return self._refused(head, error)
        return None

    def crowded(self, head: Request) -> Response:
        """See `Service`."""
        error = Busy("too many bytes are being received already", reason="in_flight")
        self._intake.count_failure(PATHS[head.path], TRANSPORT, error)
        return self._refused(head, error)

    async def handle(self, request: Request) -> Response:
        """See `Service`."""
        if request.method == "OPTIONS":
            return self._preflight(request)
        try:
            return await self._take(PATHS[request.path], request)
        except Exception as error:
            return self._refused(request, error)

    async def _take(self, telemetry: Telemetry, request: Request) -> Response:
        intake, as_json = self._intake, _media_type(request) == JSON
        with intake.counted(telemetry, TRANSPORT):
            plain = await unpacked(request.body, _encoding(request), intake.max_body)
            with intake.room(len(plain) * (_JSON_MEMORY if as_json else 1)):
                body = await aside(len(plain) > _LONG_JSON, read_request, telemetry, plain) if as_json else plain
                receipt = await intake.take(telemetry, body, transport=TRANSPORT, home=self._home)
        if as_json:
            return Response(200, json_response(telemetry, receipt), self._headers(request, JSON))
        return Response(200, response(receipt), self._headers(request, PROTOBUF))

    def _refused(self, request: Request, error: Exception) -> Response:
        if not isinstance(error, TracecollectError):
            _log.error("a request failed inside", exc_info=error)
        status = wire_status(error)
        kind = JSON if _media_type(request) == JSON else PROTOBUF
        headers = self._headers(request, kind)
        if status.retry_after is not None:
            headers["retry-after"] = str(status.retry_seconds)
        if isinstance(error, NotAllowed):
            headers["www-authenticate"] = 'Bearer realm="tracecollect"'
        return Response(status.http, status.json().encode() if kind == JSON else status.details(), headers)

    # --- web pages ----------------------------------------------------------------------------------

    def _headers(self, request: Request, kind: str) -> dict[str, str]:
        headers = {"content-type": kind}
        origin = request.header("origin")
        if origin and origin in self._origins:
            headers |= {"access-control-allow-origin": origin, "vary": "Origin"}
        return headers

    def _preflight(self, request: Request) -> Response:
        """What a browser asks before a script of another origin may send; without permission it says nothing."""
        origin = request.header("origin")
        if not origin or origin not in self._origins:
            return Response(204, headers={"allow": "POST, OPTIONS", "vary": "Origin"})
        wanted = request.header("access-control-request-headers")
        return Response(
            204,
            headers={
                "access-control-allow-origin": origin,
                "access-control-allow-methods": "POST",
                "access-control-allow-headers": wanted or "content-type",
                "access-control-max-age": str(_PREFLIGHT_SECONDS),
                "vary": "Origin, Access-Control-Request-Headers",
            },
        )


_ACCEPTED = ", ".join(ENCODINGS)


def _media_type(request: Request) -> str:
    return request.header("content-type").partition(";")[0].strip().lower()


def _encoding(request: Request) -> str:
    return request.header("content-encoding").strip().lower()


def _plain(status: int, text: str, headers: Mapping[str, str] | None = None) -> Response:
    return Response(status, f"{text}\n".encode(), {"content-type": "text/plain; charset=utf-8", **(headers or {})})
