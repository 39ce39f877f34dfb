"""OpenTelemetry as a service sets it up: official SDK, OTLP over gRPC, nothing of tracecollect's."""

from __future__ import annotations

import logging
import uuid

from opentelemetry import metrics, trace
from opentelemetry._logs import set_logger_provider
from opentelemetry.exporter.otlp.proto.grpc._log_exporter import OTLPLogExporter
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk._logs import LoggerProvider, LoggingHandler
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor
from opentelemetry.sdk.metrics import AlwaysOffExemplarFilter, MeterProvider
from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

# Shorter than the SDK's 5 s and 60 s: a demo is watched.
_SPANS_EVERY_MS = 500
_METRICS_EVERY_MS = 2000


class Telemetry:
    """The three providers of one service, installed globally; `close` sends what is left."""

    def __init__(self, service: str, endpoint: str) -> None:
        resource = Resource.create(
            {"service.name": service, "service.instance.id": str(uuid.uuid4()), "service.version": "1.0.0"}
        )
        self._traces = TracerProvider(resource=resource)
        self._traces.add_span_processor(
            BatchSpanProcessor(OTLPSpanExporter(endpoint, insecure=True), schedule_delay_millis=_SPANS_EVERY_MS)
        )
        # Exemplars are off: taking one inside the garbage collector can freeze a service.
        self._metrics = MeterProvider(
            [
                PeriodicExportingMetricReader(
                    OTLPMetricExporter(endpoint, insecure=True), export_interval_millis=_METRICS_EVERY_MS
                )
            ],
            resource,
            exemplar_filter=AlwaysOffExemplarFilter(),
        )
        self._logs = LoggerProvider(resource)
        self._logs.add_log_record_processor(
            BatchLogRecordProcessor(OTLPLogExporter(endpoint, insecure=True), schedule_delay_millis=_SPANS_EVERY_MS)
        )
        trace.set_tracer_provider(self._traces)
        metrics.set_meter_provider(self._metrics)
        set_logger_provider(self._logs)
        logging.getLogger().addHandler(LoggingHandler(logging.INFO, self._logs))

    def close(self) -> None:
        """Send what is left and stop."""
        self._traces.shutdown()
        self._metrics.shutdown()
        self._logs.shutdown()
