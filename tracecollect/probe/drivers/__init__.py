"""One small file for each driver: what is hooked and what is wrapped, and nothing else.

Official hooks first; where a driver has none, its functions are wrapped. Each file has `patch(probe)`, called once its
module has been imported.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def _of(name: str, function: str = "patch") -> Callable[[Probe], None]:
    def patch(probe: Probe) -> None:
        getattr(importlib.import_module(f"{__name__}.{name}"), function)(probe)

    return patch


DRIVERS: Mapping[str, Callable[[Probe], None]] = {
    "psycopg": _of("psycopg3"),
    "psycopg_pool": _of("psycopg_pools"),
    "psycopg2": _of("psycopg2s"),
    "psycopg2.pool": _of("psycopg2_pools"),
    "asyncpg": _of("asyncpgs"),
    "sqlalchemy": _of("sqlalchemys"),
    "sqlite3": _of("sqlite"),
    "aiosqlite": _of("aiosqlites"),
    "pymysql": _of("pymysqls"),
    "aiomysql": _of("aiomysqls"),
    "MySQLdb": _of("mysqlclient"),
    "pyodbc": _of("pyodbcs"),
    "oracledb": _of("oracledbs"),
    "redis": _of("redises"),
    "pymongo": _of("pymongos"),
    "django.db.backends.base.base": _of("djangos"),
    "dbutils.steady_db": _of("dbutils_pools", "patch_steady"),
    "dbutils.pooled_db": _of("dbutils_pools"),
    "playhouse.pool": _of("peewees"),
    "billiard.pool": _of("billiards"),
}
"""What patches a driver, by the module after whose import it is done."""
