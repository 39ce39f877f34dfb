"""A program that takes connections through every library and forgets some: the labels are in its comments.

`# leak` is a connection that nobody gives back, `# dropped` one that only the garbage collector does. Everything else
comes back, some of it slowly. Run as: forgetful.py DSN MYSQL_PORT [healthy]
"""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import sys
import time
import warnings

import aiosqlite
import asyncpg
import psycopg
import psycopg2
import psycopg2.pool
import pymysql
import sqlalchemy
from psycopg_pool import AsyncConnectionPool, ConnectionPool
from sqlalchemy.ext.asyncio import create_async_engine

DSN, PORT = sys.argv[1], int(sys.argv[2])
HEALTHY = "healthy" in sys.argv[3:]
kept: list[object] = []


def forget(connection: object) -> None:
    """Keep it where nobody will look for it."""
    kept.append(connection)


def slowly(connection: object) -> None:
    time.sleep(0.3)
    connection.close()


def healthy() -> None:
    slowly(psycopg2.connect(DSN))
    slowly(sqlite3.connect(":memory:"))
    with psycopg.connect(DSN) as connection:
        connection.execute("SELECT pg_sleep(0.2)")
    pymysql.connect(host="127.0.0.1", port=PORT, user="u").close()
    with ConnectionPool(DSN, min_size=1, max_size=3, open=True) as pool, pool.connection() as connection:
        connection.execute("SELECT 1")
    engine = sqlalchemy.create_engine(DSN.replace("postgresql:", "postgresql+psycopg2:"))
    for _ in range(5):
        with engine.begin() as connection:
            connection.execute(sqlalchemy.text("SELECT 1"))
    engine.dispose()


async def healthy_async() -> None:
    async with asyncpg.create_pool(DSN, min_size=1, max_size=3) as pool:
        for _ in range(5):
            async with pool.acquire() as connection:
                await connection.execute("SELECT 1")
    async with aiosqlite.connect(":memory:") as connection:
        await connection.execute("SELECT 1")
    async with AsyncConnectionPool(DSN, min_size=1, max_size=3, open=False) as pool, pool.connection() as connection:
        await connection.execute("SELECT 1")


def forgetful() -> None:
    for _ in range(2):
        forget(psycopg2.connect(DSN))  # leak
    forget(psycopg.connect(DSN))  # leak
    forget(sqlite3.connect(":memory:"))  # leak
    forget(pymysql.connect(host="127.0.0.1", port=PORT, user="u"))  # leak
    psycopg2.connect(DSN)  # dropped
    pymysql.connect(host="127.0.0.1", port=PORT, user="u")  # dropped
    pool = ConnectionPool(DSN, min_size=1, max_size=4, open=True)
    for _ in range(3):
        forget(pool.getconn())  # leak
    pool.getconn()  # leak: a pool does not get a dropped one's place back
    kept.append(pool)
    own = psycopg2.pool.ThreadedConnectionPool(1, 2, DSN)
    forget((own, own.getconn()))  # leak
    engine = sqlalchemy.create_engine(DSN.replace("postgresql:", "postgresql+psycopg:"))
    forget(engine.connect())  # leak
    engine.connect()  # dropped
    gc.collect()


async def forgetful_async() -> None:
    forget(await asyncpg.connect(DSN))  # leak
    pool = await asyncpg.create_pool(DSN, min_size=1, max_size=3)
    forget((pool, await pool.acquire()))  # leak
    engine = create_async_engine(DSN.replace("postgresql:", "postgresql+asyncpg:"))
    forget(await engine.connect())  # leak
    await engine.connect()  # dropped
    gc.collect()
    await asyncio.sleep(0)


def main() -> None:
    warnings.simplefilter("ignore")
    healthy()
    asyncio.run(healthy_async())
    if not HEALTHY:
        forgetful()
        asyncio.run(forgetful_async())


if __name__ == "__main__":
    main()
