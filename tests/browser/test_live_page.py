"""The page while things happen: a leak that comes, a trace that comes, a server that goes and comes back."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind
from playwright_words import expect
from serving import Serving

from tracecollect.demo.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]


class Till:
    """A service that is traced; `sell(forget=True)` takes a connection and never gives it back."""

    def __init__(self, endpoint: str) -> None:
        self._provider = TracerProvider(
            resource=Resource({"service.name": "till", "service.instance.id": "till-1"}), shutdown_on_exit=False
        )
        exporter = OTLPSpanExporter(endpoint=endpoint, insecure=True)
        self._provider.add_span_processor(SimpleSpanProcessor(exporter))
        self._database = self._provider.get_tracer("opentelemetry.instrumentation.asyncpg")
        self._entry = self._provider.get_tracer("till")

    def sell(self, *, forget: bool = False) -> None:
        with self._entry.start_as_current_span("POST /sell", kind=SpanKind.SERVER):
            self._query("INSERT INTO sold VALUES ($1)")
            if not forget:
                self._query("SELECT pg_advisory_unlock_all();\nCLOSE ALL;\nUNLISTEN *;\nRESET ALL;")

    def _query(self, statement: str) -> None:
        about = {"db.system": "postgresql", "db.name": "till", "db.statement": statement, "net.peer.name": "db"}
        with self._database.start_as_current_span(statement.split()[0], kind=SpanKind.CLIENT, attributes=about):
            pass

    def close(self) -> None:
        self._provider.shutdown()


@pytest.fixture
def till(request):
    def open_(server: Serving) -> Till:
        one = Till(server.otlp)
        request.addfinalizer(one.close)
        return one

    return open_


def test_before_anything_arrives_the_page_says_how_to_send_and_then_shows_it_by_itself(serve, till, tab):
    server = serve("--grace", "1s")
    page = tab(server.url)
    expect(page.locator("h1")).to_contain_text("Nothing has arrived")
    expect(page.locator(".nothing pre")).to_contain_text("OTEL_EXPORTER_OTLP_ENDPOINT")
    expect(page.locator(".checks")).to_contain_text("OTLP/gRPC on 127.0.0.1")
    shop = till(server)
    for _ in range(30):
        shop.sell()
    for _ in range(4):
        shop.sell(forget=True)
    time.sleep(1.5)  # the grace: the forgotten ones become old
    shop.sell()
    expect(page.locator("tbody tr .out")).to_have_text("4")
    expect(page.locator("tbody tr .entry a")).to_have_text("POST /sell")


def test_the_live_view_tells_of_traces_and_of_findings_that_change(serve, till, tab):
    server = serve("--grace", "1s")
    page = tab(server.url + "/live")
    expect(page.locator("#connection")).to_have_text("live")
    shop = till(server)
    for _ in range(30):
        shop.sell()
    expect(page.locator("tbody tr").first).to_contain_text("POST /sell")
    for _ in range(4):
        shop.sell(forget=True)
    time.sleep(1.5)
    shop.sell()
    expect(page.locator(".history li").first).to_contain_text("POST /sell")
    page.locator("tbody tr a").first.click()
    expect(page.locator("h1")).to_contain_text("POST /sell took")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL], ids=["stopped", "killed"])
def test_a_server_that_restarts_is_missed_and_found_again(serve, till, tab, number):
    server = serve("--grace", "1s")
    page = tab(server.url + "/pools")
    expect(page.locator("#connection")).to_have_text("live")
    heading = page.locator("h1").bounding_box()
    server.stop(number)
    expect(page.locator("#banner")).to_contain_text("The server does not answer")
    assert page.locator("h1").bounding_box() == heading  # nothing moves away from under a hand
    expect(page.locator("#connection")).to_have_text("server gone")
    server.start()
    expect(page.locator("#banner")).to_contain_text("The server is back")
    expect(page.locator("#connection")).to_have_text("live")
    shop = till(server)
    for _ in range(3):
        shop.sell()
    expect(page.locator("tbody tr .entry a")).to_contain_text("db")


def test_the_demo_is_understood_from_the_page_alone(own_directory, tab):
    """What a person who has never seen the page is asked: which operation leaks, how many, since when."""
    web, otlp = (f"127.0.0.1:{free_port()}" for _ in range(2))
    where = ("--data-dir", str(own_directory / "demo"), "--web", web, "--otlp-grpc", otlp)
    command = [sys.executable, "-m", "tracecollect", "demo", "--once", *where]
    told = subprocess.run(command, capture_output=True, text=True, timeout=150, check=False)
    assert told.returncode == 0, told.stderr
    leaks = dict(re.findall(r"leaked +\d+ × (.+?)  \(orders\)\n +id +(\w+)", told.stdout, flags=re.IGNORECASE))
    assert len(leaks) == 2
    server = Serving(own_directory / "demo", "--grace", "5s")
    try:
        page = tab(server.url)
        expect(page.locator("h1")).to_contain_text("not given back, 2 leak sites")
        assert set(page.locator("td.entry a").all_inner_texts()) == set(leaks)
        since = page.locator("td.since").first.inner_text()
        assert re.search(r"\d\d:\d\d:\d\d UTC", since)
        page.locator("td.entry a").first.click()
        expect(page.locator(".timeline")).to_contain_text("never released")
        expect(page.locator(".evidence li")).not_to_have_count(0)
    finally:
        server.stop()
