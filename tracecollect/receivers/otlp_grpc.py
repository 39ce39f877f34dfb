"""OTLP over gRPC: raw bytes in, an acknowledgement out once the sink has them. Lives on an event loop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection
from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from tracecollect.errors import Busy, ListenError, TracecollectError
from tracecollect.ports import Telemetry
from tracecollect.receivers.access import Tls, Tokens
from tracecollect.receivers.intake import Homing, Intake
from tracecollect.wire.answers import response
from tracecollect.wire.packing import unpack
from tracecollect.wire.status import wire_status

TRANSPORT = "grpc"
# The official modules are imported for their descriptors only: reflection answers from the default pool.
SERVICES = {
    Telemetry.TRACES: trace_service_pb2.DESCRIPTOR.services_by_name["TraceService"].full_name,
    Telemetry.METRICS: metrics_service_pb2.DESCRIPTOR.services_by_name["MetricsService"].full_name,
    Telemetry.LOGS: logs_service_pb2.DESCRIPTOR.services_by_name["LogsService"].full_name,
}
# A sender that opens more streams on one connection waits; over all connections it is told to come again.
_STREAMS = 128
_MAX_REQUESTS = 1024
# A peer that is gone without a word is noticed, and a connection that says nothing for long is closed.
_KEEPALIVE_MS, _KEEPALIVE_TIMEOUT_MS, _IDLE_MS = 60_000, 20_000, 600_000
# How gzip and zlib streams (gRPC's "deflate") begin. No export request does: the first would be a field of
# wire type 7, the second an unknown field 15.
_PACKED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_log = logging.getLogger(__name__)


class OtlpGrpcReceiver:
    """A listening gRPC server. `port` is the bound one after `start`."""

    def __init__(
        self,
        intake: Intake,
        home: Homing,
        *,
        tokens: Tokens | None = None,
        tls: Tls | None = None,
        reuse_port: bool = False,
    ) -> None:
        self._intake, self._home = intake, home
        self._tokens = tokens or Tokens()
        self._tls = tls
        self._requests = 0
        self.port = 0
        self._server = grpc.aio.server(
            options=[
                # The limit counts decompressed bytes; what is larger on the wire is refused by gRPC itself.
                ("grpc.max_receive_message_length", intake.max_body),
                # gRPC would unpack without a limit: 64 MiB of gzip can be 64 GiB of zeros.
                ("grpc.per_message_decompression", 0),
                # Two servers on one port share the requests; when that is not wanted, one fails to start.
                ("grpc.so_reuseport", int(reuse_port)),
                ("grpc.max_concurrent_streams", _STREAMS),
                ("grpc.keepalive_time_ms", _KEEPALIVE_MS),
                ("grpc.keepalive_timeout_ms", _KEEPALIVE_TIMEOUT_MS),
                ("grpc.max_connection_idle_ms", _IDLE_MS),
            ],
        )
        for telemetry, service in SERVICES.items():
            handler: Any = grpc.unary_unary_rpc_method_handler(self._export(telemetry))
            self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, {"Export": handler}),))
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = (*SERVICES.values(), health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, self._server)

    async def start(self, host: str, port: int) -> None:
        """Bind and accept requests. Raises `ListenError`."""
        self.port = self._bind(host, port)
        await self._server.start()
        for service in ("", *SERVICES.values()):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)

    async def stop(self, grace: float) -> None:
        """Refuse new requests, give the running ones `grace` seconds."""
        await self._health.enter_graceful_shutdown()
        await self._server.stop(grace)

    def _bind(self, host: str, port: int) -> int:
        address = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
        try:
            if self._tls is None:
                bound = self._server.add_insecure_port(address)
            else:
                key, chain, authority = self._tls.pems()
                secure = grpc.ssl_server_credentials([(key, chain)], authority, authority is not None)
                bound = self._server.add_secure_port(address, secure)
        except RuntimeError as error:
            raise _cannot_listen(address, port) from error
        if bound == 0:
            raise _cannot_listen(address, port)
        return int(bound)

    def _export(self, telemetry: Telemetry) -> Callable[[bytes, Any], Awaitable[bytes]]:
        async def export(body: bytes, context: Any) -> bytes:  # noqa: ANN401 -- grpc.aio publishes no type for it
            self._requests += 1
            try:
                return await self._take(telemetry, body, context)
            except asyncio.CancelledError:
                raise
            except Exception as error:
                await _refuse(context, error)
                raise
            finally:
                self._requests -= 1

        return export

    async def _take(self, telemetry: Telemetry, body: bytes, context: Any) -> bytes:  # noqa: ANN401 -- see above
        intake = self._intake
        with intake.counted(telemetry, TRANSPORT):
            if self._tokens:
                self._tokens.check(str(dict(context.invocation_metadata() or ()).get("authorization", "")))
            if self._requests > _MAX_REQUESTS:
                raise Busy(f"{_MAX_REQUESTS} requests are being worked on already", reason="streams")
            plain = unpack(body, "gzip", intake.max_body) if body.startswith(_PACKED) else body
            with intake.room(len(plain)):
                return response(await intake.take(telemetry, plain, transport=TRANSPORT, home=self._home))


def _cannot_listen(address: str, port: int) -> ListenError:
    return ListenError(
        f"cannot listen on {address} for OTLP/gRPC",
        hint=f"is another collector using port {port}? choose another address with --otlp-grpc HOST:PORT",
    )


async def _refuse(context: Any, error: Exception) -> None:  # noqa: ANN401 -- see above
    """Answer with the error's status; never returns normally."""
    if not isinstance(error, TracecollectError):
        _log.error("a request failed inside", exc_info=error)
    status = wire_status(error)
    await context.abort(_CODES[status.grpc], status.message, (("grpc-status-details-bin", status.details()),))


_CODES: dict[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}
