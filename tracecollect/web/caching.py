"""Answers that did not change are not sent again: an ETag for each, 304 for who has it already."""

from __future__ import annotations

import hashlib

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Tagged:
    """Middleware. Tags whole answers with 200 to GET and HEAD; a stream passes as it is."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http" or scope["method"] not in ("GET", "HEAD"):
            await self._app(scope, receive, send)
            return
        known = Headers(scope=scope).get("if-none-match", "")
        start: Message | None = None

        async def tagged(message: Message) -> None:
            nonlocal start
            if message["type"] == "http.response.start" and message["status"] == 200:
                start = message
                return
            if start is not None:
                first, start = start, None
                if message["type"] == "http.response.body" and not message.get("more_body", False):
                    message = _compared(first, message, known)
                await send(first)
            await send(message)

        await self._app(scope, receive, tagged)


def _compared(start: Message, body: Message, known: str) -> Message:
    """The body, or none where the reader has it: then `start` becomes a 304."""
    content: bytes = body.get("body", b"")
    if not content:
        return body
    # Weak: the same words in another compression are the same answer.
    tag = f'W/"{hashlib.blake2b(content, digest_size=12).hexdigest()}"'
    headers = MutableHeaders(scope=start)
    headers["ETag"] = tag
    if tag not in [one.strip() for one in known.split(",")]:
        return body
    start["status"] = 304
    for name in ("content-length", "content-type"):
        del headers[name]
    return {"type": "http.response.body", "body": b""}
