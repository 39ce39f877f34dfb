package shop

import (
	"context"
	"log"

	"go.opentelemetry.io/contrib/instrumentation/runtime"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploggrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetricgrpc"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracegrpc"
	"go.opentelemetry.io/otel/log/global"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/trace"
)

// Telemetry sends spans, metrics and logs to where the environment says; what it returns flushes them.
func Telemetry() func() {
	ctx := context.Background()
	spans, err := otlptracegrpc.New(ctx)
	must(err)
	points, err := otlpmetricgrpc.New(ctx)
	must(err)
	records, err := otlploggrpc.New(ctx)
	must(err)
	traces := trace.NewTracerProvider(trace.WithBatcher(spans))
	metrics := metric.NewMeterProvider(metric.WithReader(metric.NewPeriodicReader(points)))
	logs := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(records)))
	otel.SetTracerProvider(traces)
	otel.SetMeterProvider(metrics)
	global.SetLoggerProvider(logs)
	otel.SetTextMapPropagator(propagation.TraceContext{})
	must(runtime.Start())
	return func() {
		_ = traces.Shutdown(ctx)
		_ = metrics.Shutdown(ctx)
		_ = logs.Shutdown(ctx)
	}
}

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}
