"""PyMySQL: no hooks, so the class is wrapped. One connection is one hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Wrap `connect` (of a new connection, and of one that comes back to life) and what ends it."""
    from pymysql.connections import Connection

    holds = probe.holds

    def connect(original: Any, connection: Any, *given: Any, **named: Any) -> None:
        original(connection, *given, **named)
        if not holds.holds(connection):
            holds.acquired(connection, alone=True)

    def close(original: Any, connection: Any) -> None:
        try:
            original(connection)
        finally:
            holds.released(connection, CLOSED)

    probe.patches.wrap(Connection, "connect", connect)
    probe.patches.before(Connection, "cursor", holds.used)
    probe.patches.wrap(Connection, "close", close)
    # What PyMySQL calls when the server is gone; its `__del__` is the same function, and stays as it is.
    probe.patches.wrap(Connection, "_force_close", close)
