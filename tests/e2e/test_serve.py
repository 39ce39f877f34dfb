"""The program as it runs for a person: `serve` in a process of its own, real exporters, real signals."""

from __future__ import annotations

import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
from base64 import b64decode
from collections.abc import Callable, Iterator
from pathlib import Path

import grpc
import httpx
import pytest
from captures import Capture
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tracecollect import codec
from tracecollect.ports import Telemetry
from tracecollect.receivers.otlp_grpc import SERVICES
from tracecollect.storage.remote import RunningServer, find_server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
TELEMETRY = {"traces": Telemetry.TRACES, "metrics": Telemetry.METRICS, "logs": Telemetry.LOGS}


def program(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "tracecollect", *words], capture_output=True, text=True, timeout=60, check=False
    )


class Serving:
    """`tracecollect serve` on free ports."""

    def __init__(self, directory: Path, *more: str) -> None:
        self.directory = directory
        ports = ["--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--web", "127.0.0.1:0"]
        command = ["serve", "--data-dir", str(directory), *ports, *more]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tracecollect", *command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        self.where = self._until(self._running)

    def _running(self) -> RunningServer | None:
        assert self.process.poll() is None, self.process.communicate()[0]
        found = find_server(self.directory)
        return found if found is not None and found.pid == self.process.pid else None

    @staticmethod
    def _until(happened: Callable[[], RunningServer | None]) -> RunningServer:
        end = time.monotonic() + 60
        while time.monotonic() < end:
            found = happened()
            if found is not None:
                return found
            time.sleep(0.02)
        raise AssertionError("not ready")

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.where.web + path, trust_env=False, timeout=30)

    def metric(self, name: str) -> float:
        lines = self.get("/metrics").text.splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith((f"{name} ", f"{name}{{")))

    def until_stored(self) -> None:
        end = time.monotonic() + 60
        while self.metric("tracecollect_journal_requests"):
            assert time.monotonic() < end
            time.sleep(0.05)

    def end(self, number: int = signal.SIGTERM) -> tuple[int, float]:
        began = time.monotonic()
        self.process.send_signal(number)
        self.process.communicate(timeout=60)
        return self.process.returncode, time.monotonic() - began

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def serve(tmp_path) -> Iterator[Callable[..., Serving]]:
    running: list[Serving] = []

    def start(*more: str) -> Serving:
        running.append(Serving(tmp_path / "data", *more))
        return running[-1]

    yield start
    for one in running:
        one.close()


def replay(address: str, name: str) -> int:
    """Send a capture as its service did; how many requests were acknowledged."""
    with grpc.insecure_channel(address) as channel, gzip.open(Capture(name).path, "rt") as lines:
        sent = 0
        for line in lines:
            one = json.loads(line)
            export = channel.unary_unary(f"/{SERVICES[TELEMETRY[one['signal']]]}/Export")
            export(b64decode(one["b64"]), timeout=30)
            sent += 1
    return sent


def leaks(server: Serving, *words: str) -> dict:
    told = program("leaks", "--json", "--data-dir", str(server.directory), *words)
    assert told.returncode == 0, told.stderr
    return json.loads(told.stdout)


def test_a_recorded_leak_is_sent_over_grpc_and_named_on_the_command_line(serve):
    server = serve("--grace", "5s", "--retention", "3650d")
    assert replay(server.where.otlp_grpc, "asyncpg-leak") > 10
    server.until_stored()
    one = Capture("asyncpg-leak")
    report = leaks(server, "--as-of", codec.spell_instant(one.end))
    named = [hold["trace_id"] for each in report["findings"] for hold in each["instances"]]
    assert sorted(named) == sorted(one.leaked().elements())
    picture = server.directory / "leak.svg"
    told = program(
        "lifecycle", named[0][:12], "--data-dir", str(server.directory), "--as-of", codec.spell_instant(one.end),
        "-o", str(picture),
    )  # fmt: skip
    assert told.returncode == 0, told.stderr
    assert picture.read_text().lstrip().startswith(("<?xml", "<svg"))
    assert server.end()[0] == 0


def test_spans_of_a_real_sdk_are_found_again_by_a_shortened_id(serve):
    server = serve()
    provider = TracerProvider(resource=Resource({"service.name": "till", "service.instance.id": "till-1"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(endpoint=server.where.otlp_grpc, insecure=True)))
    with provider.get_tracer("shop").start_as_current_span("sell") as span:
        trace_id = f"{span.get_span_context().trace_id:032x}"
    provider.shutdown()
    server.until_stored()
    told = program("trace", trace_id[:10], "--data-dir", str(server.directory))
    assert "sell" in told.stdout
    assert told.returncode == 0


def test_a_stop_stores_what_was_acknowledged_and_ends_well_within_ten_seconds(serve):
    server = serve("--retention", "3650d")
    sent = replay(server.where.otlp_grpc, "asyncpg-healthy")
    status, seconds = server.end(signal.SIGTERM)
    assert sent > 10
    assert status == 0
    assert seconds < 10
    assert find_server(server.directory) is None
    again = serve("--retention", "3650d")
    assert again.metric("tracecollect_journal_requests") == 0
    status, _ = again.end(signal.SIGINT)
    assert status == 0


def test_nothing_acknowledged_is_lost_or_doubled_by_kill_9(serve):
    whole = serve("--retention", "3650d")
    replay(whole.where.otlp_grpc, "asyncpg-leak")
    whole.process.kill()
    whole.process.wait()
    again = serve("--grace", "5s", "--retention", "3650d")
    # The client could not know whether its last requests had arrived: it sends all of them again.
    replay(again.where.otlp_grpc, "asyncpg-leak")
    again.until_stored()
    one = Capture("asyncpg-leak")
    report = leaks(again, "--as-of", codec.spell_instant(one.end))
    named = [hold["trace_id"] for each in report["findings"] for hold in each["instances"]]
    assert sorted(named) == sorted(one.leaked().elements())
    trace = program("trace", named[0], "--json", "--data-dir", str(again.directory))
    spans = [span["span_id"] for span in json.loads(trace.stdout)["spans"]]
    assert len(spans) == len(set(spans))


def test_a_second_server_on_the_same_directory_is_told_who_has_it(serve, tmp_path):
    server = serve()
    ports = ["--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--web", "127.0.0.1:0"]
    told = program("serve", "--data-dir", str(server.directory), *ports)
    assert told.returncode == 2
    assert "hint:" in told.stderr
    assert "Traceback" not in told.stderr
    assert server.get("/healthz").status_code == 200


@pytest.mark.parametrize("flag", ["--otlp-grpc", "--otlp-http", "--web"])
def test_a_port_in_use_is_one_clear_error(serve, tmp_path, flag):
    server = serve()
    where = server.where
    taken = {"--otlp-grpc": where.otlp_grpc, "--otlp-http": where.otlp_http, "--web": where.web.removeprefix("http://")}
    ports = dict.fromkeys(taken, "127.0.0.1:0") | {flag: taken[flag]}
    words = [word for pair in ports.items() for word in pair]
    told = program("serve", "--data-dir", str(tmp_path / "other"), *words)
    assert told.returncode == 2
    assert taken[flag] in told.stderr
    assert "hint:" in told.stderr
    assert "Traceback" not in told.stderr


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_directory_that_cannot_be_written_is_one_clear_error(tmp_path):
    (tmp_path / "sealed").mkdir(mode=0o500)
    told = program("serve", "--data-dir", str(tmp_path / "sealed" / "data"))
    assert told.returncode == 2
    assert "hint:" in told.stderr


def test_a_directory_in_whose_place_a_file_stands_is_one_clear_error(tmp_path):
    (tmp_path / "data").write_text("")
    told = program("serve", "--data-dir", str(tmp_path / "data"))
    assert told.returncode == 2
    assert "hint:" in told.stderr
    assert "Traceback" not in told.stderr


def test_wrong_and_shortened_ids_are_answered_by_the_running_server(serve):
    server = serve("--retention", "3650d")
    replay(server.where.otlp_grpc, "asyncpg-leak")
    server.until_stored()
    wrong = program("trace", "0" * 31 + "1", "--data-dir", str(server.directory))
    assert wrong.returncode == 2
    assert "hint:" in wrong.stderr
    assert not wrong.stdout
    ids = sorted(Capture("asyncpg-leak").forgotten())
    first = next(digit for digit in "0123456789abcdef" if sum(one.startswith(digit) for one in ids) > 1)
    several = program("trace", first, "--data-dir", str(server.directory))
    assert several.returncode == 2
    assert any(one in several.stderr for one in ids if one.startswith(first)) or "fits" in several.stderr


def test_a_server_that_dies_is_one_clear_error_for_whoever_asks(serve):
    server = serve()
    web = server.where.web
    server.process.kill()
    server.process.wait()
    told = program("leaks", "--server", web)
    assert told.returncode == 2
    assert "hint:" in told.stderr
    assert "Traceback" not in told.stderr


def test_health_readiness_and_metrics_are_served(serve):
    server = serve()
    assert server.get("/healthz").status_code == 200
    assert server.get("/readyz").status_code == 200
    assert "tracecollect_spans_accepted_total" in server.get("/metrics").text


def test_what_changed_since_the_last_start_is_told_with_where_it_came_from_and_no_secret_is(serve, monkeypatch):
    serve("--grace", "7s").end()
    monkeypatch.setenv("TRACECOLLECT_INGEST_TOKENS", "nobody-may-ever-read-this")
    again = serve("--grace", "9s")
    told = program("doctor", "--data-dir", str(again.directory), "--json")
    status = json.loads(told.stdout)
    assert status["settings"]["grace"] == "9s"
    assert status["origins"]["grace"] == "flag --grace"
    (check,) = [one for one in status["checks"] if one["name"] == "settings"]
    assert "grace 7s → 9s" in check["detail"]
    assert "nobody-may" not in told.stdout


def test_spans_over_http_and_zipkin_reach_the_same_trace_and_an_open_one_is_shown_open(serve):
    server = serve()
    start = time.time_ns() - 10**9
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    span = {"traceId": trace, "spanId": "00f067aa0ba902b7", "name": "sell", "kind": 2, "startTimeUnixNano": str(start)}
    body = {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}
    answer = httpx.post(f"http://{server.where.otlp_http}/v1/traces", json=body, trust_env=False)
    assert (answer.status_code, answer.json()) == (200, {})
    child = {"traceId": trace, "id": "b9c7c989f97918e1", "parentId": span["spanId"], "name": "pay"}
    child |= {"timestamp": start // 1000, "duration": 5, "localEndpoint": {"serviceName": "till"}}
    assert httpx.post(f"{server.where.web}/api/v2/spans", json=[child], trust_env=False).status_code == 202
    server.until_stored()
    told = json.loads(program("trace", trace, "--as", "json", "--data-dir", str(server.directory)).stdout)
    assert {"sell", "pay"} <= set(re.findall(r'"(sell|pay)"', json.dumps(told)))
    found = httpx.get(f"{server.where.web}/api/v1/traces/{trace}", trust_env=False).json()["spans"]
    assert {one["name"]: one["open"] for one in found} == {"sell": True, "pay": False}
