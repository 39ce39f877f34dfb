package shop

import (
	"context"
	"sync"
	"time"

	"go.opentelemetry.io/otel/trace"
)

// Lease is one borrow of a connection as the code that borrowed it knows it: the truth a recording is labelled with.
type Lease struct {
	book       *Book
	Number     int     `json:"lease"`
	Route      string  `json:"route"`
	TraceID    string  `json:"trace_id"`
	SpanID     string  `json:"span_id"`
	AcquiredAt int64   `json:"t_acquire"`
	ReleasedAt *int64  `json:"t_release"`
	BackendPID *int64  `json:"backend_pid"`
	Forgot     *string `json:"forgot"`
	Collected  bool    `json:"collected"`
}

// Book keeps the leases of the process.
type Book struct {
	mu     sync.Mutex
	leases []*Lease
}

// Acquired notes that the request of this context got the connection with this server process id, 0 if unknown.
func (b *Book) Acquired(ctx context.Context, route string, pid int64) *Lease {
	span := trace.SpanContextFromContext(ctx)
	b.mu.Lock()
	defer b.mu.Unlock()
	one := &Lease{
		book:       b,
		Number:     len(b.leases) + 1,
		Route:      route,
		TraceID:    span.TraceID().String(),
		SpanID:     span.SpanID().String(),
		AcquiredAt: time.Now().UnixNano(),
	}
	if pid != 0 {
		one.BackendPID = &pid
	}
	b.leases = append(b.leases, one)
	return one
}

// Released notes that the connection went back.
func (l *Lease) Released() {
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	now := time.Now().UnixNano()
	l.ReleasedAt = &now
}

// Forgotten notes how the code left without giving the connection back.
func (l *Lease) Forgotten(how string) {
	l.book.mu.Lock()
	defer l.book.mu.Unlock()
	l.Forgot = &how
}

// All is a copy of every lease so far.
func (b *Book) All() []Lease {
	b.mu.Lock()
	defer b.mu.Unlock()
	found := make([]Lease, len(b.leases))
	for n, one := range b.leases {
		found[n] = *one
	}
	return found
}
