"""Words that the tests of drivers share."""

from __future__ import annotations

import asyncio
import gc
import inspect
import sqlite3
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

KEPT = pytest.mark.keeps_connection(reason="forgets connections to see what is said of it")
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


def psycopg_connection(dsn: str) -> Any:
    import psycopg

    return psycopg.connect(dsn)


def psycopg2_connection(dsn: str) -> Any:
    import psycopg2

    return psycopg2.connect(dsn)


def sqlite_connection(_: str) -> Any:
    return sqlite3.connect(":memory:", check_same_thread=False)


CONNECTS = [psycopg_connection, psycopg2_connection, sqlite_connection]
