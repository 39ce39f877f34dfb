"""OTLP over gRPC keeps the receiver's promises, and those that only gRPC has."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack

import grpc
import pytest
from contract.receiver import LIMIT, ONE, Answer, ReceiverContract, Recording
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from http2_peer import EXPORT, Peer
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tracecollect.errors import ListenError
from tracecollect.ports import Telemetry
from tracecollect.receivers.intake import Intake
from tracecollect.receivers.listeners import Listeners, Listening
from tracecollect.receivers.otlp_grpc import SERVICES


class Client:
    """A gRPC receiver on a free port and a sender to it."""

    def __init__(self) -> None:
        self.recorder = Recording()
        self.intake = Intake(self.recorder, max_body=LIMIT, max_in_flight=LIMIT)
        self.server = Listeners(self.intake, Listening(grpc=("127.0.0.1", 0)))
        self.server.start()
        self.channel = grpc.insecure_channel(
            f"127.0.0.1:{self.server.grpc_port}",
            options=[("grpc.max_send_message_length", -1), ("grpc.use_local_subchannel_pool", 1)],
        )

    def send(
        self,
        telemetry: Telemetry,
        body: bytes,
        *,
        compressed: bool = False,
        algorithm: grpc.Compression = grpc.Compression.Gzip,
    ) -> Answer:
        call = self.channel.unary_unary(f"/{SERVICES[telemetry]}/Export")
        try:
            raw = call(body, timeout=20, compression=algorithm if compressed else None)
        except grpc.RpcError as error:
            details = dict(error.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
            retry = None
            for one in Status.FromString(details).details:
                info = RetryInfo()
                if one.Unpack(info):
                    retry = info.retry_delay.seconds + info.retry_delay.nanos / 1e9
            return Answer(error.code().name, error.details() or "", 0, retry)
        partial = ExportTraceServiceResponse.FromString(raw).partial_success
        return Answer("OK", partial.error_message, partial.rejected_spans)

    def close(self) -> None:
        self.recorder.release.set()
        self.channel.close()
        self.server.stop(0)


@pytest.fixture
def receiver() -> Iterator[Client]:
    client = Client()
    yield client
    client.close()


class TestOtlpGrpc(ReceiverContract):
    """The contract, over gRPC."""


def test_deflate_is_understood_too(receiver: Client) -> None:
    body = ONE[Telemetry.TRACES]
    assert receiver.send(Telemetry.TRACES, body, compressed=True, algorithm=grpc.Compression.Deflate) == Answer("OK")
    assert receiver.recorder.taken == [(Telemetry.TRACES, body, 1)]


def test_a_broken_gzip_stream_is_refused_for_good(receiver: Client) -> None:
    answer = receiver.send(Telemetry.TRACES, b"\x1f\x8b\x08 not really")
    assert answer.code == "INVALID_ARGUMENT"


def test_a_success_is_an_empty_response(receiver: Client) -> None:
    call = receiver.channel.unary_unary(f"/{SERVICES[Telemetry.TRACES]}/Export")
    assert call(ONE[Telemetry.TRACES]) == b""


def test_health_says_serving_for_the_server_and_each_service(receiver: Client) -> None:
    stub = health_pb2_grpc.HealthStub(receiver.channel)
    for service in ("", *SERVICES.values()):
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service))
        assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_reflection_lists_the_services_and_knows_their_files(receiver: Client) -> None:
    stub = reflection_pb2_grpc.ServerReflectionStub(receiver.channel)
    asked = [
        reflection_pb2.ServerReflectionRequest(list_services=""),
        *(reflection_pb2.ServerReflectionRequest(file_containing_symbol=name) for name in SERVICES.values()),
    ]
    first, *files = stub.ServerReflectionInfo(iter(asked))
    assert set(SERVICES.values()) <= {one.name for one in first.list_services_response.service}
    assert all(one.file_descriptor_response.file_descriptor_proto for one in files)


def test_a_port_in_use_is_a_listen_error_that_names_it(receiver: Client) -> None:
    port = receiver.server.grpc_port
    with pytest.raises(ListenError, match=str(port)) as error:
        Listeners(receiver.intake, Listening(grpc=("127.0.0.1", port))).start()
    assert str(port) in error.value.hint


def test_a_stop_lets_the_running_request_finish(receiver: Client) -> None:
    receiver.recorder.release.clear()
    call = receiver.channel.unary_unary(f"/{SERVICES[Telemetry.LOGS]}/Export")
    running = call.future(ONE[Telemetry.LOGS])
    assert receiver.recorder.asked.wait(10)
    stopper = threading.Thread(target=receiver.server.stop, args=(10,))
    stopper.start()
    receiver.recorder.release.set()
    assert running.result() == b""
    stopper.join()
    assert len(receiver.recorder.taken) == 1


def test_senders_that_never_finish_their_request_keep_nobody_out(receiver: Client) -> None:
    with ExitStack() as stuck:
        for _ in range(40):
            stuck.enter_context(Peer(receiver.server.grpc_port)).call(EXPORT, b"x", end=False)
        assert receiver.send(Telemetry.TRACES, ONE[Telemetry.TRACES]) == Answer("OK")
