package shop

import (
	"context"
	"database/sql"
	"time"
)

// SQL is the shop over database/sql, whoever instruments it.
type SQL struct {
	DB   *sql.DB
	Book *Book
}

// NewSQL limits the pool as the environment says.
func NewSQL(db *sql.DB, book *Book) *SQL {
	db.SetMaxOpenConns(PoolMax())
	db.SetMaxIdleConns(PoolMax())
	return &SQL{DB: db, Book: book}
}

// Show reads one order; Scan gives the connection back.
func (s *SQL) Show(ctx context.Context, id int) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	var customer string
	var pid int64
	row := s.DB.QueryRowContext(ctx, "SELECT customer, pg_backend_pid() FROM orders WHERE id = $1", id)
	lease := s.Book.Acquired(ctx, "show", 0)
	defer lease.Released()
	return row.Scan(&customer, &pid)
}

// Create inserts an order in a transaction.
func (s *SQL) Create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, Patience)
	defer cancel()
	tx, err := s.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	lease := s.Book.Acquired(ctx, "create", 0)
	defer lease.Released()
	defer tx.Rollback()
	_, err = tx.ExecContext(ctx, "INSERT INTO orders (customer, total, status) VALUES ($1, $2, 'open')", "somebody", 100)
	if err != nil {
		return err
	}
	return tx.Commit()
}

// Pay forgets its transaction where the order is refused. Without the request's cancellation nobody ends it.
func (s *SQL) Pay(ctx context.Context, id int, forget bool) error {
	ctx = context.WithoutCancel(ctx)
	tx, err := s.DB.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	var total int
	var pid int64
	err = tx.QueryRowContext(ctx, "SELECT total, pg_backend_pid() FROM orders WHERE id = $1", id).Scan(&total, &pid)
	lease := s.Book.Acquired(ctx, "pay", pid)
	if forget {
		lease.Forgotten("exception_path")
		return ErrRefused
	}
	defer lease.Released()
	defer tx.Rollback()
	if err != nil {
		return err
	}
	if total > Limit {
		return ErrRefused
	}
	if _, err = tx.ExecContext(ctx, "UPDATE orders SET status = 'paid' WHERE id = $1", id); err != nil {
		return err
	}
	return tx.Commit()
}

// Export returns early and forgets its rows. They were asked for with the request's context, so database/sql closes
// them when the request is over: late, and not leaked.
func (s *SQL) Export(ctx context.Context, forget bool) error {
	rows, err := s.DB.QueryContext(ctx, "SELECT id, customer, total, pg_backend_pid() FROM orders ORDER BY id")
	if err != nil {
		return err
	}
	var id, total int
	var customer string
	var pid int64
	rows.Next()
	if err := rows.Scan(&id, &customer, &total, &pid); err != nil {
		return err
	}
	lease := s.Book.Acquired(ctx, "export", pid)
	if forget {
		lease.Forgotten("early_return")
		go noteClosed(ctx, rows, lease)
		return nil
	}
	defer lease.Released()
	defer rows.Close()
	for rows.Next() {
		if err := rows.Scan(&id, &customer, &total, &pid); err != nil {
			return err
		}
	}
	return rows.Err()
}

// noteClosed waits until database/sql itself has closed the rows.
func noteClosed(ctx context.Context, rows *sql.Rows, lease *Lease) {
	<-ctx.Done()
	for {
		if _, err := rows.Columns(); err != nil {
			lease.Released()
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// Peek drops rows that nobody will ever close.
func (s *SQL) Peek(ctx context.Context, id int, forget bool) error {
	ctx = context.WithoutCancel(ctx)
	rows, err := s.DB.QueryContext(ctx, "SELECT status, pg_backend_pid() FROM orders WHERE id = $1", id)
	if err != nil {
		return err
	}
	var status string
	var pid int64
	rows.Next()
	err = rows.Scan(&status, &pid)
	lease := s.Book.Acquired(ctx, "peek", pid)
	if forget {
		lease.Forgotten("dropped")
		return err
	}
	defer lease.Released()
	return rows.Close()
}

// Slow keeps rows of a transaction open for as long as it is told, and gives everything back.
func (s *SQL) Slow(ctx context.Context, hold time.Duration) error {
	began, cancel := context.WithTimeout(ctx, Patience+hold)
	defer cancel()
	tx, err := s.DB.BeginTx(began, nil)
	if err != nil {
		return err
	}
	lease := s.Book.Acquired(ctx, "slow", 0)
	defer lease.Released()
	defer tx.Rollback()
	rows, err := tx.QueryContext(began, "SELECT id FROM orders WHERE status = 'open' ORDER BY id")
	if err != nil {
		return err
	}
	rows.Next()
	time.Sleep(hold)
	if err := rows.Close(); err != nil {
		return err
	}
	return tx.Commit()
}

// Pool is what database/sql says.
func (s *SQL) Pool() Pool {
	stats := s.DB.Stats()
	return Pool{Used: stats.InUse, Idle: stats.Idle, Max: stats.MaxOpenConnections}
}
