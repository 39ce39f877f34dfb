"""The orders service. Two of its handlers forget a connection; find them before reading on."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
from opentelemetry.instrumentation.asyncpg import AsyncPGInstrumentor
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

_log = logging.getLogger("shop.orders")
_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
    id serial PRIMARY KEY, customer text NOT NULL, total int NOT NULL, status text NOT NULL);
INSERT INTO orders (customer, total, status)
SELECT 'customer ' || n, (n * 37) % 500, CASE WHEN n % 3 = 0 THEN 'open' ELSE 'paid' END
FROM generate_series(1, 200) AS n
WHERE NOT EXISTS (SELECT FROM orders);
"""
_CREDIT = 450


class PaymentDeclinedError(Exception):
    """The customer cannot pay this much."""


def build(dsn: str, pool_size: int) -> Starlette:
    """The service on a PostgreSQL."""
    AsyncPGInstrumentor().instrument()  # type: ignore[no-untyped-call]  # its constructor has no types

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        app.state.pool = await asyncpg.create_pool(dsn, min_size=2, max_size=pool_size)
        async with app.state.pool.acquire() as connection:
            await connection.execute(_SCHEMA)
        yield
        # Connections that a handler forgot never come back: do not wait for them.
        app.state.pool.terminate()

    return Starlette(
        routes=[
            Route("/orders", create, methods=["POST"]),
            Route("/orders/report", report),
            Route("/orders/{id:int}", show),
            Route("/orders/{id:int}/pay", pay, methods=["POST"]),
            Route("/orders/{id:int}/receipt", receipt),
        ],
        exception_handlers={PaymentDeclinedError: _declined},
        lifespan=lifespan,
    )


async def _declined(_: Request, error: Exception) -> JSONResponse:
    return JSONResponse({"error": str(error)}, 402)


async def show(request: Request) -> JSONResponse:
    """Healthy: the context manager gives the connection back."""
    async with request.app.state.pool.acquire() as connection:
        row = await connection.fetchrow("SELECT id, customer, total, status FROM orders WHERE id = $1", _id(request))
    return JSONResponse(dict(row) if row else {"error": "no such order"}, 200 if row else 404)


async def create(request: Request) -> JSONResponse:
    """Healthy, with a transaction."""
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        number = await connection.fetchval(
            "INSERT INTO orders (customer, total, status) VALUES ($1, $2, 'open') RETURNING id", "somebody", 99
        )
    return JSONResponse({"id": number}, 201)


async def report(request: Request) -> JSONResponse:
    """Slow, and correct: holds its connection for seconds and gives it back."""
    async with request.app.state.pool.acquire() as connection:
        await connection.fetchval("SELECT pg_sleep(2)")
        total = await connection.fetchval("SELECT sum(total) FROM orders")
    return JSONResponse({"total": total})


async def pay(request: Request) -> JSONResponse:
    """Forgets its connection when the payment is declined: the error leaves before the release."""
    pool = request.app.state.pool
    connection = await pool.acquire()
    total = await connection.fetchval("SELECT total FROM orders WHERE id = $1", _id(request))
    if total is None or total > _CREDIT:
        raise PaymentDeclinedError(f"{total} is more than {_CREDIT}")
    await connection.execute("UPDATE orders SET status = 'paid' WHERE id = $1", _id(request))
    await pool.release(connection)
    return JSONResponse({"paid": total})


async def receipt(request: Request) -> JSONResponse:
    """Forgets its connection when there is nothing to print: an early return before the release."""
    pool = request.app.state.pool
    connection = await pool.acquire()
    status = await connection.fetchval("SELECT status FROM orders WHERE id = $1", _id(request))
    if status != "paid":
        _log.info("order %s has no receipt yet", _id(request))
        return JSONResponse({"receipt": None})
    total = await connection.fetchval("SELECT total FROM orders WHERE id = $1 AND status = 'paid'", _id(request))
    await pool.release(connection)
    return JSONResponse({"receipt": f"{total} paid"})


def _id(request: Request) -> int:
    return int(request.path_params["id"])
