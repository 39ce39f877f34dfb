"""Orders on psycopg 3 and its pool. The pool's log says INFO, as its documentation suggests for watching it."""

from __future__ import annotations

import logging
import os

from dbapi_shop import Shop, serve
from psycopg_pool import ConnectionPool, PoolTimeout

logging.basicConfig(level=logging.WARNING)
logging.getLogger("psycopg.pool").setLevel(logging.INFO)


def state() -> dict[str, int]:
    stats = pool.get_stats()
    idle = stats.get("pool_available", 0)
    return {"used": stats["pool_size"] - idle, "idle": idle, "max": stats["pool_max"]}


most = int(os.environ["POOL_MAX"])
with ConnectionPool(
    os.environ["DATABASE_URL"], min_size=2, max_size=most, timeout=3, name="orders-db", open=True
) as pool:
    shop = Shop(pool, pid=lambda connection: connection.info.backend_pid, state=state, busy=PoolTimeout)
    serve(shop.app())
