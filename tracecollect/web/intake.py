"""What the web port takes in: Zipkin's spans, at the address where every Zipkin reporter sends them."""

from __future__ import annotations

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from tracecollect.errors import TooLarge
from tracecollect.ports import Telemetry
from tracecollect.receivers.intake import Intake
from tracecollect.wire.packing import ENCODINGS, unpack
from tracecollect.wire.zipkin import read_spans

TRANSPORT = "zipkin"
PATH = "/api/v2/spans"
# What a JSON text needs as objects, in times of its length.
_MEMORY = 8


def routes(intake: Intake) -> list[Route]:
    """`POST /api/v2/spans`: a JSON array of version 2, answered with 202 once it is on disk."""

    async def spans(request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return Response("Content-Type must be application/json: Zipkin v2 JSON\n", 415, media_type="text/plain")
        encoding = request.headers.get("content-encoding", "").strip().lower()
        if encoding not in ("", "identity", *ENCODINGS):
            return Response(f"Content-Encoding must be one of {', '.join(ENCODINGS)}\n", 415, media_type="text/plain")
        body = await _whole(request, intake.max_body)
        await run_in_threadpool(_take, intake, body, encoding)
        return Response(status_code=202)

    return [Route(PATH, spans, methods=["POST"])]


def _take(intake: Intake, body: bytes, encoding: str) -> None:
    with intake.counted(Telemetry.TRACES, TRANSPORT):
        plain = unpack(body, encoding, intake.max_body)
        with intake.room(_MEMORY * len(plain)):
            request = read_spans(plain)
    intake.accept(Telemetry.TRACES, request, transport=TRANSPORT)


async def _whole(request: Request, most: int) -> bytes:
    pieces, size = [], 0
    async for piece in request.stream():
        size += len(piece)
        if size > most:
            raise TooLarge(f"the request has more than {most} bytes")
        pieces.append(piece)
    return b"".join(pieces)
