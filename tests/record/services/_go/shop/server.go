// Package shop is the service that is recorded: a few routes over one table, some of which can forget a connection.
package shop

import (
	"context"
	"encoding/json"
	"errors"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
)

// Patience is how long a request waits for a connection.
const Patience = 3 * time.Second

// Limit is the total above which an order is not paid.
const Limit = 480

// ErrRefused says that the order costs too much.
var ErrRefused = errors.New("refused")

// Orders is the shop over one database library. A method that is told to forget leaves without giving back.
type Orders interface {
	Show(ctx context.Context, id int) error
	Create(ctx context.Context) error
	Pay(ctx context.Context, id int, forget bool) error
	Export(ctx context.Context, forget bool) error
	Peek(ctx context.Context, id int, forget bool) error
	Slow(ctx context.Context, hold time.Duration) error
	Pool() Pool
}

// Pool is the pool's own account of itself.
type Pool struct {
	Used int `json:"used"`
	Idle int `json:"idle"`
	Max  int `json:"max"`
}

// PoolMax is how many connections the pool may have.
func PoolMax() int {
	most, err := strconv.Atoi(os.Getenv("POOL_MAX"))
	if err != nil {
		log.Fatal("POOL_MAX: ", err)
	}
	return most
}

// Serve answers requests until the process is told to stop.
func Serve(orders Orders, book *Book) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	mux.HandleFunc("GET /_labels", func(w http.ResponseWriter, _ *http.Request) { answer(w, book.All()) })
	mux.HandleFunc("GET /_pool", func(w http.ResponseWriter, _ *http.Request) { answer(w, orders.Pool()) })
	mux.HandleFunc("GET /orders/{id}", route(func(ctx context.Context, r *http.Request) error {
		return orders.Show(ctx, number(r))
	}))
	mux.HandleFunc("POST /orders", route(func(ctx context.Context, _ *http.Request) error {
		return orders.Create(ctx)
	}))
	mux.HandleFunc("POST /orders/{id}/pay", route(func(ctx context.Context, r *http.Request) error {
		return orders.Pay(ctx, number(r), forgets(r))
	}))
	mux.HandleFunc("GET /orders/export", route(func(ctx context.Context, r *http.Request) error {
		return orders.Export(ctx, forgets(r))
	}))
	mux.HandleFunc("GET /orders/{id}/peek", route(func(ctx context.Context, r *http.Request) error {
		return orders.Peek(ctx, number(r), forgets(r))
	}))
	mux.HandleFunc("GET /slow", route(func(ctx context.Context, r *http.Request) error {
		seconds, err := strconv.ParseFloat(r.FormValue("seconds"), 64)
		if err != nil {
			return err
		}
		return orders.Slow(ctx, time.Duration(seconds*float64(time.Second)))
	}))
	server := &http.Server{Addr: "127.0.0.1:" + os.Getenv("PORT"), Handler: otelhttp.NewHandler(mux, "")}
	stop, done := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer done()
	go func() {
		<-stop.Done()
		server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
}

func route(handle func(context.Context, *http.Request) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		err := handle(r.Context(), r)
		switch {
		case err == nil:
			answer(w, "done")
		case errors.Is(err, ErrRefused):
			http.Error(w, err.Error(), http.StatusPaymentRequired)
		case errors.Is(err, context.DeadlineExceeded):
			http.Error(w, "no connection", http.StatusServiceUnavailable)
		default:
			log.Print(err)
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}
}

func answer(w http.ResponseWriter, what any) {
	w.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(w).Encode(what); err != nil {
		log.Print(err)
	}
}

func number(r *http.Request) int {
	id, _ := strconv.Atoi(r.PathValue("id"))
	return id
}

func forgets(r *http.Request) bool {
	return r.FormValue("forget") == "1"
}
