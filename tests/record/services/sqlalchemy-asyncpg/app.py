"""Orders on SQLAlchemy's asyncio engine and asyncpg behind FastAPI."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI
from fastapi.responses import JSONResponse
from leases import Lease, Leases
from sqlalchemy import text
from sqlalchemy.exc import TimeoutError as NoConnection
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

most = int(os.environ["POOL_MAX"])
url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+asyncpg://")
engine = create_async_engine(url, pool_size=most // 2, max_overflow=most - most // 2, pool_timeout=3)
# A connection that is dropped is closed when the garbage collector finds it, and its place in the pool is free again.
leases = Leases(given_back_by_collector=True)
kept: list[Any] = []
app = FastAPI()


class Declined(Exception):
    """The card was declined."""


@app.exception_handler(NoConnection)
async def no_connection(*_: object) -> JSONResponse:
    return JSONResponse({"error": "no connection"}, 503)


async def take(route: str) -> tuple[AsyncConnection, Lease]:
    connection = await engine.connect()
    raw = await connection.get_raw_connection()
    return connection, leases.take(route, raw, raw.driver_connection.get_server_pid())


async def give_back(connection: AsyncConnection, lease: Lease) -> None:
    await connection.close()
    lease.released()


@asynccontextmanager
async def borrowed(route: str) -> AsyncIterator[AsyncConnection]:
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
    return {"used": engine.pool.checkedout(), "idle": engine.pool.checkedin(), "max": most}


@app.get("/orders/export")
async def export(forget: int = 0) -> dict:
    connection, lease = await take("export")
    rows = await connection.stream(text("SELECT id, customer FROM orders ORDER BY id"))
    first = await rows.fetchmany(50)
    if forget:
        lease.forgotten("early_return")
        kept.append(rows)  # for the next page, which nobody asks for
        return {"first": first[0].customer}
    count = len(first) + len(await rows.fetchall())
    await give_back(connection, lease)
    return {"rows": count}


@app.get("/orders/{number}")
async def show(number: int) -> dict:
    async with borrowed("show") as connection:
        row = await connection.execute(text("SELECT id, customer, total FROM orders WHERE id = :id"), {"id": number})
        return dict(row.one()._mapping)


@app.post("/orders", status_code=201)
async def create() -> dict:
    async with borrowed("create") as connection:
        insert = text("INSERT INTO orders (customer, total, status) VALUES ('somebody', 99, 'open') RETURNING id")
        number = (await connection.execute(insert)).scalar_one()
        await connection.commit()
    return {"id": number}


@app.post("/orders/{number}/pay")
async def pay(number: int, forget: int = 0) -> JSONResponse:
    connection, lease = await take("pay")
    try:
        await connection.execute(text("SELECT total FROM orders WHERE id = :id"), {"id": number})
        if forget:
            raise Declined
        await connection.execute(text("UPDATE orders SET status = 'paid' WHERE id = :id"), {"id": number})
        await connection.commit()
    except Declined as error:
        lease.forgotten("exception_path")
        kept.append(error)  # as an error reporter does: its traceback holds the connection
        return JSONResponse({"error": "declined"}, 402)
    await give_back(connection, lease)
    return JSONResponse({"paid": number})


@app.get("/orders/{number}/peek")
async def peek(number: int, forget: int = 0) -> dict:
    connection, lease = await take("peek")
    status = (await connection.execute(text("SELECT status FROM orders WHERE id = :id"), {"id": number})).scalar()
    if forget:
        lease.forgotten("dropped")
    else:
        await give_back(connection, lease)
    return {"status": status}


@app.get("/slow")
async def slow(seconds: float) -> dict:
    async with borrowed("slow") as connection:
        await connection.execute(text("SELECT count(*) FROM orders"))
        await asyncio.sleep(seconds)
        await connection.execute(text("SELECT count(*) FROM orders"))
    return {"slept": seconds}


if __name__ == "__main__":
    uvicorn.run(app, host="127.0.0.1", port=int(os.environ["PORT"]), log_level="warning")
