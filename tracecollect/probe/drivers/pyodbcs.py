"""pyodbc: its connection can be neither subclassed nor watched, so a thin proxy takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe import holds as reasons
from tracecollect.probe.place import Place

if TYPE_CHECKING:
    from tracecollect.probe import Probe
    from tracecollect.probe.holds import Holds


def patch(probe: Probe) -> None:
    """Wrap `connect`. What a pool opens for itself stays as it is."""
    import pyodbc

    def connect(original: Any, *given: Any, **named: Any) -> Any:
        connection = original(*given, **named)
        if reasons.is_inside():
            return connection
        proxy = Connection(connection, probe.holds)
        probe.holds.acquired(proxy, place=_place(connection), alone=True)
        return proxy

    probe.patches.wrap(pyodbc, "connect", connect)


def _place(connection: Any) -> Place:
    import pyodbc

    system = connection.getinfo(pyodbc.SQL_DBMS_NAME).lower()
    known = {
        "postgresql": "postgresql",
        "mysql": "mysql",
        "microsoft sql server": "microsoft.sql_server",
        "sqlite": "sqlite",
    }
    name = known.get(system, "other_sql")
    return Place(name, connection.getinfo(pyodbc.SQL_SERVER_NAME), None, connection.getinfo(pyodbc.SQL_DATABASE_NAME))


class Connection:
    """A pyodbc connection whose use and `close` are seen; everything else is the connection's own."""

    __slots__ = ("__weakref__", "_connection", "_holds")

    def __init__(self, connection: Any, holds: Holds) -> None:
        object.__setattr__(self, "_connection", connection)
        object.__setattr__(self, "_holds", holds)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)

    def __setattr__(self, name: str, value: Any) -> None:
        setattr(self._connection, name, value)

    def __enter__(self) -> Connection:
        self._connection.__enter__()
        return self

    def __exit__(self, *error: object) -> Any:
        return self._connection.__exit__(*error)

    def cursor(self) -> Any:
        """The connection's own."""
        self._holds.used(self)
        return self._connection.cursor()

    def execute(self, *given: Any) -> Any:
        """The connection's own."""
        self._holds.used(self)
        return self._connection.execute(*given)

    def close(self) -> None:
        """Close it, and say so."""
        self._connection.close()
        self._holds.released(self, reasons.CLOSED)
