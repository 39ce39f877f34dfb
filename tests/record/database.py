"""The database of a recording: its table, and its own view of who is connected."""

from __future__ import annotations

import asyncpg

from record.load import ORDERS

SCHEMA = f"""
CREATE TABLE orders (id serial PRIMARY KEY, customer text NOT NULL, total int NOT NULL, status text NOT NULL);
INSERT INTO orders (customer, total, status)
SELECT 'customer ' || n, (n * 37) % 500, CASE WHEN n % 3 = 0 THEN 'open' ELSE 'paid' END
FROM generate_series(1, {ORDERS}) AS n;
"""
BACKENDS = "SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()"


async def prepare(dsn: str) -> None:
    """Create the table `orders` (id, customer, total, status) with its rows."""
    connection = await asyncpg.connect(dsn)
    try:
        await connection.execute(SCHEMA)
    finally:
        await connection.close()


async def backends(dsn: str) -> set[int]:
    """Process ids of the sessions that are open now, without the one that asks."""
    connection = await asyncpg.connect(dsn)
    try:
        return {row["pid"] for row in await connection.fetch(BACKENDS)}
    finally:
        await connection.close()
