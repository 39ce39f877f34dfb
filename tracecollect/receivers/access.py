"""Who may send: bearer tokens, TLS and mutual TLS of the listeners."""

from __future__ import annotations

import hmac
import ssl
from collections.abc import Sequence
from dataclasses import dataclass

from tracecollect.errors import ListenError, NotAllowed


class Tokens:
    """The bearer tokens that may send; without any everybody may."""

    def __init__(self, tokens: Sequence[str] = ()) -> None:
        self._tokens = [one.encode() for one in tokens]

    def __bool__(self) -> bool:
        return bool(self._tokens)

    def check(self, authorization: str) -> None:
        """Look at an Authorization header. Raises `NotAllowed`."""
        if not self._tokens:
            return
        scheme, _, token = authorization.partition(" ")
        given = token.strip().encode("utf-8", "replace")
        # Every token is compared, each in constant time: how long this takes tells nothing.
        found = [hmac.compare_digest(one, given) for one in self._tokens]
        if scheme.lower() != "bearer" or not any(found):
            raise NotAllowed("the request carries no token that may send here", hint="Authorization: Bearer TOKEN")


@dataclass(frozen=True, slots=True)
class Tls:
    """PEM files: our certificate chain and key, and whose clients' certificates are asked for."""

    certificate: str
    key: str
    client_ca: str = ""

    def context(self, protocol: str) -> ssl.SSLContext:
        """For asyncio, and who speaks `protocol` (ALPN). Raises `ListenError`."""
        try:
            context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=self.client_ca or None)
            context.minimum_version = ssl.TLSVersion.TLSv1_2
            context.load_cert_chain(self.certificate, self.key)
            context.set_alpn_protocols([protocol])
        except (OSError, ssl.SSLError) as error:
            raise _unusable(error) from error
        if self.client_ca:
            context.verify_mode = ssl.CERT_REQUIRED
        return context


def _unusable(error: Exception) -> ListenError:
    return ListenError(
        f"the TLS files cannot be used: {error}",
        hint="tls_certificate and tls_key must be PEM files that belong together, tls_client_ca one of authorities",
    )
