"""What a service keeps for its next operation is not forgotten, and what is forgotten is not kept."""

from __future__ import annotations

import contextlib
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from driver_words import CONNECTS, KEPT, TAKEN_AND_RETURNED, psycopg_connection, run, sqlite_connection
from opentelemetry.context import Context
from opentelemetry.sdk.trace import TracerProvider
from probe_servers import MySQL, listening

TRACER = TracerProvider(shutdown_on_exit=False).get_tracer("shop")
pytestmark = KEPT


def operation():
    """A request: a trace of its own."""
    return TRACER.start_as_current_span("GET /", context=Context())


@pytest.mark.parametrize("connect", CONNECTS)
def test_what_the_next_request_uses_was_given_back_by_the_one_that_opened_it(watching, dsn, connect):
    with operation():
        connection = connect(dsn)
        connection.cursor().execute("SELECT 1")
    assert watching.story() == ["acquired"]
    for _ in range(2):
        with operation():
            connection.cursor().execute("SELECT 1")
    connection.close()
    assert watching.story() == TAKEN_AND_RETURNED


def test_sqlite_and_psycopg_are_used_without_a_cursor_too(watching, dsn):
    for connect in (psycopg_connection, sqlite_connection):
        with operation():
            connection = connect(dsn)
        with operation():
            connection.execute("SELECT 1")
        connection.close()
    assert watching.story() == TAKEN_AND_RETURNED * 2


def test_it_was_given_back_when_its_own_request_had_used_it_last(watching):
    with operation():
        connection = sqlite3.connect(":memory:")
        connection.execute("SELECT 1")
        [hold] = watching.probe.holds.open()
        assert hold.last_used_at > hold.at
    with operation():
        connection.execute("SELECT 1")
    released = [one.log_record for one in watching.sent() if one.log_record.event_name.endswith("released")]
    assert [one.timestamp for one in released] == [hold.last_used_at]
    connection.close()


def test_asyncpg_psycopg_and_aiosqlite_say_it_in_asyncio(watching, dsn):
    import aiosqlite
    import asyncpg
    import psycopg

    async def scenario():
        with operation():
            kept = [
                await asyncpg.connect(dsn),
                await psycopg.AsyncConnection.connect(dsn),
                await aiosqlite.connect(":memory:"),
            ]
            for one in kept:
                await one.execute("SELECT 1")
        assert watching.story() == ["acquired"] * 3
        with operation():
            for one in kept:
                await one.execute("SELECT 1")
        for one in kept:
            await one.close()

    run(scenario)
    assert sorted(watching.story()) == sorted(TAKEN_AND_RETURNED * 3)


def test_the_drivers_of_mysql_say_it(watching):
    import aiomysql
    import pymysql

    async def scenario(port):
        with operation():
            connection = await aiomysql.connect(host="127.0.0.1", port=port, user="u", db="shop")
        with operation():
            await connection.cursor()
        connection.close()

    with listening(MySQL) as port:
        with operation():
            connection = pymysql.connect(host="127.0.0.1", port=port, user="u", database="shop")
        with operation():
            connection.cursor()
        connection.close()
        run(lambda: scenario(port))
    assert watching.story() == TAKEN_AND_RETURNED * 2


def test_a_connection_that_nobody_else_uses_stays_held(watching):
    with operation():
        connection = sqlite3.connect(":memory:")
        with TRACER.start_as_current_span("SELECT"):
            connection.execute("SELECT 1")
    connection.execute("SELECT 1")  # by a thread of which nothing is known
    assert watching.story() == ["acquired"]
    connection.close()


def test_a_connection_of_a_pool_stays_held_whoever_uses_it(watching, dsn):
    from psycopg2.pool import ThreadedConnectionPool

    pool = ThreadedConnectionPool(1, 2, dsn)
    with operation():
        connection = pool.getconn()
    with operation():
        connection.cursor().execute("SELECT 1")
    assert watching.story() == ["acquired"]
    pool.putconn(connection)
    pool.closeall()


class Service:
    """Keeps a connection a thread, and forgets others. Its threads are asked one by one."""

    def __init__(self, stack):
        self.threads = [stack.enter_context(ThreadPoolExecutor(1)) for _ in range(3)]
        self.kept = threading.local()
        self.forgotten = []

    def connection(self):
        if not hasattr(self.kept, "connection"):
            self.kept.connection = self.connect()
        return self.kept.connection

    def connect(self):
        return sqlite3.connect(":memory:", check_same_thread=False)

    def request(self, thread):
        def answer():
            with operation():
                self.connection().execute("SELECT 1")

        self.threads[thread].submit(answer).result()

    def forget(self, thread):
        def answer():
            with operation():
                self.forgotten.append(self.connect())

        self.threads[thread].submit(answer).result()

    def close(self):
        for one in self.threads:
            one.submit(lambda: hasattr(self.kept, "connection") and self.kept.connection.close()).result()
        for one in self.forgotten:
            one.close()


@pytest.fixture
def service():
    with contextlib.ExitStack() as stack:
        one = Service(stack)
        yield one
        one.close()


def test_one_that_comes_back_speaks_for_those_of_other_threads(watching, service):
    service.request(0)
    service.request(1)
    assert watching.story() == ["acquired"] * 2
    service.request(1)
    assert sorted(watching.story()) == sorted(TAKEN_AND_RETURNED * 2)
    service.request(2)  # its first, at a place that is known by now
    assert sorted(watching.story()) == sorted(TAKEN_AND_RETURNED * 2)
    assert watching.probe.holds.open() == []


def test_what_is_forgotten_beside_it_at_the_same_place_stays_held(watching, service):
    service.request(0)
    service.forget(1)
    service.forget(1)
    service.request(0)
    assert len(watching.probe.holds.open()) == 2
    service.forget(0)
    service.request(0)
    assert len(watching.probe.holds.open()) == 3


def test_a_connection_that_another_thread_is_handed_speaks_for_itself_only(watching, service):
    for thread in (0, 1):
        service.forget(thread)

    def job():
        with operation():
            service.forgotten[0].execute("SELECT 1")

    service.threads[2].submit(job).result()
    assert len(watching.probe.holds.open()) == 1


def test_a_cache_that_connects_again_is_still_one(watching, service):
    service.request(0)
    service.request(0)

    def renew():
        service.kept.connection.close()
        del service.kept.connection

    service.threads[0].submit(renew).result()
    service.request(0)
    assert watching.probe.holds.open() == []
