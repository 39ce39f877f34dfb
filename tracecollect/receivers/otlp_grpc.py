"""OTLP over gRPC: raw bytes in, an acknowledgement out once the sink has them."""

from __future__ import annotations

import logging
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from tracecollect.errors import ListenError, Rejected, TooLarge, TracecollectError
from tracecollect.ports import Receipt, Telemetry
from tracecollect.receivers.intake import MAX_BODY, Intake
from tracecollect.wire.schema import strict_class
from tracecollect.wire.status import wire_status

TRANSPORT = "grpc"
# The official modules are imported for their descriptors only: reflection answers from the default pool.
SERVICES = {
    Telemetry.TRACES: trace_service_pb2.DESCRIPTOR.services_by_name["TraceService"].full_name,
    Telemetry.METRICS: metrics_service_pb2.DESCRIPTOR.services_by_name["MetricsService"].full_name,
    Telemetry.LOGS: logs_service_pb2.DESCRIPTOR.services_by_name["LogsService"].full_name,
}
# A handler thread waits for the journal's fsync; so many requests share one.
_THREADS = 32
_MAX_STREAMS = 1024
# How gzip and zlib streams (gRPC's "deflate") begin. No export request does: the first would be a field of
# wire type 7, the second an unknown field 15.
_PACKED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_log = logging.getLogger(__name__)


class OtlpGrpcReceiver:
    """A listening gRPC server. `port` is the bound one."""

    def __init__(self, intake: Intake, *, host: str = "127.0.0.1", port: int = 4317, max_body: int = MAX_BODY) -> None:
        self._intake = intake
        self._max_body = max_body
        self._threads = ThreadPoolExecutor(_THREADS, thread_name_prefix="otlp-grpc")
        self._server = grpc.server(
            self._threads,
            maximum_concurrent_rpcs=_MAX_STREAMS,
            options=[
                # The limit counts decompressed bytes; what is larger on the wire is refused by gRPC itself.
                ("grpc.max_receive_message_length", max_body),
                # gRPC would unpack without a limit: 64 MiB of gzip can be 64 GiB of zeros.
                ("grpc.per_message_decompression", 0),
                # Two servers on one port would share the requests instead of one failing to start.
                ("grpc.so_reuseport", 0),
            ],
        )
        for telemetry, service in SERVICES.items():
            handler: Any = grpc.unary_unary_rpc_method_handler(self._export(telemetry))
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
        self._health = health.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*SERVICES.values(), health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)
        self.port = self._bind(host, port)

    def start(self) -> None:
        """Accept requests."""
        self._server.start()
        for service in ("", *SERVICES.values()):
            self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    def stop(self, grace: float) -> None:
        """Refuse new requests, give the running ones `grace` seconds."""
        self._health.enter_graceful_shutdown()
        self._server.stop(grace).wait()
        # A handler that hangs in spite of the grace must not hold up a stop.
        self._threads.shutdown(wait=False)

    def _bind(self, host: str, port: int) -> int:
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            bound = self._server.add_insecure_port(address)
        except RuntimeError as error:
            raise _cannot_listen(address, port) from error
        if bound == 0:
            raise _cannot_listen(address, port)
        return int(bound)

    def _export(self, telemetry: Telemetry) -> Callable[[bytes, grpc.ServicerContext], bytes]:
        def export(body: bytes, context: grpc.ServicerContext) -> bytes:
            try:
                plain = self._plain(telemetry, body)
                return response(self._intake.accept(telemetry, plain, transport=TRANSPORT))
            except Exception as error:
                _refuse(context, error)
                raise

        return export

    def _plain(self, telemetry: Telemetry, body: bytes) -> bytes:
        if not body.startswith(_PACKED):
            return body
        try:
            return unpacked(body, self._max_body)
        except TracecollectError as error:
            self._intake.count_failure(telemetry, TRANSPORT, error)
            raise


def unpacked(body: bytes, limit: int) -> bytes:
    """At most `limit` bytes out of a gzip or zlib stream. Raises `TooLarge` beyond, `Rejected` for a broken one."""
    unpack = zlib.decompressobj(wbits=47)
    try:
        plain = unpack.decompress(body, limit + 1)
    except zlib.error as error:
        raise Rejected(f"not a gzip or zlib stream: {error}") from error
    if len(plain) > limit:
        raise TooLarge(f"the request has more than {limit} bytes after decompression")
    if not unpack.eof:
        raise Rejected("the compressed stream ends in the middle")
    return plain


def response(receipt: Receipt) -> bytes:
    """The serialized export response; `partial_success` only where something was left out."""
    answer = strict_class("ExportResponse")()
    if receipt.rejected:
        answer.partial_success.rejected = receipt.rejected
        answer.partial_success.error_message = receipt.reason.encode()
    return bytes(answer.SerializeToString())


def _cannot_listen(address: str, port: int) -> ListenError:
    return ListenError(
        f"cannot listen on {address} for OTLP/gRPC",
        hint=f"is another collector using port {port}? choose another address with --otlp-grpc HOST:PORT",
    )


def _refuse(context: grpc.ServicerContext, error: Exception) -> None:
    """Answer with the error's status; never returns normally."""
    if not isinstance(error, TracecollectError):
        _log.error("a request failed inside", exc_info=error)
    status = wire_status(error)
    codes: dict[int, Any] = {code.value[0]: code for code in grpc.StatusCode}
    context.set_trailing_metadata((("grpc-status-details-bin", status.details()),))
    context.abort(codes[status.grpc], status.message)
