"""Who may send: tokens, TLS and mutual TLS, over both transports."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import certificates
import grpc
import pytest
from contract.receiver import LIMIT, ONE, Recording

from tracecollect.errors import ListenError, NotAllowed
from tracecollect.ports import Telemetry
from tracecollect.receivers.access import Tls, Tokens
from tracecollect.receivers.intake import Intake
from tracecollect.receivers.listeners import Listeners, Listening
from tracecollect.receivers.otlp_grpc import SERVICES

TOKEN = "correct-horse-battery"
BODY = ONE[Telemetry.TRACES]


@contextmanager
def listening(**more) -> Iterator[tuple[Listeners, Recording, Intake]]:
    recorder = Recording()
    intake = Intake(recorder, max_body=LIMIT)
    found = Listeners(intake, Listening(grpc=("127.0.0.1", 0), http=("127.0.0.1", 0), **more))
    found.start()
    try:
        yield found, recorder, intake
    finally:
        found.stop(0)


def over_grpc(port: int, token: str = "", credentials: grpc.ChannelCredentials | None = None) -> str:
    address, options = f"localhost:{port}", [("grpc.use_local_subchannel_pool", 1)]
    opened = (
        grpc.secure_channel(address, credentials, options) if credentials else grpc.insecure_channel(address, options)
    )
    with opened as channel:
        metadata = [("authorization", f"Bearer {token}")] if token else []
        try:
            channel.unary_unary(f"/{SERVICES[Telemetry.TRACES]}/Export")(BODY, timeout=10, metadata=metadata)
        except grpc.RpcError as error:
            return error.code().name
        return "OK"


def over_http(port: int, token: str = "", context: ssl.SSLContext | None = None) -> int:
    kind = http.client.HTTPSConnection("127.0.0.1", port, timeout=10, context=context) if context else None
    connection = kind or http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        headers = {"Content-Type": "application/x-protobuf"} | ({"Authorization": f"Bearer {token}"} if token else {})
        connection.request("POST", "/v1/traces", BODY, headers)
        return connection.getresponse().status
    finally:
        connection.close()


def test_a_token_lets_in_and_nothing_else_does() -> None:
    with listening(tokens=("another-token-here", TOKEN)) as (found, recorder, intake):
        for wrong in ("", TOKEN[:-1], TOKEN + "x", "Bearer"):
            assert over_grpc(found.grpc_port, wrong) == "UNAUTHENTICATED"
            assert over_http(found.http_port, wrong) == 401
        assert recorder.taken == []
        assert over_grpc(found.grpc_port, TOKEN) == "OK"
        assert over_http(found.http_port, TOKEN) == 200
        assert intake.counters().refused == {"not_allowed": 8}


def test_tls_is_spoken_on_both_ports_and_nothing_else(tmp_path: Path) -> None:
    certificates.make(tmp_path, "authority")
    chain, key = certificates.make(tmp_path, "server", "authority")
    authority = tmp_path / "authority.pem"
    with listening(tls_certificate=str(chain), tls_key=str(key)) as (found, recorder, _):
        assert over_http(found.http_port, context=ssl.create_default_context(cafile=str(authority))) == 200
        assert over_grpc(found.grpc_port, credentials=grpc.ssl_channel_credentials(authority.read_bytes())) == "OK"
        assert len(recorder.taken) == 2
        assert over_grpc(found.grpc_port) == "UNAVAILABLE"
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            over_http(found.http_port)


def test_mutual_tls_lets_in_whom_the_authority_knows(tmp_path: Path) -> None:
    certificates.make(tmp_path, "authority")
    chain, key = certificates.make(tmp_path, "server", "authority")
    mine, stranger = certificates.make(tmp_path, "client", "authority"), certificates.make(tmp_path, "stranger")
    authority = tmp_path / "authority.pem"
    where = {"tls_certificate": str(chain), "tls_key": str(key), "tls_client_ca": str(authority)}
    with listening(**where) as (found, recorder, _):
        for shown, lets_in in ((mine, True), (stranger, False), (None, False)):
            context = ssl.create_default_context(cafile=str(authority))
            if shown is not None:
                context.load_cert_chain(*shown)
            pair = (shown[1].read_bytes(), shown[0].read_bytes()) if shown is not None else (None, None)
            credentials = grpc.ssl_channel_credentials(authority.read_bytes(), *pair)
            assert over_grpc(found.grpc_port, credentials=credentials) == ("OK" if lets_in else "UNAVAILABLE")
            if lets_in:
                assert over_http(found.http_port, context=context) == 200
            else:
                with pytest.raises((OSError, http.client.HTTPException)):
                    over_http(found.http_port, context=context)
        assert len(recorder.taken) == 2


def test_tls_files_that_do_not_fit_are_one_clear_error(tmp_path: Path) -> None:
    chain, _ = certificates.make(tmp_path, "one")
    _, key = certificates.make(tmp_path, "other")
    with pytest.raises(ListenError, match="TLS files") as error:
        Tls(str(chain), str(key)).context("h2")
    assert "tls_certificate" in error.value.hint


def test_no_token_is_asked_for_where_none_is_configured() -> None:
    Tokens().check("")
    with pytest.raises(NotAllowed):
        Tokens((TOKEN,)).check(f"Basic {TOKEN}")
