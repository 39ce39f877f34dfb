// The shop over database/sql, traced by github.com/uptrace/opentelemetry-go-extra/otelsql.
package main

import (
	"log"
	"os"

	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/uptrace/opentelemetry-go-extra/otelsql"
	semconv "go.opentelemetry.io/otel/semconv/v1.40.0"
	"record/shop"
)

func main() {
	defer shop.Telemetry()()
	system := otelsql.WithAttributes(semconv.DBSystemNamePostgreSQL)
	db, err := otelsql.Open("pgx", os.Getenv("DATABASE_URL"), system, otelsql.WithDBName("postgres"))
	if err != nil {
		log.Fatal(err)
	}
	book := &shop.Book{}
	shop.Serve(shop.NewSQL(db, book), book)
}
