"""Orders on SQLAlchemy and psycopg2 behind Flask. With POOL_LOG=debug the pool logs what it gives and takes back."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flask import Flask, jsonify, request
from leases import Lease, Leases
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.exc import TimeoutError as NoConnection

most = int(os.environ["POOL_MAX"])
url = os.environ["DATABASE_URL"].replace("postgresql://", "postgresql+psycopg2://")
engine = create_engine(url, pool_size=most // 2, max_overflow=most - most // 2, pool_timeout=3)
if os.environ.get("POOL_LOG"):
    logging.getLogger("sqlalchemy.pool").setLevel(os.environ["POOL_LOG"].upper())
# A connection that is dropped goes back to the pool when the garbage collector finds it.
leases = Leases(given_back_by_collector=True)
kept: list[Any] = []
app = Flask("orders")


class Declined(Exception):
    """The card was declined."""


@app.errorhandler(NoConnection)
def no_connection(_: NoConnection) -> Any:
    return jsonify(error="no connection"), 503


def take(route: str) -> tuple[Connection, Lease]:
    connection = engine.connect()
    raw = connection.connection
    return connection, leases.take(route, raw, raw.dbapi_connection.info.backend_pid)


def give_back(connection: Connection, lease: Lease) -> None:
    connection.close()
    lease.released()


@contextmanager
def borrowed(route: str) -> Iterator[Connection]:
    connection, lease = take(route)
    try:
        yield connection
    finally:
        give_back(connection, lease)


def forget() -> bool:
    return request.args.get("forget") == "1"


@app.get("/healthz")
def healthz() -> str:
    return "ok"


@app.get("/_labels")
def labels() -> Any:
    return jsonify(leases.said())


@app.get("/_pool")
def state() -> Any:
    return jsonify(used=engine.pool.checkedout(), idle=engine.pool.checkedin(), max=most)


@app.get("/orders/<int:number>")
def show(number: int) -> Any:
    with borrowed("show") as connection:
        row = connection.execute(text("SELECT id, customer, total, status FROM orders WHERE id = :id"), {"id": number})
        return jsonify(list(row.one()))


@app.post("/orders")
def create() -> Any:
    with borrowed("create") as connection:
        insert = text("INSERT INTO orders (customer, total, status) VALUES ('somebody', 99, 'open') RETURNING id")
        number = connection.execute(insert).scalar_one()
        connection.commit()
    return jsonify(id=number), 201


@app.post("/orders/<int:number>/pay")
def pay(number: int) -> Any:
    connection, lease = take("pay")
    try:
        connection.execute(text("SELECT total FROM orders WHERE id = :id"), {"id": number}).one()
        if forget():
            raise Declined
        connection.execute(text("UPDATE orders SET status = 'paid' WHERE id = :id"), {"id": number})
        connection.commit()
    except Declined as error:
        lease.forgotten("exception_path")
        kept.append(error)  # as an error reporter does: its traceback holds the connection
        return jsonify(error="declined"), 402
    give_back(connection, lease)
    return jsonify(paid=number)


@app.get("/orders/export")
def export() -> Any:
    connection, lease = take("export")
    rows = connection.execution_options(stream_results=True).execute(text("SELECT id, customer FROM orders"))
    first = rows.fetchmany(50)
    if forget():
        lease.forgotten("early_return")
        kept.append(rows)  # for the next page, which nobody asks for
        return jsonify(first=list(first[0]))
    count = len(first) + len(rows.fetchall())
    give_back(connection, lease)
    return jsonify(rows=count)


@app.get("/orders/<int:number>/peek")
def peek(number: int) -> Any:
    connection, lease = take("peek")
    status = connection.execute(text("SELECT status FROM orders WHERE id = :id"), {"id": number}).scalar()
    if forget():
        lease.forgotten("dropped")
    else:
        give_back(connection, lease)
    return jsonify(status=status)


@app.get("/slow")
def slow() -> Any:
    seconds = float(request.args["seconds"])
    with borrowed("slow") as connection:
        connection.execute(text("SELECT count(*) FROM orders"))
        time.sleep(seconds)
        connection.execute(text("SELECT count(*) FROM orders"))
    return jsonify(slept=seconds)


logging.getLogger("werkzeug").setLevel(logging.WARNING)
app.run(host="127.0.0.1", port=int(os.environ["PORT"]), threaded=True)
