package shop

import (
	"context"
	"os"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// PGX is the shop over pgxpool, whoever traces it.
type PGX struct {
	DB   *pgxpool.Pool
	Book *Book
}

// NewPGX opens the pool with this tracer.
func NewPGX(tracer pgx.QueryTracer, book *Book) *PGX {
	config, err := pgxpool.ParseConfig(os.Getenv("DATABASE_URL"))
	must(err)
	config.MaxConns = int32(PoolMax())
	config.ConnConfig.Tracer = tracer
	pool, err := pgxpool.NewWithConfig(context.Background(), config)
	must(err)
	return &PGX{DB: pool, Book: book}
}

func pid(conn *pgx.Conn) int64 { return int64(conn.PgConn().PID()) }

// Show reads one order; Scan gives the connection back.
func (s *PGX) Show(ctx context.Context, id int) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	var customer string
	row := s.DB.QueryRow(ctx, "SELECT customer FROM orders WHERE id = $1", id)
	lease := s.Book.Acquired(ctx, "show", 0)
	defer lease.Released()
	return row.Scan(&customer)
}

// Create inserts an order in a transaction.
func (s *PGX) Create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	tx, err := s.DB.Begin(ctx)
	if err != nil {
		return err
	}
	lease := s.Book.Acquired(ctx, "create", pid(tx.Conn()))
	defer lease.Released()
	defer tx.Rollback(ctx)
	_, err = tx.Exec(ctx, "INSERT INTO orders (customer, total, status) VALUES ($1, $2, 'open')", "somebody", 100)
	if err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// Pay forgets its transaction where the order is refused.
func (s *PGX) Pay(ctx context.Context, id int, forget bool) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	tx, err := s.DB.Begin(ctx)
	if err != nil {
		return err
	}
	lease := s.Book.Acquired(ctx, "pay", pid(tx.Conn()))
	var total int
	err = tx.QueryRow(ctx, "SELECT total FROM orders WHERE id = $1", id).Scan(&total)
	if forget {
		lease.Forgotten("exception_path")
		return ErrRefused
	}
	defer lease.Released()
	defer tx.Rollback(ctx)
	if err != nil {
		return err
	}
	if total > Limit {
		return ErrRefused
	}
	if _, err = tx.Exec(ctx, "UPDATE orders SET status = 'paid' WHERE id = $1", id); err != nil {
		return err
	}
	return tx.Commit(ctx)
}

// Export returns early and forgets its rows: pgx does not close them when the request is over.
func (s *PGX) Export(ctx context.Context, forget bool) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	rows, err := s.DB.Query(ctx, "SELECT id, customer, total FROM orders ORDER BY id")
	if err != nil {
		return err
	}
	lease := s.Book.Acquired(ctx, "export", pid(rows.Conn()))
	var id, total int
	var customer string
	rows.Next()
	if err := rows.Scan(&id, &customer, &total); err != nil {
		return err
	}
	if forget {
		lease.Forgotten("early_return")
		return nil
	}
	defer lease.Released()
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&id, &customer, &total); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Peek takes a connection by hand, reads, and may drop it: its statement ends as it should.
func (s *PGX) Peek(ctx context.Context, id int, forget bool) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	conn, err := s.DB.Acquire(ctx)
	if err != nil {
		return err
	}
	lease := s.Book.Acquired(ctx, "peek", pid(conn.Conn()))
	var status string
	err = conn.QueryRow(ctx, "SELECT status FROM orders WHERE id = $1", id).Scan(&status)
	if forget {
		lease.Forgotten("dropped")
		return err
	}
	defer lease.Released()
	defer conn.Release()
	return err
}

// Slow keeps rows of a transaction open for as long as it is told, and gives everything back.
func (s *PGX) Slow(ctx context.Context, hold time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, Patience+hold)
	defer cancel()
	tx, err := s.DB.Begin(ctx)
	if err != nil {
		return err
	}
	lease := s.Book.Acquired(ctx, "slow", pid(tx.Conn()))
	defer lease.Released()
	defer tx.Rollback(ctx)
	rows, err := tx.Query(ctx, "SELECT id FROM orders WHERE status = 'open' ORDER BY id")
	if err != nil {
		return err
	}
	rows.Next()
	time.Sleep(hold)
	rows.Close()
	return tx.Commit(ctx)
}

// Pool is what pgxpool says.
func (s *PGX) Pool() Pool {
	stats := s.DB.Stat()
	return Pool{Used: int(stats.AcquiredConns()), Idle: int(stats.IdleConns()), Max: int(stats.MaxConns())}
}
