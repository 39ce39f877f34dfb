"""A web server on a free port, over answers that are known."""

from __future__ import annotations

import pytest
from known_answers import KnownAnswers

from tracecollect.ports import Depth
from tracecollect.settings import Address
from tracecollect.storage.remote import RemoteAnswers
from tracecollect.web import Vitals, WebServer

VITALS = Vitals(
    ready=True,
    requests={("grpc", "traces", "OK"): 3},
    accepted={"traces": 7},
    rejected={"span id of zeros": 2},
    spans_stored=5,
    inserts=2,
    insert_seconds=0.5,
    store_bytes=11,
    journal=Depth(4, 5, 6, None),
    findings={"leaked": 1},
)


@pytest.fixture
def answers():
    return KnownAnswers()


@pytest.fixture
def serve(request):
    """Starts servers: `serve(answers, vitals)` returns one that is stopped after the test."""

    def start(answers, vitals=VITALS, *, public=False):
        server = WebServer(Address("127.0.0.1", 0))
        request.addfinalizer(server.stop)
        server.start(answers, lambda: vitals, grace=7, public=public)
        return server

    return start


@pytest.fixture
def server(serve, answers):
    return serve(answers)


@pytest.fixture
def remote(server):
    with RemoteAnswers(server.url) as found:
        yield found
