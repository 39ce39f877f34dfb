"""Who may read: tokens and TLS on the web port."""

from __future__ import annotations

import ssl

import certificates
import httpx
import pytest
from contract.receiver import Recording

from tracecollect.errors import TracecollectError
from tracecollect.receivers.access import Tls, Tokens
from tracecollect.receivers.intake import Intake
from tracecollect.settings import Address
from tracecollect.storage.remote import RemoteAnswers
from tracecollect.web import Access, Vitals, WebServer
from tracecollect.web.intake import PATH

READ, WRITE = "a-token-for-readers", "a-token-for-senders"


@pytest.fixture
def start(request, answers):
    def start(access: Access) -> WebServer:
        server = WebServer(Address("127.0.0.1", 0))
        request.addfinalizer(server.stop)
        server.start(answers, lambda: Vitals(ready=True), grace=7, intake=Intake(Recording()), access=access)
        return server

    return start


def code(server: WebServer, path: str, token: str = "", **more) -> int:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return httpx.request(
        more.pop("method", "GET"), server.url + path, headers=headers, trust_env=False, **more
    ).status_code


def test_reading_and_sending_have_tokens_of_their_own(start):
    server = start(Access(Tokens((READ,)), Tokens((WRITE,)), PATH))
    for path in ("/api/v1/services", "/metrics", "/"):
        assert code(server, path) == 401
        assert code(server, path, WRITE) == 401
        assert code(server, path, READ) == 200
    spans = {"method": "POST", "json": []}
    assert code(server, PATH, READ, **spans) == 401
    assert code(server, PATH, WRITE, **spans) == 202


def test_health_needs_no_token(start):
    server = start(Access(Tokens((READ,))))
    assert [code(server, path) for path in ("/healthz", "/readyz")] == [200, 200]


def test_a_browser_is_asked_and_its_password_is_the_token(start):
    server = start(Access(Tokens((READ,))))
    asked = httpx.get(server.url + "/", trust_env=False)
    assert asked.headers["www-authenticate"].startswith("Basic ")
    assert httpx.get(server.url + "/", auth=("me", READ), trust_env=False).status_code == 200
    assert httpx.get(server.url + "/", auth=("me", "wrong"), trust_env=False).status_code == 401


def test_the_commands_show_their_token(start):
    server = start(Access(Tokens((READ,))))
    with RemoteAnswers(server.url, token=READ) as answers:
        assert answers.status().version
    with RemoteAnswers(server.url) as answers, pytest.raises(TracecollectError, match="token") as error:
        answers.status()
    assert error.value.hint


def test_tls_is_spoken_and_the_commands_trust_the_configured_certificate(start, tmp_path):
    chain, key = certificates.make(tmp_path, "server")
    server = start(Access(tls=Tls(str(chain), str(key))))
    assert server.url.startswith("https://")
    with RemoteAnswers(server.url, certificate=str(chain)) as answers:
        assert answers.status().version
    other, _ = certificates.make(tmp_path, "other")
    with RemoteAnswers(server.url, certificate=str(other)) as answers, pytest.raises(TracecollectError):
        answers.status()
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url, verify=ssl.create_default_context(), trust_env=False)
