"""Orders in Redis behind Flask: redis-py with its own metrics and the instrumentation's spans."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import time
from typing import Any

import redis
from flask import Flask, jsonify, request
from leases import Lease, Leases
from redis.observability import OTelConfig, get_observability_instance

leases = Leases(given_back_by_collector=True)  # pipelines and subscriptions give back in their `__del__`
kept: list[Any] = []
app = Flask("orders")


def server() -> int:
    """Start a Redis and give its port; it ends with this process group."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    subprocess.Popen(
        ["server/usr/bin/redis-server", "--port", str(port), "--save", "", "--bind", "127.0.0.1"], stdout=-3
    )
    return port


most = int(os.environ["POOL_MAX"])
get_observability_instance().init(OTelConfig())
pool = redis.BlockingConnectionPool(
    host="127.0.0.1", port=server(), max_connections=most, timeout=3, decode_responses=True
)
client = redis.Redis(connection_pool=pool)


@app.errorhandler(redis.ConnectionError)
def no_connection(_: redis.ConnectionError) -> Any:
    return jsonify(error="no connection"), 503


def take(route: str, held: Any) -> Lease:
    return leases.take(route, held, None)


def forget() -> bool:
    return request.args.get("forget") == "1"


@app.get("/healthz")
def healthz() -> str:
    client.ping()
    if not client.exists("orders"):
        for number in range(1, 201):
            client.hset(f"order:{number}", mapping={"customer": f"customer {number}", "total": 99, "status": "open"})
        client.set("orders", 200)
    return "ok"


@app.get("/_labels")
def labels() -> Any:
    return jsonify(leases.said())


@app.get("/_pool")
def state() -> Any:
    out = sum(1 for one in leases.said() if one["t_release"] is None and not one["collected"])
    return jsonify(used=out, idle=0, max=most)


@app.get("/orders/<int:number>")
def show(number: int) -> Any:
    return jsonify(client.hgetall(f"order:{number}"))


@app.post("/orders")
def create() -> Any:
    number = client.incr("orders")
    client.hset(f"order:{number}", mapping={"customer": "somebody", "total": 99, "status": "open"})
    return jsonify(id=number), 201


@app.post("/orders/<int:number>/pay")
def pay(number: int) -> Any:
    """A transaction: WATCH holds a connection until EXEC or reset."""
    pipeline = client.pipeline()
    pipeline.watch(f"order:{number}")
    lease = take("pay", pipeline)
    pipeline.hget(f"order:{number}", "total")
    if forget():
        lease.forgotten("exception_path")
        kept.append(pipeline)
        return jsonify(error="declined"), 402
    pipeline.multi()
    pipeline.hset(f"order:{number}", "status", "paid")
    pipeline.execute()
    pipeline.reset()
    lease.released()
    return jsonify(paid=number)


@app.get("/orders/export")
def export() -> Any:
    """Reads through a connection of its own."""
    one = client.client()
    lease = take("export", one)
    keys = [key for _, key in zip(range(50), one.scan_iter("order:*", count=50), strict=False)]
    if forget():
        lease.forgotten("early_return")
        kept.append(one)
        return jsonify(first=keys[:1])
    one.close()
    lease.released()
    return jsonify(rows=len(keys))


@app.get("/orders/<int:number>/peek")
def peek(number: int) -> Any:
    """Subscribes to what becomes of an order, and reads it."""
    watch = client.pubsub()
    watch.subscribe(f"order:{number}")
    lease = take("peek", watch)
    status = client.hget(f"order:{number}", "status")
    if forget():
        lease.forgotten("dropped")
        kept.append(watch)
    else:
        watch.close()
        lease.released()
    return jsonify(status=status)


@app.get("/slow")
def slow() -> Any:
    seconds = float(request.args["seconds"])
    one = client.client()
    lease = take("slow", one)
    one.get("orders")
    time.sleep(seconds)
    one.get("orders")
    one.close()
    lease.released()
    return jsonify(slept=seconds)


logging.getLogger("werkzeug").setLevel(logging.WARNING)
app.run(host="127.0.0.1", port=int(os.environ["PORT"]), threaded=True)
