// The shop over pgxpool, traced by github.com/exaring/otelpgx.
package main

import (
	"log"

	"github.com/exaring/otelpgx"
	"record/shop"
)

func main() {
	defer shop.Telemetry()()
	book := &shop.Book{}
	orders := shop.NewPGX(otelpgx.NewTracer(), book)
	if err := otelpgx.RecordStats(orders.DB); err != nil {
		log.Fatal(err)
	}
	shop.Serve(orders, book)
}
