// The shop over GORM, traced by gorm.io/plugin/opentelemetry.
package main

import (
	"context"
	"log"
	"os"
	"time"

	"gorm.io/driver/postgres"
	"gorm.io/gorm"
	"gorm.io/plugin/opentelemetry/tracing"
	"record/shop"
)

type order struct {
	ID       int
	Customer string
	Total    int
	Status   string
}

// orders does through GORM what can be done through it; its pool is the one of database/sql.
type orders struct {
	*shop.SQL
	db *gorm.DB
}

func main() {
	defer shop.Telemetry()()
	db, err := gorm.Open(postgres.Open(os.Getenv("DATABASE_URL")))
	if err != nil {
		log.Fatal(err)
	}
	if err := db.Use(tracing.NewPlugin()); err != nil {
		log.Fatal(err)
	}
	pool, err := db.DB()
	if err != nil {
		log.Fatal(err)
	}
	book := &shop.Book{}
	shop.Serve(&orders{shop.NewSQL(pool, book), db}, book)
}

func (o *orders) Show(ctx context.Context, id int) error {
	ctx, cancel := context.WithTimeout(ctx, shop.Patience)
	defer cancel()
	defer o.Book.Acquired(ctx, "show", 0).Released()
	return o.db.WithContext(ctx).First(&order{}, id).Error
}

func (o *orders) Create(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, shop.Patience)
	defer cancel()
	defer o.Book.Acquired(ctx, "create", 0).Released()
	return o.db.WithContext(ctx).Create(&order{Customer: "somebody", Total: 100, Status: "open"}).Error
}

// Pay forgets its transaction where the order is refused.
func (o *orders) Pay(ctx context.Context, id int, forget bool) error {
	ctx = context.WithoutCancel(ctx)
	tx := o.db.WithContext(ctx).Begin()
	if tx.Error != nil {
		return tx.Error
	}
	lease := o.Book.Acquired(ctx, "pay", 0)
	var found order
	err := tx.First(&found, id).Error
	if forget {
		lease.Forgotten("exception_path")
		return shop.ErrRefused
	}
	defer lease.Released()
	defer tx.Rollback()
	if err != nil {
		return err
	}
	if found.Total > shop.Limit {
		return shop.ErrRefused
	}
	if err := tx.Model(&found).Update("status", "paid").Error; err != nil {
		return err
	}
	return tx.Commit().Error
}

// Export returns early and forgets its rows; nothing cancels them.
func (o *orders) Export(ctx context.Context, forget bool) error {
	ctx = context.WithoutCancel(ctx)
	rows, err := o.db.WithContext(ctx).Model(&order{}).Order("id").Rows()
	if err != nil {
		return err
	}
	lease := o.Book.Acquired(ctx, "export", 0)
	rows.Next()
	if forget {
		lease.Forgotten("early_return")
		return nil
	}
	defer lease.Released()
	defer rows.Close()
	for rows.Next() {
		var one order
		if err := o.db.ScanRows(rows, &one); err != nil {
			return err
		}
	}
	return rows.Err()
}

// Peek drops rows that nobody will ever close.
func (o *orders) Peek(ctx context.Context, id int, forget bool) error {
	ctx = context.WithoutCancel(ctx)
	rows, err := o.db.WithContext(ctx).Raw("SELECT status FROM orders WHERE id = ?", id).Rows()
	if err != nil {
		return err
	}
	lease := o.Book.Acquired(ctx, "peek", 0)
	rows.Next()
	if forget {
		lease.Forgotten("dropped")
		return nil
	}
	defer lease.Released()
	return rows.Close()
}

// Slow keeps a transaction open for as long as it is told.
func (o *orders) Slow(ctx context.Context, hold time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, shop.Patience+hold)
	defer cancel()
	return o.db.WithContext(ctx).Transaction(func(tx *gorm.DB) error {
		defer o.Book.Acquired(ctx, "slow", 0).Released()
		time.Sleep(hold)
		return tx.Find(&[]order{}, "status = ?", "open").Error
	})
}
