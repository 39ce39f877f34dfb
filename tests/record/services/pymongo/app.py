"""Orders in MongoDB behind Flask. The driver's connection log says DEBUG; a forgotten checkout is never checked in.

The driver itself gives connections back after every command. What can be forgotten is what pins one: here a checkout by
hand, as the driver does for exhaust cursors and behind load balancers.
"""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import tempfile
import time
from contextlib import AbstractContextManager
from typing import Any

from flask import Flask, jsonify, request
from leases import Lease, Leases
from pymongo import MongoClient
from pymongo.errors import WaitQueueTimeoutError
from pymongo.server_selectors import writable_server_selector

leases = Leases()
kept: list[Any] = []
app = Flask("orders")


def server() -> int:
    """Start a server and give its port; it ends with this process group."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    state = tempfile.mkdtemp(dir=".")
    options = ["--handler=sqlite", f"--sqlite-url=file:{state}/", f"--state-dir={state}", "--telemetry=disable"]
    listen = [f"--listen-addr=127.0.0.1:{port}", "--debug-addr=-", "--log-level=error"]
    subprocess.Popen(["./server", *options, *listen])
    return port


logging.basicConfig(level=logging.WARNING)
logging.getLogger("pymongo.connection").setLevel(logging.DEBUG)
most = int(os.environ["POOL_MAX"])
client: MongoClient = MongoClient("127.0.0.1", server(), maxPoolSize=most, waitQueueTimeoutMS=3000)
orders = client["shop"]["orders"]


@app.errorhandler(WaitQueueTimeoutError)
def no_connection(_: WaitQueueTimeoutError) -> Any:
    return jsonify(error="no connection"), 503


def take(route: str) -> tuple[AbstractContextManager[Any], Lease]:
    """Pin a connection."""
    context = client._topology.select_server(writable_server_selector, "find").pool.checkout()
    connection = context.__enter__()
    return context, leases.take(route, connection, None)


def give_back(context: AbstractContextManager[Any], lease: Lease) -> None:
    context.__exit__(None, None, None)
    lease.released()


def forget() -> bool:
    return request.args.get("forget") == "1"


@app.get("/healthz")
def healthz() -> str:
    if not orders.count_documents({}):
        orders.insert_many([{"_id": n, "customer": f"customer {n}", "status": "open"} for n in range(1, 201)])
    return "ok"


@app.get("/_labels")
def labels() -> Any:
    return jsonify(leases.said())


@app.get("/_pool")
def state() -> Any:
    out = sum(1 for one in leases.said() if one["t_release"] is None)
    return jsonify(used=out, idle=0, max=most)


@app.get("/orders/<int:number>")
def show(number: int) -> Any:
    return jsonify(orders.find_one({"_id": number}))


@app.post("/orders")
def create() -> Any:
    return jsonify(id=str(orders.insert_one({"customer": "somebody", "status": "open"}).inserted_id)), 201


def pinned(route: str, how: str) -> Any:
    """A handler that pins a connection and, asked to, forgets it."""
    context, lease = take(route)
    found = orders.find_one({"status": "open"}, {"_id": 0})
    if forget():
        lease.forgotten(how)
        kept.append(context)
    else:
        give_back(context, lease)
    return jsonify(found)


@app.post("/orders/<int:number>/pay")
def pay(number: int) -> Any:
    orders.update_one({"_id": number}, {"$set": {"status": "paid"}})
    return pinned("pay", "exception_path")


@app.get("/orders/export")
def export() -> Any:
    return pinned("export", "early_return")


@app.get("/orders/<int:number>/peek")
def peek(number: int) -> Any:
    return pinned("peek", "dropped")


@app.get("/slow")
def slow() -> Any:
    seconds = float(request.args["seconds"])
    context, lease = take("slow")
    time.sleep(seconds)
    give_back(context, lease)
    return jsonify(slept=seconds)


logging.getLogger("werkzeug").setLevel(logging.WARNING)
app.run(host="127.0.0.1", port=int(os.environ["PORT"]), threaded=True)
