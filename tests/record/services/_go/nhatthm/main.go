// The shop over database/sql, traced by go.nhat.io/otelsql with its rows.
package main

import (
	"database/sql"
	"log"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib"
	"go.nhat.io/otelsql"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"record/shop"
)

func main() {
	defer shop.Telemetry()()
	driver, err := otelsql.Register("pgx",
		otelsql.TraceQueryWithoutArgs(),
		otelsql.TraceRowsClose(),
		otelsql.WithSystem(semconv.DBSystemNamePostgreSQL),
		otelsql.WithInstanceName("orders-db"),
	)
	if err != nil {
		log.Fatal(err)
	}
	db, err := sql.Open(driver, os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	if err := otelsql.RecordStats(db, otelsql.WithInstanceName("orders-db")); err != nil {
		log.Fatal(err)
	}
	book := &shop.Book{}
	shop.Serve(shop.NewSQL(db, book), book)
}
