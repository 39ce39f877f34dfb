"""`watch`: what is seen of a real process, and what is said where nothing can be seen."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from concurrent import futures
from contextlib import closing

import grpc
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

from tracecollect.cli.procfs import Watched

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is Linux's")


def test_a_socket_to_a_database_port_is_counted_by_where_it_leads():
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        port = server.getsockname()[1]
        before = Watched(os.getpid()).look([port])
        with (
            closing(socket.create_connection(("127.0.0.1", port))),
            closing(socket.create_connection(("127.0.0.1", port))),
        ):
            seen = Watched(os.getpid()).look([port])
    assert before.sockets == {}
    assert seen.sockets == {("127.0.0.1", port): 2}
    assert seen.files >= before.files + 2
    assert seen.files_limit is None or seen.files_limit > seen.files
    assert seen.threads >= 1


@pytest.fixture
def collector():
    """A gRPC server that keeps what it is sent."""
    taken: list[ExportMetricsServiceRequest] = []

    def export(raw: bytes, _: grpc.ServicerContext) -> bytes:
        taken.append(ExportMetricsServiceRequest.FromString(raw))
        return b""

    server = grpc.server(futures.ThreadPoolExecutor(1))
    handler = grpc.unary_unary_rpc_method_handler(export)
    service = "opentelemetry.proto.collector.metrics.v1.MetricsService"
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(service, {"Export": handler})])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}", taken
    server.stop(0).wait()


@pytest.fixture
def sleeper():
    """A process with a name and an instance of its own in its environment."""
    environment = os.environ | {
        "OTEL_SERVICE_NAME": "orders",
        "OTEL_RESOURCE_ATTRIBUTES": "service.instance.id=orders-7,deployment.environment.name=test",
    }
    process = subprocess.Popen([sys.executable, "-c", "input()"], env=environment, stdin=subprocess.PIPE)
    yield process
    process.kill()
    process.wait()
    assert process.stdin is not None
    process.stdin.close()


def test_a_watched_process_is_told_under_the_name_it_gives_itself(ask, collector, sleeper):
    target, taken = collector
    told = ask("watch", "--pid", str(sleeper.pid), "--to", target, "--interval", "100ms", "--count", "2")
    assert (told.status, told.out) == (0, "")
    assert len(taken) == 2
    (resource,) = taken[0].resource_metrics
    said = {one.key: one.value.string_value for one in resource.resource.attributes}
    assert said["service.name"] == "orders"
    assert said["service.instance.id"] == "orders-7"
    values = {one.name: one.gauge.data_points[0].as_int for one in resource.scope_metrics[0].metrics}
    assert values["process.open_file_descriptor.count"] >= 3
    assert values["process.thread.count"] == 1
    assert values["process.database_sockets"] == 0


def test_watching_ends_when_the_process_does(ask, collector, sleeper):
    sleeper.kill()
    sleeper.wait()
    told = ask("watch", "--pid", str(sleeper.pid), "--to", collector[0])
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith(f"error: there is no process {sleeper.pid}\nhint: ")


def test_an_interval_that_is_none_is_a_mistake(ask):
    told = ask("watch", "--pid", str(os.getpid()), "--interval", "soon")
    assert (told.status, told.out) == (2, "")
    assert "hint: write 5s or 500ms" in told.err
