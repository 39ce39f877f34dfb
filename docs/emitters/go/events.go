// Package connevents says when a database connection is taken and when it is given back: two OpenTelemetry log events a
// borrow, in the borrower's trace, with the code that took it.
package connevents

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/log/global"
	"go.opentelemetry.io/otel/trace"
)

const prefix = "db.client.connection."

// libraries are not the code that took a connection: add your own data access layer.
var libraries = []string{"runtime.", "database/sql.", "connevents.", "github.com/jackc/", "gorm.io/", "github.com/XSAM/otelsql."}

// A hold's id is of this process and no other: a resource without service.instance.id does not tell processes apart.
var (
	process = strconv.FormatUint(rand.Uint64(), 36) + "-"
	holds   atomic.Uint64
)

// hold is one borrow: who took the connection, and what both of its events say.
type hold struct {
	borrower   trace.SpanContext
	attributes []attribute.KeyValue
}

// acquired begins a hold and says so.
func acquired(ctx context.Context, place []attribute.KeyValue, connection string) *hold {
	borrow := append(place[:len(place):len(place)],
		attribute.String(prefix+"hold.id", process+strconv.FormatUint(holds.Add(1), 10)),
		attribute.String(prefix+"id", connection))
	taken := &hold{trace.SpanContextFromContext(ctx), borrow}
	emit(ctx, "acquired", append(borrow[:len(borrow):len(borrow)], caller()...))
	return taken
}

// released ends it; the reason is returned or closed.
func (h *hold) released(reason string) {
	ctx := trace.ContextWithSpanContext(context.Background(), h.borrower)
	emit(ctx, "released", append(h.attributes, attribute.String(prefix+"release.reason", reason)))
}

func emit(ctx context.Context, event string, attributes []attribute.KeyValue) {
	var record log.Record
	record.SetEventName(prefix + event)
	record.SetTimestamp(time.Now())
	record.SetSeverity(log.SeverityInfo)
	record.AddAttributes(attributes...)
	global.Logger("connevents").Emit(ctx, record)
}

// caller is the first frame outside the libraries.
func caller() []attribute.KeyValue {
	var counters [48]uintptr
	frames := runtime.CallersFrames(counters[:runtime.Callers(2, counters[:])])
	for frame, more := frames.Next(); more; frame, more = frames.Next() {
		if !inLibrary(frame.Function) {
			return []attribute.KeyValue{
				attribute.String("code.function.name", frame.Function),
				attribute.String("code.file.path", frame.File),
				attribute.Int("code.line.number", frame.Line),
			}
		}
	}
	return nil
}

func inLibrary(function string) bool {
	for _, library := range libraries {
		if strings.HasPrefix(function, library) || strings.Contains(function, "/"+library) {
			return true
		}
	}
	return false
}
