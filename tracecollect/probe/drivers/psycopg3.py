"""psycopg 3 without a pool: no hooks, so `connect` and `close` are wrapped. One connection is one hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Wrap both connection classes; `psycopg.connect` is a bound method that was taken before."""
    import psycopg

    holds = probe.holds

    def connect(original: Any, *given: Any, **named: Any) -> Any:
        connection = original(*given, **named)
        holds.acquired(connection, alone=True)
        return connection

    async def connect_async(original: Any, *given: Any, **named: Any) -> Any:
        connection = await original(*given, **named)
        holds.acquired(connection, alone=True)
        return connection

    def close(original: Any, connection: Any) -> None:
        original(connection)
        closed(connection)

    async def close_async(original: Any, connection: Any) -> None:
        await original(connection)
        closed(connection)

    def closed(connection: Any) -> None:
        # A connection of a pool is the pool's to give back: closing it does not free its place.
        if connection.closed and getattr(connection, "_pool", None) is None:
            holds.released(connection, CLOSED)

    probe.patches.wrap(psycopg.Connection, "connect", connect)
    probe.patches.wrap(psycopg.Connection, "close", close)
    probe.patches.wrap(psycopg.AsyncConnection, "connect", connect_async)
    probe.patches.wrap(psycopg.AsyncConnection, "close", close_async)
    probe.patches.before(psycopg.Connection, "cursor", holds.used)
    probe.patches.before(psycopg.AsyncConnection, "cursor", holds.used)
    probe.patches.replace(psycopg, "connect", psycopg.Connection.connect)
