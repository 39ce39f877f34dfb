"""`pytest --connection-leaks` around real test files: which test fails, with which line, and which is left alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow
HEAD = "import sqlite3\nimport pytest\nkept = []\ndef take():\n    kept.append(sqlite3.connect(':memory:'))\n"


class Session:
    """One run of pytest in a directory."""

    def __init__(self, directory: Path, text: str, *words: str, ini: str = "", gate: bool = True) -> None:
        (directory / "test_it.py").write_text(HEAD + textwrap.dedent(text))
        (directory / "pytest.ini").write_text(f"[pytest]\nasyncio_default_fixture_loop_scope = function\n{ini}")
        wanted = ["--connection-leaks"] if gate else []
        # On CI pytest prints its summary lines uncut: each message would be there twice.
        theirs = ("PYTEST_", "CI", "BUILD_NUMBER")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(theirs)}
        alone = ["-p", "no:randomly", "-p", "no:cacheprovider", f"--basetemp={directory / 'temporary'}"]
        done = subprocess.run(
            [sys.executable, "-m", "pytest", "-q", *alone, *wanted, *words],
            cwd=directory,
            env=kept,
            capture_output=True,
            text=True,
            timeout=100,
        )
        self.status, self.output = done.returncode, done.stdout + done.stderr
        self.failed = set(re.findall(r"^(?:ERROR|FAILED) test_it\.py::(\w+)", self.output, flags=re.M))


def test_the_test_that_keeps_a_connection_fails_with_the_line(tmp_path):
    session = Session(
        tmp_path, "def test_bad():\n    take()\n\ndef test_good():\n    sqlite3.connect(':memory:').close()\n"
    )
    assert (session.status, session.failed) == (1, {"test_bad"})
    assert "1 database connection was taken and not given back" in session.output
    assert "test_it.py:5 in test_it.take: :memory:, still open" in session.output


def test_without_the_option_nothing_is_asked(tmp_path):
    assert Session(tmp_path, "def test_bad():\n    take()\n", gate=False).status == 0


def test_fixtures_answer_for_what_they_take_when_they_end(tmp_path):
    session = Session(
        tmp_path,
        """
        @pytest.fixture(scope="module")
        def wide():
            connection = sqlite3.connect(":memory:")
            yield connection
            connection.close()

        @pytest.fixture
        def narrow():
            connection = sqlite3.connect(":memory:")
            yield connection
            connection.close()

        @pytest.fixture(scope="class")
        def forgetful():
            take()

        def test_wide(wide): ...
        def test_wide_again(wide): ...
        def test_narrow(narrow): ...

        class TestForgetful:
            def test_one(self, forgetful): ...
            def test_two(self, forgetful): ...
        """,
    )
    assert session.status == 1
    assert re.findall(r"^ERROR test_it\.py::(\S+)", session.output, flags=re.M) == ["TestForgetful::test_two"]
    assert "taken by fixture forgetful" in session.output


def test_a_mark_a_fixture_and_a_list_allow_it_each_with_a_reason(tmp_path):
    text = """
        @pytest.mark.keeps_connection(reason="looks at what is kept")
        def test_marked():
            take()

        def test_asked(keeps_connection):
            keeps_connection("looks at what is kept")
            take()

        def other():
            kept.append(sqlite3.connect("file:x?mode=memory", uri=True))

        def test_listed():
            other()
    """
    ini = "connection_leaks_allow =\n    test_it.py:* in test_it.other: a connection for the whole session\n"
    assert Session(tmp_path, text, ini=ini).failed == set()


def test_an_exclusion_without_a_reason_is_refused(tmp_path):
    marked = Session(tmp_path, "@pytest.mark.keeps_connection()\ndef test_marked():\n    take()\n")
    assert marked.failed == {"test_marked"}
    assert "needs a reason" in marked.output
    listed = Session(tmp_path, "def test_it(): ...\n", ini="connection_leaks_allow =\n    shop.*\n")
    assert listed.status == 4
    assert "has no reason" in listed.output


def test_what_the_garbage_collector_took_is_a_warning_that_can_be_made_an_error(tmp_path):
    text = "def test_dropped():\n    sqlite3.connect(':memory:')\n"
    told = Session(tmp_path, text)
    assert told.status == 0
    assert "ConnectionCollectedWarning: a connection to :memory: was not closed" in told.output
    strict = "filterwarnings =\n    error::tracecollect.pytest_plugin.ConnectionCollectedWarning\n"
    assert Session(tmp_path, text, ini=strict).failed == {"test_dropped"}


def test_it_works_in_the_workers_of_xdist(tmp_path):
    text = "def test_bad():\n    take()\n" + "".join(f"def test_good_{n}():\n    pass\n" for n in range(6))
    assert Session(tmp_path, text, "-n", "2").failed == {"test_bad"}


def test_it_works_in_asyncio_with_a_real_postgresql(tmp_path, dsn):
    session = Session(
        tmp_path,
        f"""
        import asyncpg
        import pytest_asyncio

        @pytest_asyncio.fixture
        async def pool():
            pool = await asyncpg.create_pool({dsn!r}, min_size=1, max_size=3)
            yield pool
            pool.terminate()

        @pytest.mark.asyncio
        async def test_good(pool):
            async with pool.acquire() as connection:
                assert await connection.fetchval("SELECT 1") == 1

        @pytest.mark.asyncio
        async def test_bad():
            kept.append(await asyncpg.connect({dsn!r}))
        """,
    )
    assert session.failed == {"test_bad"}
    assert "in test_it.test_bad: 127.0.0.1:" in session.output


POOL = """
@pytest.fixture(scope="{scope}")
def pool():
    taken = []
    def connect():
        taken.append(sqlite3.connect(":memory:"))
        return taken[-1]
    yield connect
    for one in taken:
        one.close()

class TestPool:
    def test_good(self, pool):
        pool().close()

    def test_bad(self, pool):
        pool()
"""


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
def test_the_last_test_answers_before_a_wider_fixture_closes_its_pool(tmp_path, scope):
    session = Session(tmp_path, POOL.format(scope=scope))
    assert session.status == 1
    assert re.findall(r"^ERROR test_it\.py::(\S+)", session.output, flags=re.M) == ["TestPool::test_bad"]
    assert re.search(r"test_it\.py:\d+ in test_it\.\S*connect: :memory:, still open", session.output)


def test_the_last_test_of_a_worker_of_xdist_answers_before_its_session_ends(tmp_path):
    text = POOL.format(scope="session").replace("        pool().close()", "        pool()")
    session = Session(tmp_path, text, "-n", "2")
    assert session.output.count("1 database connection was taken and not given back") == 2


def test_the_last_test_answers_in_asyncio_before_a_wider_pool_is_terminated(tmp_path, dsn):
    session = Session(
        tmp_path,
        f"""
        import asyncpg
        import pytest_asyncio

        pytestmark = pytest.mark.asyncio(loop_scope="module")

        @pytest_asyncio.fixture(scope="module", loop_scope="module")
        async def pool():
            pool = await asyncpg.create_pool({dsn!r}, min_size=1, max_size=3)
            yield pool
            pool.terminate()

        async def test_good(pool):
            async with pool.acquire() as connection:
                assert await connection.fetchval("SELECT 1") == 1

        async def test_bad(pool):
            await pool.acquire()
        """,
    )
    assert session.failed == {"test_bad"}
    assert "in test_it.test_bad: 127.0.0.1:" in session.output


def test_what_a_fixture_of_the_test_itself_gives_back_is_back_in_the_last_test_too(tmp_path):
    text = """
        import unittest

        @pytest.fixture
        def closing():
            yield
            kept.pop().close()

        @pytest.fixture(scope="module")
        def wide():
            connection = sqlite3.connect(":memory:")
            yield connection
            connection.close()

        class TestUnit(unittest.TestCase):
            def setUp(self):
                self.connection = sqlite3.connect(":memory:")

            def tearDown(self):
                self.connection.close()

            def test_unit(self): ...

        def test_last(wide, closing):
            take()
    """
    session = Session(tmp_path, text)
    assert session.status == 0, session.output


def test_a_pool_that_cannot_be_closed_because_of_the_leak_does_not_hide_it(tmp_path):
    session = Session(
        tmp_path,
        """
        @pytest.fixture(scope="module")
        def wide():
            yield
            raise RuntimeError("1 connection is still out")

        def test_bad(wide):
            take()
        """,
    )
    assert session.failed == {"test_bad"}
    assert "1 connection is still out" in session.output
    assert "test_it.py:5 in test_it.take: :memory:, still open" in session.output
