// The SDK and the instrumentations, as their documentation shows them; loaded with `node --require`.
const { NodeSDK, logs, metrics } = require("@opentelemetry/sdk-node");
const { OTLPLogExporter } = require("@opentelemetry/exporter-logs-otlp-grpc");
const { OTLPMetricExporter } = require("@opentelemetry/exporter-metrics-otlp-grpc");
const { OTLPTraceExporter } = require("@opentelemetry/exporter-trace-otlp-grpc");
const { ExpressInstrumentation } = require("@opentelemetry/instrumentation-express");
const { HttpInstrumentation } = require("@opentelemetry/instrumentation-http");
const { KnexInstrumentation } = require("@opentelemetry/instrumentation-knex");
const { MySQLInstrumentation } = require("@opentelemetry/instrumentation-mysql");
const { MySQL2Instrumentation } = require("@opentelemetry/instrumentation-mysql2");
const { NetInstrumentation } = require("@opentelemetry/instrumentation-net");
const { PgInstrumentation } = require("@opentelemetry/instrumentation-pg");

const sdk = new NodeSDK({
  traceExporter: new OTLPTraceExporter(),
  logRecordProcessors: [new logs.BatchLogRecordProcessor({ exporter: new OTLPLogExporter() })],
  metricReader: new metrics.PeriodicExportingMetricReader({
    exporter: new OTLPMetricExporter(),
    exportIntervalMillis: Number(process.env.OTEL_METRIC_EXPORT_INTERVAL),
    exportTimeoutMillis: Number(process.env.OTEL_METRIC_EXPORT_INTERVAL),
  }),
  instrumentations: [
    new HttpInstrumentation({
      // The truth in /_labels names the server span.
      requestHook: (span, request) => (request.serverSpan = span.spanContext()),
    }),
    new ExpressInstrumentation({ ignoreLayersType: ["middleware", "router"] }),
    new KnexInstrumentation(),
    new MySQLInstrumentation(),
    new MySQL2Instrumentation(),
    new NetInstrumentation(),
    new PgInstrumentation(),
  ],
});
sdk.start();
process.once("SIGTERM", () => sdk.shutdown().finally(() => process.exit(0)));
