// The shop over pgxpool with the tracer of docs/emitters/go.
package main

import (
	"record/connevents"
	"record/shop"
)

func main() {
	defer shop.Telemetry()()
	book := &shop.Book{}
	shop.Serve(shop.NewPGX(connevents.Tracer{Pool: "orders-db"}, book), book)
}
