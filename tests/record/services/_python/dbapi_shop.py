"""Orders behind Flask, on any DB-API pool that has `getconn` and `putconn`: the same shop, whatever the driver."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Protocol

from flask import Flask, jsonify, request
from leases import Lease, Leases


class Pool(Protocol):
    def getconn(self) -> Any: ...
    def putconn(self, connection: Any) -> None: ...


class Declined(Exception):
    """The card was declined."""


class Shop:
    """`pid` asks a connection for its backend; `busy` are the errors of a pool that has none left."""

    def __init__(
        self, pool: Pool, *, pid: Callable[[Any], int], state: Callable[[], dict[str, int]], busy: type
    ) -> None:
        self._pool, self._pid, self._state, self._busy = pool, pid, state, busy
        self._kept: list[Any] = []
        self.leases = Leases()

    def app(self) -> Flask:
        app = Flask("orders")
        app.register_error_handler(self._busy, lambda _: (jsonify(error="no connection"), 503))
        app.get("/healthz", endpoint="healthz")(lambda: "ok")
        app.get("/_labels", endpoint="labels")(lambda: jsonify(self.leases.said()))
        app.get("/_pool", endpoint="pool")(lambda: jsonify(self._state()))
        app.get("/orders/<int:number>")(self.show)
        app.post("/orders")(self.create)
        app.post("/orders/<int:number>/pay")(self.pay)
        app.get("/orders/export")(self.export)
        app.get("/orders/<int:number>/peek")(self.peek)
        app.get("/slow")(self.slow)
        return app

    def take(self, route: str) -> tuple[Any, Lease]:
        connection = self._pool.getconn()
        return connection, self.leases.take(route, connection, self._pid(connection))

    def give_back(self, connection: Any, lease: Lease) -> None:
        connection.rollback()  # nothing after a commit; what a read began
        self._pool.putconn(connection)
        lease.released()

    @contextmanager
    def borrowed(self, route: str) -> Iterator[Any]:
        connection, lease = self.take(route)
        try:
            yield connection
        finally:
            self.give_back(connection, lease)

    def show(self, number: int) -> Any:
        with self.borrowed("show") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT id, customer, total, status FROM orders WHERE id = %s", (number,))
            return jsonify(cursor.fetchone())

    def create(self) -> Any:
        with self.borrowed("create") as connection, connection.cursor() as cursor:
            insert = "INSERT INTO orders (customer, total, status) VALUES (%s, %s, 'open') RETURNING id"
            cursor.execute(insert, ("somebody", 99))
            number = cursor.fetchone()[0]
            connection.commit()
        return jsonify(id=number), 201

    def pay(self, number: int) -> Any:
        connection, lease = self.take("pay")
        try:
            cursor = connection.cursor()
            cursor.execute("SELECT total FROM orders WHERE id = %s", (number,))
            if forget():
                raise Declined
            cursor.execute("UPDATE orders SET status = 'paid' WHERE id = %s", (number,))
            connection.commit()
        except Declined as error:
            lease.forgotten("exception_path")
            self._kept.append(error)  # as an error reporter does: its traceback holds the connection
            return jsonify(error="declined"), 402
        self.give_back(connection, lease)
        return jsonify(paid=number)

    def export(self) -> Any:
        connection, lease = self.take("export")
        cursor = connection.cursor(name="export")
        cursor.execute("SELECT id, customer, total FROM orders ORDER BY id")
        first = cursor.fetchmany(50)
        if forget():
            lease.forgotten("early_return")
            self._kept.append(cursor)  # for the next page, which nobody asks for
            return jsonify(first=first[0])
        rows = len(first) + len(cursor.fetchall())
        cursor.close()
        self.give_back(connection, lease)
        return jsonify(rows=rows)

    def peek(self, number: int) -> Any:
        connection, lease = self.take("peek")
        cursor = connection.cursor()
        cursor.execute("SELECT status FROM orders WHERE id = %s", (number,))
        status = cursor.fetchone()
        if forget():
            lease.forgotten("dropped")
        else:
            self.give_back(connection, lease)
        return jsonify(status)

    def slow(self) -> Any:
        seconds = float(request.args["seconds"])
        with self.borrowed("slow") as connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM orders")
            time.sleep(seconds)
            cursor.execute("SELECT count(*) FROM orders")
        return jsonify(slept=seconds)


def forget() -> bool:
    return request.args.get("forget") == "1"


def serve(app: Flask) -> None:
    """Serve with a thread a request."""
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
    app.run(host="127.0.0.1", port=int(os.environ["PORT"]), threaded=True)
