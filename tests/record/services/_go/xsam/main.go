// The shop over database/sql, traced by github.com/XSAM/otelsql.
package main

import (
	"log"
	"os"

	"github.com/XSAM/otelsql"
	_ "github.com/jackc/pgx/v5/stdlib"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"record/shop"
)

func main() {
	defer shop.Telemetry()()
	dsn := os.Getenv("DATABASE_URL")
	attributes := otelsql.WithAttributes(append(otelsql.AttributesFromDSN(dsn), semconv.DBSystemNamePostgreSQL)...)
	db, err := otelsql.Open("pgx", dsn, attributes)
	if err != nil {
		log.Fatal(err)
	}
	if _, err := otelsql.RegisterDBStatsMetrics(db, attributes); err != nil {
		log.Fatal(err)
	}
	book := &shop.Book{}
	shop.Serve(shop.NewSQL(db, book), book)
}
