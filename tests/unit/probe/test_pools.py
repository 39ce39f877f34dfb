"""Every pool for real: what it hands out and takes back is said, and what its borrowers dropped."""

from __future__ import annotations

import asyncio
import gc
import warnings
from pathlib import Path

import pytest
import sqlalchemy
from driver_words import DROPPED, KEPT, SLOT_LOST, TAKEN_AND_CLOSED, TAKEN_AND_RETURNED, collect, line, run
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session

HERE = Path(__file__).relative_to(Path.cwd()).as_posix()


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


def test_what_no_pool_has_is_not_counted_with_a_pool_to_the_same_database(watching, dsn):
    import psycopg2.pool

    pool = psycopg2.pool.ThreadedConnectionPool(1, 1, dsn)
    pool.putconn(pool.getconn())
    psycopg2.connect(dsn).close()
    pool.closeall()
    names = [one.attributes["db.client.connection.pool.name"] for one in watching.said()]
    assert names == [names[0]] * 2 + [f"{names[0]} (no pool)"] * 2


def test_a_connection_is_given_back_by_the_name_that_the_pool_has_for_it(watching, dsn):
    import psycopg2.pool
    from psycopg_pool import AsyncConnectionPool, ConnectionPool

    with ConnectionPool(dsn, min_size=1, open=True) as pool:
        pool.putconn(conn=pool.getconn())
    other = psycopg2.pool.ThreadedConnectionPool(1, 1, dsn)
    other.putconn(conn=other.getconn())
    other.closeall()

    async def scenario():
        async with AsyncConnectionPool(dsn, min_size=1, open=False) as pool:
            assert asyncio.iscoroutinefunction(pool.putconn), "it is called as without the probe"
            await pool.putconn(conn=await pool.getconn())

    run(scenario)
    assert watching.story() == 3 * TAKEN_AND_RETURNED


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


# --- pools of libraries above the drivers --------------------------------------------------------------


@pytest.mark.parametrize("shared", [0, 2])
def test_a_pool_of_dbutils_hands_out_and_takes_back(watching, dsn, shared):
    import psycopg2
    from dbutils.pooled_db import PooledDB

    pool = PooledDB(psycopg2, mincached=1, maxshared=shared, dsn=dsn)
    assert watching.story() == [], "the pool's own connections are nobody's hold"
    for _ in range(2):
        with pool.connection() as connection:
            taken = line() - 1
            connection.cursor().execute("SELECT 1")
    pool.close()
    assert watching.story() == TAKEN_AND_RETURNED * 2
    assert watching.said()[0].code == f"{HERE}:{taken}"
    assert watching.said()[0].attributes["db.system.name"] == "postgresql"


@KEPT
def test_a_connection_of_dbutils_is_held_until_it_is_given_back_or_dropped(watching, dsn):
    import psycopg2
    from dbutils.pooled_db import PooledDB

    pool = PooledDB(psycopg2, dsn=dsn)
    connection = pool.connection()
    assert watching.story() == ["acquired"]
    del connection
    collect()
    assert watching.story() == DROPPED
    pool.close()


def test_what_dbutils_keeps_for_a_thread_is_nobodys_hold(watching, dsn):
    import psycopg2
    from dbutils.persistent_db import PersistentDB

    connection = PersistentDB(psycopg2, dsn=dsn, closeable=True).connection()
    connection.cursor().execute("SELECT 1")
    assert watching.probe.holds.open() == []
    connection.close()
    assert watching.story() == []


@KEPT
def test_a_pool_of_peewee_hands_out_and_takes_back(watching, dsn):
    from playhouse.pool import PooledPostgresqlDatabase

    database = PooledPostgresqlDatabase(dsn)
    for _ in range(2):
        with database.connection_context():
            database.execute_sql("SELECT 1")
    assert watching.story() == TAKEN_AND_RETURNED * 2
    database.connect()
    taken = line() - 1
    (held,) = watching.probe.holds.open()
    assert (held.code.path, held.code.line) == (HERE, taken)
    database.manual_close()
    database.close_all()
    assert watching.probe.holds.open() == []


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


def test_a_session_of_sqlalchemy_names_the_line_that_asked_for_the_first_row(watching, dsn):
    async def scenario():
        engine = create_async_engine(dsn.replace("postgresql:", "postgresql+psycopg:"))
        async with AsyncSession(engine) as session:
            await session.execute(sqlalchemy.text("SELECT 1"))
        await engine.dispose()
        return line() - 2

    taken = [asyncio.run(scenario())]
    engine = sqlalchemy.create_engine(dsn.replace("postgresql:", "postgresql+psycopg2:"))
    with Session(engine) as session:
        session.execute(sqlalchemy.text("SELECT 1"))
        taken.append(line() - 1)
    engine.dispose()
    assert watching.story() == TAKEN_AND_RETURNED * 2
    assert [one.code for one in watching.said() if one.event == "acquired"] == [f"{HERE}:{one}" for one in taken]


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
