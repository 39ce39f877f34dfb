"""The receiver process: starts, counts, stops, comes back, and never outlives its parent."""

from __future__ import annotations

import http.client
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import psutil
import pytest
from contract.receiver import ONE, trace_request
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from tracecollect.errors import ListenError, StoreError
from tracecollect.journal import JournalReader
from tracecollect.ports import Telemetry
from tracecollect.receivers.listeners import Listening, bound
from tracecollect.receivers.otlp_grpc import SERVICES
from tracecollect.receivers.process import Receivers
from tracecollect.wire.decode import decode, plain

RECORDER = "tracecollect.journal:JournalWriter"


def process_on(directory: Path, port: int = 0) -> Receivers:
    return Receivers(
        RECORDER,
        {"path": str(directory / "journal.db")},
        Listening(grpc=("127.0.0.1", port)),
        restart_seconds=0.01,
    )


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Receivers]:
    process = process_on(tmp_path)
    process.start()
    yield process
    process.stop()


def export(port: int, telemetry: Telemetry, body: bytes) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{port}", options=[("grpc.use_local_subchannel_pool", 1)]) as channel:
        call = channel.unary_unary(f"/{SERVICES[telemetry]}/Export")
        return bytes(call(body, timeout=20, wait_for_ready=True))


def journal(directory: Path):
    reader = JournalReader(directory / "journal.db")
    try:
        return reader.next_batch(max_items=10**9, max_bytes=10**9)
    finally:
        reader.close()


def test_the_official_sdk_delivers_spans_metrics_and_logs(running: Receivers, tmp_path: Path) -> None:
    where = {"endpoint": f"http://127.0.0.1:{running.grpc_port}", "insecure": True}
    resource = Resource({"service.name": "orders", "service.instance.id": "1"})
    tracing = TracerProvider(resource=resource)
    tracing.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(**where, compression=grpc.Compression.Gzip)))
    metering = MeterProvider([PeriodicExportingMetricReader(OTLPMetricExporter(**where))], resource=resource)
    logging = LoggerProvider(resource=resource)
    logging.add_log_record_processor(BatchLogRecordProcessor(OTLPLogExporter(**where)))
    with tracing.get_tracer("shop", "1.0").start_as_current_span("pay", attributes={"n": 5, "ok": True}) as span:
        span.add_event("acquired", {"pool": "p"})
        metering.get_meter("shop").create_counter("paid").add(2, {"how": "card"})
        logging.get_logger("shop").emit(body="hello", event_name="db.client.connection.acquired")
    for provider in (tracing, metering, logging):
        provider.shutdown()
    tables = {}
    for entry in journal(tmp_path):
        tables.update(decode(entry.telemetry, [entry.body], [entry.arrived]))
    (row,) = plain(tables["otel_traces"]).to_pylist()
    assert (row["SpanName"], row["ServiceName"], row["ScopeVersion"]) == ("pay", "orders", "1.0")
    assert dict(row["SpanAttributes"]) == {"n": "5", "ok": "true"}
    assert (row["Events.Name"], row["Events.Attributes"]) == (["acquired"], [[("pool", "p")]])
    (record,) = plain(tables["otel_logs"]).to_pylist()
    assert (record["Body"], record["EventName"]) == ("hello", "db.client.connection.acquired")
    assert (record["TraceId"], record["SpanId"]) == (row["TraceId"], row["SpanId"])
    (point,) = [one for one in plain(tables["otel_metrics_sum"]).to_pylist() if one["MetricName"] == "paid"]
    assert (point["Value"], point["IsMonotonic"], dict(point["Attributes"])) == (2.0, True, {"how": "card"})


def test_counters_reach_the_parent_and_are_exact_after_a_stop(tmp_path: Path) -> None:
    process = process_on(tmp_path)
    process.start()
    export(process.grpc_port, Telemetry.TRACES, trace_request((b"t" * 16, b"s" * 8, "x"), (b"", b"", "y")))
    export(process.grpc_port, Telemetry.LOGS, ONE[Telemetry.LOGS])
    with pytest.raises(grpc.RpcError):
        export(process.grpc_port, Telemetry.LOGS, b"garbage")
    process.stop()
    counters = process.counters()
    assert counters.requests == {
        ("grpc", "traces", "OK"): 1,
        ("grpc", "logs", "OK"): 1,
        ("grpc", "logs", "INVALID_ARGUMENT"): 1,
    }
    assert counters.accepted == {"traces": 1, "logs": 1}
    assert sum(counters.rejected.values()) == 1


def test_a_port_in_use_is_a_listen_error_in_the_parent(running: Receivers, tmp_path: Path) -> None:
    with pytest.raises(ListenError, match=str(running.grpc_port)) as error:
        process_on(tmp_path, running.grpc_port).start()
    assert str(running.grpc_port) in error.value.hint


def test_an_answer_is_sent_at_once_and_does_not_wait_for_the_readers_acknowledgement() -> None:
    with bound("127.0.0.1", 0, what="a test", flag="--test") as listening:
        listening.listen()
        with socket.create_connection(listening.getsockname()), listening.accept()[0] as accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_a_journal_that_cannot_be_opened_is_a_store_error_in_the_parent(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    process = Receivers(RECORDER, {"path": str(tmp_path / "file" / "journal.db")}, Listening(grpc=("127.0.0.1", 0)))
    with pytest.raises(StoreError, match="cannot open the journal"):
        process.start()


def test_a_receiver_that_is_killed_comes_back_on_the_same_port(running: Receivers, tmp_path: Path) -> None:
    port, first = running.grpc_port, running.pids[0]
    running.kill()
    while running.pids[0] == first or not running.alive():
        threading.Event().wait(0.01)
    export(port, Telemetry.LOGS, ONE[Telemetry.LOGS])
    assert running.grpc_port == port


def test_several_receivers_share_the_ports_and_the_journal_and_any_may_die(tmp_path: Path) -> None:
    process = Receivers(
        RECORDER,
        {"path": str(tmp_path / "journal.db")},
        Listening(grpc=("127.0.0.1", 0), http=("127.0.0.1", 0)),
        workers=3,
        restart_seconds=0.01,
    )
    process.start()
    try:
        assert len(set(process.pids)) == 3
        sent = 0
        for victim in range(3):
            process.kill(victim)
            for _ in range(8):
                sent += 1
                body = trace_request((b"t" * 16, sent.to_bytes(8, "big"), "x"))
                while not _sent_over_http(process.http_port, body):
                    threading.Event().wait(0.01)
    finally:
        process.stop()
    assert len(journal(tmp_path)) == sent


def _sent_over_http(port: int, body: bytes) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def test_tokens_are_not_among_the_arguments_that_everybody_can_read(tmp_path: Path) -> None:
    where = Listening(http=("127.0.0.1", 0), tokens=("a-secret",))
    process = Receivers(RECORDER, {"path": str(tmp_path / "journal.db")}, where)
    process.start()
    try:
        assert "a-secret" not in " ".join(psutil.Process(process.pids[0]).cmdline())
        assert not _sent_over_http(process.http_port, ONE[Telemetry.TRACES])
    finally:
        process.stop()
    assert process.counters().refused == {"not_allowed": 1}


def test_an_interrupt_of_the_terminal_does_not_reach_the_receiver(running: Receivers) -> None:
    psutil.Process(running.pids[0]).send_signal(signal.SIGINT)
    export(running.grpc_port, Telemetry.LOGS, ONE[Telemetry.LOGS])
    assert running.alive()


def test_a_receiver_ends_when_its_parent_is_killed(tmp_path: Path) -> None:
    script = (
        "import sys; from tracecollect.receivers.process import Receivers\n"
        "from tracecollect.receivers.listeners import Listening\n"
        f"p = Receivers({RECORDER!r}, {{'path': {str(tmp_path / 'journal.db')!r}}}, Listening(grpc=('127.0.0.1', 0)))\n"
        "p.start(); print(p.pids[0], flush=True); sys.stdin.read()"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    parent.kill()
    parent.communicate()
    child.wait(10)


def test_a_stop_is_idempotent_and_leaves_no_process(tmp_path: Path) -> None:
    process = process_on(tmp_path)
    process.start()
    child = psutil.Process(process.pids[0])
    process.stop()
    process.stop()
    assert not child.is_running()
    assert process.pids == ()


def test_the_receiver_stays_small(running: Receivers) -> None:
    export(running.grpc_port, Telemetry.TRACES, ONE[Telemetry.TRACES])
    maps = {Path(one.path).name for one in psutil.Process(running.pids[0]).memory_maps()}
    assert not [name for name in maps if "arrow" in name or "chdb" in name or "pandas" in name]
