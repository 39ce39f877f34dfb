"""Where a connection leads: asked of the connection itself, in its driver's own words."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from weakref import ref

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Place:
    """A database. What is not known is empty."""

    system: str
    address: str = ""
    port: int | None = None
    namespace: str = ""
    name: str = field(init=False, default="")
    attributes: Mapping[str, str | int] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Spell it once: every event of every hold says it."""
        named = {"server.address": self.address, "server.port": self.port, "db.namespace": self.namespace}
        said = {key: value for key, value in named.items() if value}
        object.__setattr__(self, "attributes", {"db.system.name": self.system, **said})
        # The name of a pool without one, as the semantic conventions have it.
        address = f"{self.address}:{self.port}" if self.port else self.address
        object.__setattr__(self, "name", "/".join(filter(None, (address, self.namespace))))


def place_of(connection: Any) -> Place:
    """Where it leads. Learned once a connection: some drivers ask their C library each time."""
    known = _known.get(id(connection))
    if known is not None and known[0]() is connection:
        return known[1]
    place = _asked(getattr(connection, "driver_connection", connection))
    remember(connection, place)
    return place


def remember(connection: object, place: Place) -> None:
    """Where a connection leads, for one that cannot be asked. Does nothing for one that cannot be watched."""
    key = id(connection)
    with suppress(TypeError):
        _known[key] = ref(connection, lambda _: _known.pop(key, None)), place


# By address: a dictionary of weak keys asks each connection for its hash, in Python, for every hold.
_known: dict[int, tuple[ref[Any], Place]] = {}


def _asked(connection: Any) -> Place:
    for kind in type(connection).__mro__:
        ask = _ASK.get(kind.__module__.partition(".")[0])
        if ask is not None:
            try:
                return ask(connection)
            except Exception as error:
                # A closed connection no longer says where it led; its system is still known.
                _log.debug("a connection does not say where it leads", exc_info=error)
                return Place(kind.__module__.partition(".")[0])
    return Place("other_sql")


def _postgres(connection: Any) -> Place:
    said = connection.info
    return Place("postgresql", said.host or "", int(said.port or 0) or None, said.dbname or "")


def _asyncpg(connection: Any) -> Place:
    address = connection._addr
    host, port = (address, None) if isinstance(address, str) else (address[0], address[1])
    return Place("postgresql", host, port, connection._params.database or "")


def _mysql(connection: Any) -> Place:
    name = getattr(connection, "db", "") or getattr(connection, "_db", "") or ""
    host = getattr(connection, "host", "") or getattr(connection, "_host", "")
    port = getattr(connection, "port", None) or getattr(connection, "_port", None)
    return Place("mysql", str(host), port, name.decode() if isinstance(name, bytes) else str(name))


def _redis(connection: Any) -> Place:
    host = getattr(connection, "host", "") or getattr(connection, "path", "")
    return Place("redis", host, getattr(connection, "port", None), str(getattr(connection, "db", "") or ""))


def _oracle(connection: Any) -> Place:
    return Place("oracle.db", connection.dsn.partition("/")[0], None, connection.service_name or "")


_ASK: dict[str, Callable[[Any], Place]] = {
    "psycopg": _postgres,
    "psycopg2": _postgres,
    "asyncpg": _asyncpg,
    "pymysql": _mysql,
    "aiomysql": _mysql,
    "MySQLdb": _mysql,
    "redis": _redis,
    "oracledb": _oracle,
}
