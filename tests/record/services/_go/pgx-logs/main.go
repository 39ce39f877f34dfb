// The shop over pgxpool. What pgx's own trace log says, the acquires and releases among it, goes out as OTLP logs.
package main

import (
	"context"
	"log/slog"

	"github.com/jackc/pgx/v5/tracelog"
	"go.opentelemetry.io/contrib/bridges/otelslog"
	"record/shop"
)

func main() {
	defer shop.Telemetry()()
	logger := otelslog.NewLogger("github.com/jackc/pgx")
	write := func(ctx context.Context, level tracelog.LogLevel, message string, data map[string]any) {
		attributes := make([]slog.Attr, 0, len(data))
		for key, value := range data {
			attributes = append(attributes, slog.Any(key, value))
		}
		logger.LogAttrs(ctx, levels[level], message, attributes...)
	}
	book := &shop.Book{}
	trace := &tracelog.TraceLog{Logger: tracelog.LoggerFunc(write), LogLevel: tracelog.LogLevelDebug}
	shop.Serve(shop.NewPGX(trace, book), book)
}

var levels = map[tracelog.LogLevel]slog.Level{
	tracelog.LogLevelTrace: slog.LevelDebug,
	tracelog.LogLevelDebug: slog.LevelDebug,
	tracelog.LogLevelInfo:  slog.LevelInfo,
	tracelog.LogLevelWarn:  slog.LevelWarn,
	tracelog.LogLevelError: slog.LevelError,
}
