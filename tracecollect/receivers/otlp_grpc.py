"""OTLP over gRPC: raw bytes in, an acknowledgement out once the sink has them. Lives on an event loop."""

from __future__ import annotations

import socket

from opentelemetry.proto.collector.logs.v1 import logs_service_pb2
from opentelemetry.proto.collector.metrics.v1 import metrics_service_pb2
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

from tracecollect.ports import Telemetry
from tracecollect.receivers.access import Tls, Tokens
from tracecollect.receivers.grpc import GrpcService, Message, Method
from tracecollect.receivers.grpc_about import about
from tracecollect.receivers.http2 import http2_server
from tracecollect.receivers.intake import Homing, Intake, unpacked
from tracecollect.receivers.tcp import Bounds
from tracecollect.wire.answers import response

TRANSPORT = "grpc"
# The official modules are imported for their descriptors only: reflection answers from the default pool.
SERVICES = {
    Telemetry.TRACES: trace_service_pb2.DESCRIPTOR.services_by_name["TraceService"].full_name,
    Telemetry.METRICS: metrics_service_pb2.DESCRIPTOR.services_by_name["MetricsService"].full_name,
    Telemetry.LOGS: logs_service_pb2.DESCRIPTOR.services_by_name["LogsService"].full_name,
}


class OtlpGrpcReceiver:
    """A gRPC server: the three services of OTLP, health and reflection."""

    def __init__(
        self, intake: Intake, home: Homing, *, bounds: Bounds, tokens: Tokens | None = None, tls: Tls | None = None
    ) -> None:
        self._intake, self._home = intake, home
        self._tokens = tokens or Tokens()
        methods = {f"/{service}/Export": self._export(telemetry) for telemetry, service in SERVICES.items()}
        methods |= about(SERVICES.values())
        self._service = GrpcService(methods, largest=bounds.body, most=bounds.buffered)
        self._server = http2_server(self._service, bounds=bounds, tls=tls.context("h2") if tls is not None else None)

    async def start(self, listening: socket.socket) -> None:
        """Accept requests."""
        await self._server.start(listening)

    async def stop(self, grace: float) -> None:
        """Refuse new requests, give the running ones `grace` seconds."""
        await self._server.stop(grace)

    def _export(self, telemetry: Telemetry) -> Method:
        intake = self._intake

        def admit(authorization: str) -> None:
            self._tokens.check(authorization)

        def failed(error: Exception) -> None:
            intake.count_failure(telemetry, TRANSPORT, error)

        async def answer(message: Message) -> bytes:
            with intake.counted(telemetry, TRANSPORT):
                plain = await unpacked(message.body, message.encoding, intake.max_body)
                with intake.room(len(plain)):
                    return response(await intake.take(telemetry, plain, transport=TRANSPORT, home=self._home))

        return Method(answer, admit=admit, failed=failed)
