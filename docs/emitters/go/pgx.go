package connevents

import (
	"context"
	"strconv"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"go.opentelemetry.io/otel/attribute"
)

// Tracer is a tracer for pgxpool: put it into config.ConnConfig.Tracer, alone or with others by pgx's multitracer.
type Tracer struct{ Pool string }

const key = "connevents.hold"

// TraceAcquireStart does nothing: the borrow begins when it has a connection.
func (t Tracer) TraceAcquireStart(ctx context.Context, _ *pgxpool.Pool, _ pgxpool.TraceAcquireStartData) context.Context {
	return ctx
}

// TraceAcquireEnd says that a connection was taken.
func (t Tracer) TraceAcquireEnd(ctx context.Context, _ *pgxpool.Pool, data pgxpool.TraceAcquireEndData) {
	if data.Err != nil {
		return
	}
	config, conn := data.Conn.Config(), data.Conn.PgConn()
	place := []attribute.KeyValue{
		attribute.String(prefix+"pool.name", t.Pool),
		attribute.String("db.system.name", "postgresql"),
		attribute.String("db.namespace", config.Database),
		attribute.String("server.address", config.Host),
		attribute.Int("server.port", int(config.Port)),
	}
	conn.CustomData()[key] = acquired(ctx, place, strconv.FormatUint(uint64(conn.PID()), 10))
}

// TraceRelease says that it was given back.
func (t Tracer) TraceRelease(_ *pgxpool.Pool, data pgxpool.TraceReleaseData) {
	kept := data.Conn.PgConn().CustomData()
	if taken, ok := kept[key].(*hold); ok {
		delete(kept, key)
		taken.released("returned")
	}
}

// TraceQueryStart does nothing; pgx wants it of every tracer.
func (t Tracer) TraceQueryStart(ctx context.Context, _ *pgx.Conn, _ pgx.TraceQueryStartData) context.Context {
	return ctx
}

// TraceQueryEnd does nothing.
func (t Tracer) TraceQueryEnd(context.Context, *pgx.Conn, pgx.TraceQueryEndData) {}
