"""What every answer carries and every request must meet: security headers, our version, a host that is ours."""

from __future__ import annotations

import base64
from collections.abc import Collection
from dataclasses import dataclass, field

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

import tracecollect
from tracecollect.errors import NotAllowed
from tracecollect.receivers.access import Tls, Tokens
from tracecollect.web import errors

_OPEN = ("/healthz", "/readyz")
API_VERSION = "1"
POLICY = "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    # Kept by the reader's own browser only, and asked about each time: see `caching`.
    "Cache-Control": "private, no-cache",
    "Tracecollect-Version": tracecollect.__version__,
    "Tracecollect-Api": API_VERSION,
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may read, who may send to `sending` (a path), and whether the port speaks TLS."""

    readers: Tokens = field(default_factory=Tokens)
    senders: Tokens = field(default_factory=Tokens)
    sending: str = ""
    tls: Tls | None = None


class Guard:
    """Middleware. Tokens are shown as bearer tokens, or by a browser as the password of any user.

    `hosts` None lets every Host header pass, for servers that are public on purpose.

    A page of a stranger can point a name of its own at 127.0.0.1 and read what answers there (DNS rebinding);
    its requests carry that name as Host.
    """

    def __init__(self, app: ASGIApp, *, hosts: Collection[str] | None, access: Access) -> None:
        self._app = app
        self._hosts = hosts
        self._access = access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Content-Security-Policy", POLICY)
            await send(message)

        host = Headers(scope=scope).get("host", "")
        if self._hosts is not None and host_name(host) not in self._hosts:
            body = {
                "error": "UsageError",
                "message": f"this server is not {host_name(host)!r}",
                "hint": "ask for it as 127.0.0.1 or localhost, or serve with --allow-public",
            }
            await JSONResponse(body, 421)(scope, receive, guarded)
            return
        try:
            self._check(scope)
        except NotAllowed as error:
            answer = errors.answer(error)
            answer.headers["WWW-Authenticate"] = 'Basic realm="tracecollect: the password is a token", Bearer'
            await answer(scope, receive, guarded)
            return
        await self._app(scope, receive, guarded)

    def _check(self, scope: Scope) -> None:
        """Raises `NotAllowed`. Health is for everybody: whoever asks has no token yet."""
        if scope["path"] in _OPEN:
            return
        sends = scope["method"] == "POST" and scope["path"] == self._access.sending
        tokens = self._access.senders if sends else self._access.readers
        if tokens:
            tokens.check(_as_bearer(Headers(scope=scope).get("authorization", "")))


def _as_bearer(authorization: str) -> str:
    scheme, _, given = authorization.partition(" ")
    if scheme.lower() != "basic":
        return authorization
    try:
        return f"Bearer {base64.b64decode(given, validate=True).decode().partition(':')[2]}"
    except ValueError:
        return ""


def host_name(host: str) -> str:
    """A Host header without its port."""
    if host.startswith("["):
        return host[1:].partition("]")[0]
    return host.partition(":")[0].lower()
