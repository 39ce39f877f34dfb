"""python-oracledb: no hooks. Each `Connection` object is one borrow, out of a pool or not, until its `close`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED, RETURNED

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Wrap the making and the closing of both connection classes."""
    import oracledb

    holds = probe.holds

    def init(original: Any, connection: Any, *given: Any, **named: Any) -> None:
        original(connection, *given, **named)
        holds.acquired(connection, alone=connection._pool is None)

    def close(original: Any, connection: Any) -> None:
        reason = CLOSED if connection._pool is None else RETURNED
        original(connection)
        holds.released(connection, reason)

    def awaited(original: Any, connection: Any) -> Any:
        opened = yield from original(connection)
        holds.acquired(connection, alone=connection._pool is None)
        return opened

    async def close_async(original: Any, connection: Any) -> None:
        reason = CLOSED if connection._pool is None else RETURNED
        await original(connection)
        holds.released(connection, reason)

    wrap = probe.patches.wrap
    wrap(oracledb.Connection, "__init__", init)
    wrap(oracledb.Connection, "close", close)
    probe.patches.before(oracledb.Connection, "cursor", holds.used)
    probe.patches.before(oracledb.AsyncConnection, "cursor", holds.used)
    wrap(oracledb.AsyncConnection, "__await__", awaited)
    wrap(oracledb.AsyncConnection, "close", close_async)
