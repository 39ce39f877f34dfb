"""mysqlclient (MySQLdb): no hooks, so its connection class is wrapped. One connection is one hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Wrap the class of Python around the one of C."""
    from MySQLdb.connections import Connection

    holds = probe.holds

    def init(original: Any, connection: Any, *given: Any, **named: Any) -> None:
        original(connection, *given, **named)
        holds.acquired(connection, alone=True)

    def close(original: Any, connection: Any) -> None:
        original(connection)
        holds.released(connection, CLOSED)

    probe.patches.wrap(Connection, "__init__", init)
    probe.patches.before(Connection, "cursor", holds.used)
    probe.patches.wrap(Connection, "close", close)
