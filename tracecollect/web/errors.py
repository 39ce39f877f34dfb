"""Our errors as HTTP answers: one table of status codes, one shape of body."""

from __future__ import annotations

import logging
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from tracecollect.errors import (
    Ambiguous,
    Busy,
    NotAllowed,
    NotFound,
    Rejected,
    StoreError,
    StoreFull,
    StoreTimeout,
    TooLarge,
    TracecollectError,
    UsageError,
)

_log = logging.getLogger(__name__)
# The nearest class decides, so the order does not matter.
STATUS: Mapping[type[TracecollectError], int] = {
    UsageError: 400,
    Rejected: 400,
    NotAllowed: 401,
    NotFound: 404,
    Ambiguous: 409,
    TooLarge: 413,
    TracecollectError: 500,
    Busy: 503,
    StoreError: 503,
    StoreTimeout: 504,
    StoreFull: 507,
}


def status_of(error: TracecollectError) -> int:
    """The status code of an error."""
    return next(STATUS[kind] for kind in type(error).__mro__ if kind in STATUS)


def answer(error: Exception) -> Response:
    """The body `{error, message, hint}`; candidates where an id was ambiguous."""
    if not isinstance(error, TracecollectError):
        # What went wrong inside is for our log, not for strangers.
        _log.error("an answer failed inside", exc_info=error)
        error = TracecollectError("something went wrong inside", hint="the log of tracecollect serve says what")
    body: dict[str, object] = {"error": type(error).__name__, "message": error.message, "hint": error.hint}
    if isinstance(error, Ambiguous):
        body["candidates"] = list(error.candidates)
    headers = {"Retry-After": f"{max(1, round(error.retry_after))}"} if isinstance(error, Busy) else {}
    return JSONResponse(body, status_of(error), headers)


async def on_error(_: Request, error: Exception) -> Response:
    """For whatever an endpoint raises."""
    return answer(error)


async def on_missing(request: Request, _: Exception) -> Response:
    """For an address that does not exist."""
    body = {
        "error": "NotFound",
        "message": f"there is nothing at {request.url.path}",
        "hint": "docs/api.md lists what can be asked under /api/v1",
    }
    return JSONResponse(body, 404)


async def on_wrong_method(request: Request, _: Exception) -> Response:
    """For a method that an address does not know."""
    body = {"error": "UsageError", "message": f"{request.method} is not possible here", "hint": "use GET"}
    return JSONResponse(body, 405, {"Allow": "GET, HEAD"})
