// The shop over database/sql, whose driver is wrapped by docs/emitters/go.
package main

import (
	"database/sql"
	"log"
	"os"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"go.opentelemetry.io/otel/attribute"
	"record/connevents"
	"record/shop"
)

func main() {
	defer shop.Telemetry()()
	config, err := pgx.ParseConfig(os.Getenv("DATABASE_URL"))
	if err != nil {
		log.Fatal(err)
	}
	system := attribute.String("db.system.name", "postgresql")
	db := sql.OpenDB(connevents.Connector(stdlib.GetConnector(*config), "orders-db", system))
	book := &shop.Book{}
	shop.Serve(shop.NewSQL(db, book), book)
}
