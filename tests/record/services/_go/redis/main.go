// The shop over Redis, traced by github.com/redis/go-redis/extra/redisotel. The server runs in the process.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/extra/redisotel/v9"
	"github.com/redis/go-redis/v9"
	"record/shop"
)

type orders struct {
	db   *redis.Client
	book *shop.Book
}

func main() {
	defer shop.Telemetry()()
	server, err := miniredis.Run()
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()
	db := redis.NewClient(&redis.Options{Addr: server.Addr(), PoolSize: shop.PoolMax(), PoolTimeout: shop.Patience})
	if err := errors.Join(redisotel.InstrumentTracing(db), redisotel.InstrumentMetrics(db)); err != nil {
		log.Fatal(err)
	}
	book := &shop.Book{}
	shop.Serve(&orders{db: db, book: book}, book)
}

func key(id int) string { return fmt.Sprintf("order:%d", id) }

// found is the error of a command that may find nothing.
func found(err error) error {
	if errors.Is(err, redis.Nil) {
		return nil
	}
	return err
}

// Show reads one order; the client lends a connection for the command.
func (o *orders) Show(ctx context.Context, id int) error {
	defer o.book.Acquired(ctx, "show", 0).Released()
	return found(o.db.Get(ctx, key(id)).Err())
}

// Create writes an order; the client lends a connection for the command.
func (o *orders) Create(ctx context.Context) error {
	defer o.book.Acquired(ctx, "create", 0).Released()
	return o.db.Set(ctx, key(1), "open", 0).Err()
}

// Pay, Export and Peek take a connection for several commands and may forget to close it.
func (o *orders) Pay(ctx context.Context, id int, forget bool) error {
	return o.held(ctx, "pay", id, "exception_path", forget, 0)
}

func (o *orders) Export(ctx context.Context, forget bool) error {
	return o.held(ctx, "export", 1, "early_return", forget, 0)
}

func (o *orders) Peek(ctx context.Context, id int, forget bool) error {
	return o.held(ctx, "peek", id, "dropped", forget, 0)
}

// Slow keeps a connection for as long as it is told, and gives it back.
func (o *orders) Slow(ctx context.Context, hold time.Duration) error {
	return o.held(ctx, "slow", 1, "", false, hold)
}

func (o *orders) held(ctx context.Context, route string, id int, how string, forget bool, hold time.Duration) error {
	conn := o.db.Conn()
	err := found(conn.Get(ctx, key(id)).Err())
	if err != nil {
		return errors.Join(err, conn.Close())
	}
	lease := o.book.Acquired(ctx, route, 0)
	if forget {
		lease.Forgotten(how)
		return nil
	}
	defer lease.Released()
	time.Sleep(hold)
	return errors.Join(found(conn.Get(ctx, key(id)).Err()), conn.Close())
}

// Pool is what go-redis says.
func (o *orders) Pool() shop.Pool {
	stats := o.db.PoolStats()
	return shop.Pool{
		Used: int(stats.TotalConns - stats.IdleConns),
		Idle: int(stats.IdleConns),
		Max:  o.db.Options().PoolSize,
	}
}
