package connevents

import (
	"context"
	"database/sql/driver"
	"strconv"
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
)

// Connector wraps the connector of a driver for sql.OpenDB. The attributes say where it leads.
func Connector(of driver.Connector, pool string, place ...attribute.KeyValue) driver.Connector {
	return &connector{of, append(place, attribute.String(prefix+"pool.name", pool))}
}

type connector struct {
	driver.Connector
	place []attribute.KeyValue
}

var connections atomic.Uint64

func (c *connector) Connect(ctx context.Context) (driver.Conn, error) {
	of, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &conn{Conn: of, place: c.place, id: strconv.FormatUint(connections.Add(1), 10)}, nil
}

// conn is taken when database/sql resets its session, or when it is first used; it is given back when database/sql asks
// whether it is still valid, which it does before it puts a connection into the pool and at no other time.
type conn struct {
	driver.Conn
	place []attribute.KeyValue
	id    string
	hold  *hold
}

func (c *conn) taken(ctx context.Context) {
	if c.hold == nil {
		c.hold = acquired(ctx, c.place, c.id)
	}
}

func (c *conn) back(reason string) {
	if c.hold != nil {
		c.hold.released(reason)
		c.hold = nil
	}
}

func (c *conn) ResetSession(ctx context.Context) error {
	if of, ok := c.Conn.(driver.SessionResetter); ok {
		if err := of.ResetSession(ctx); err != nil {
			return err
		}
	}
	c.taken(ctx)
	return nil
}

func (c *conn) IsValid() bool {
	c.back("returned")
	of, ok := c.Conn.(driver.Validator)
	return !ok || of.IsValid()
}

func (c *conn) Close() error {
	c.back("closed")
	return c.Conn.Close()
}

// The rest is what the driver does, or what database/sql does where the driver does not.

func (c *conn) Ping(ctx context.Context) error {
	c.taken(ctx)
	if of, ok := c.Conn.(driver.Pinger); ok {
		return of.Ping(ctx)
	}
	return nil
}

func (c *conn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	c.taken(ctx)
	if of, ok := c.Conn.(driver.QueryerContext); ok {
		return of.QueryContext(ctx, query, args)
	}
	return nil, driver.ErrSkip
}

func (c *conn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	c.taken(ctx)
	if of, ok := c.Conn.(driver.ExecerContext); ok {
		return of.ExecContext(ctx, query, args)
	}
	return nil, driver.ErrSkip
}

func (c *conn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	c.taken(ctx)
	if of, ok := c.Conn.(driver.ConnPrepareContext); ok {
		return of.PrepareContext(ctx, query)
	}
	return c.Conn.Prepare(query)
}

func (c *conn) BeginTx(ctx context.Context, options driver.TxOptions) (driver.Tx, error) {
	c.taken(ctx)
	if of, ok := c.Conn.(driver.ConnBeginTx); ok {
		return of.BeginTx(ctx, options)
	}
	return c.Conn.Begin() //nolint:staticcheck // what database/sql itself falls back to
}

func (c *conn) CheckNamedValue(value *driver.NamedValue) error {
	if of, ok := c.Conn.(driver.NamedValueChecker); ok {
		return of.CheckNamedValue(value)
	}
	return driver.ErrSkip
}
