"""Orders on an asyncpg pool behind FastAPI."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from leases import Lease, Leases

leases = Leases()
pool: asyncpg.Pool


class Declined(Exception):
    """The card was declined."""


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    global pool
    most = int(os.environ["POOL_MAX"])
    pool = await asyncpg.create_pool(os.environ["DATABASE_URL"], min_size=2, max_size=most, timeout=10)
    yield
    pool.terminate()


app = FastAPI(lifespan=lifespan)


@app.exception_handler(TimeoutError)
async def no_connection(*_: object) -> JSONResponse:
    return JSONResponse({"error": "no connection"}, 503)


async def take(route: str) -> tuple[asyncpg.Connection, Lease]:
    connection = await pool.acquire(timeout=3)
    return connection, leases.take(route, connection, connection.get_server_pid())


async def give_back(connection: asyncpg.Connection, lease: Lease) -> None:
    await pool.release(connection)
    lease.released()


@asynccontextmanager
async def borrowed(route: str) -> AsyncIterator[asyncpg.Connection]:
    connection, lease = await take(route)
    try:
        yield connection
    finally:
        await give_back(connection, lease)


@app.get("/healthz")
async def healthz() -> str:
    return "ok"


@app.get("/_labels")
async def labels() -> list[dict]:
    return leases.said()


@app.get("/_pool")
async def state() -> dict[str, int]:
    return {"used": pool.get_size() - pool.get_idle_size(), "idle": pool.get_idle_size(), "max": pool.get_max_size()}


@app.get("/orders/export")
async def export(forget: int = 0) -> dict:
    connection, lease = await take("export")
    transaction = connection.transaction()
    await transaction.start()
    cursor = await connection.cursor("SELECT id, customer, total FROM orders ORDER BY id")
    rows = await cursor.fetch(50)
    if forget:
        lease.forgotten("early_return")
        return {"first": rows[0]["customer"]}
    while more := await cursor.fetch(50):
        rows += more
    await transaction.commit()
    await give_back(connection, lease)
    return {"rows": len(rows)}


@app.get("/orders/{number}")
async def show(number: int) -> dict:
    async with borrowed("show") as connection:
        return dict(await connection.fetchrow("SELECT id, customer, total, status FROM orders WHERE id = $1", number))


@app.post("/orders", status_code=201)
async def create() -> dict:
    async with borrowed("create") as connection, connection.transaction():
        insert = "INSERT INTO orders (customer, total, status) VALUES ($1, $2, 'open') RETURNING id"
        return {"id": await connection.fetchval(insert, "somebody", 99)}


@app.post("/orders/{number}/pay")
async def pay(number: int, forget: int = 0) -> JSONResponse:
    connection, lease = await take("pay")
    transaction = connection.transaction()
    await transaction.start()
    try:
        total = await connection.fetchval("SELECT total FROM orders WHERE id = $1", number)
        if forget:
            raise Declined
        await connection.execute("UPDATE orders SET status = 'paid' WHERE id = $1", number)
    except Declined:
        lease.forgotten("exception_path")
        return JSONResponse({"error": "declined"}, 402)
    await transaction.commit()
    await give_back(connection, lease)
    return JSONResponse({"paid": total})


@app.get("/orders/{number}/peek")
async def peek(number: int, forget: int = 0) -> dict:
    connection, lease = await take("peek")
    status = await connection.fetchval("SELECT status FROM orders WHERE id = $1", number)
    if forget:
        lease.forgotten("dropped")
    else:
        await give_back(connection, lease)
    return {"status": status}


@app.get("/slow")
async def slow(seconds: float) -> dict:
    async with borrowed("slow") as connection:
        await connection.fetchval("SELECT count(*) FROM orders")
        await asyncio.sleep(seconds)
        await connection.fetchval("SELECT count(*) FROM orders")
    return {"slept": seconds}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
