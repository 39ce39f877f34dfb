"""The drivers that need a database no package brings: against a real MariaDB, and ODBC, where the machine has them."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from driver_words import DROPPED, KEPT, TAKEN_AND_CLOSED, TAKEN_AND_RETURNED, collect, line

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("mariadbd") is None, reason="no mariadbd on PATH"),
]
HERE = Path(__file__).relative_to(Path.cwd()).as_posix()
_PATIENCE = 60.0


@pytest.fixture(scope="module")
def socket(tmp_path_factory) -> Iterator[str]:
    """Where a MariaDB listens that lets everybody in; a socket, so that no port is taken."""
    home = Path(tmp_path_factory.mktemp("mariadb"))
    where = str(home / "s")
    data = ["--no-defaults", f"--datadir={home}/data", "--user=root"]
    subprocess.run(
        ["mariadb-install-db", *data, "--auth-root-authentication-method=normal", "--skip-test-db"],
        check=True,
        capture_output=True,
    )
    process = subprocess.Popen(
        ["mariadbd", *data, f"--socket={where}", "--skip-networking", "--skip-grant-tables"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        until = time.monotonic() + _PATIENCE
        while not Path(where).exists():
            assert process.poll() is None, "MariaDB did not start"
            assert time.monotonic() < until, "MariaDB did not start in time"
            time.sleep(0.05)
        yield where
    finally:
        process.terminate()
        process.wait(_PATIENCE)


def test_pymysql_is_followed(watching, socket):
    import pymysql

    connection = pymysql.connect(unix_socket=socket, user="root", database="mysql")
    taken = line() - 1
    with connection, connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    assert watching.story() == TAKEN_AND_CLOSED
    assert watching.said()[0].code == f"{HERE}:{taken}"


def test_aiomysql_and_its_pool_are_followed(watching, socket):
    import aiomysql

    async def scenario() -> None:
        making = aiomysql.create_pool(unix_socket=socket, user="root")
        async with making as pool, pool.acquire() as connection, connection.cursor() as cursor:
            await cursor.execute("SELECT 1")

    asyncio.run(scenario())
    assert watching.story() == TAKEN_AND_RETURNED


@KEPT
def test_mysqlclient_is_followed(watching, socket):
    pytest.importorskip("MySQLdb", reason="needs mysqlclient")
    import MySQLdb

    connection = MySQLdb.connect(unix_socket=socket, user="root", database="mysql")
    taken = line() - 1
    connection.cursor().execute("SELECT 1")
    connection.close()
    assert watching.story() == TAKEN_AND_CLOSED
    first = watching.said()[0]
    assert (first.code, first.attributes["db.namespace"]) == (f"{HERE}:{taken}", "mysql")
    MySQLdb.connect(unix_socket=socket, user="root")
    collect()
    assert watching.story() == TAKEN_AND_CLOSED + DROPPED


@KEPT
def test_sqlalchemy_over_mysqlclient_is_told_once(watching, socket):
    pytest.importorskip("MySQLdb", reason="needs mysqlclient")
    import sqlalchemy

    engine = sqlalchemy.create_engine(f"mysql+mysqldb://root@/mysql?unix_socket={socket}")
    with engine.connect() as connection:
        connection.execute(sqlalchemy.text("SELECT 1"))
    engine.dispose()
    assert watching.story() == TAKEN_AND_RETURNED


@KEPT
def test_pyodbc_is_followed(watching, socket):
    pyodbc = pytest.importorskip("pyodbc", reason="needs pyodbc")
    driver = next(Path("/usr/lib").glob("*/odbc/libmaodbc.so"), None)
    if driver is None:
        pytest.skip("no ODBC driver of MariaDB")
    where = f"DRIVER={driver};SOCKET={socket};UID=root;DATABASE=mysql"
    connection = pyodbc.connect(where)
    taken = line() - 1
    assert connection.execute("SELECT 1").fetchval() == 1
    with connection:
        connection.execute("SELECT 2")
    connection.autocommit = True
    connection.close()
    assert watching.story() == TAKEN_AND_CLOSED
    first = watching.said()[0]
    assert (first.code, first.attributes["db.namespace"]) == (f"{HERE}:{taken}", "mysql")
    pyodbc.connect(where)
    collect()
    assert watching.story() == TAKEN_AND_CLOSED + DROPPED
