"""Orders on psycopg2 and its own pool."""

from __future__ import annotations

import os

from dbapi_shop import Shop, serve
from psycopg2.pool import PoolError, ThreadedConnectionPool

most = int(os.environ["POOL_MAX"])
pool = ThreadedConnectionPool(2, most, os.environ["DATABASE_URL"])


def state() -> dict[str, int]:
    return {"used": len(pool._used), "idle": len(pool._pool), "max": most}


serve(Shop(pool, pid=lambda connection: connection.info.backend_pid, state=state, busy=PoolError).app())
