"""aiomysql: no hooks, so `connect`, what ends a connection, and the pool's two sides are wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED, inside
from tracecollect.probe.place import place_of
from tracecollect.probe.pools import PoolState

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Wrap the connection and the pool."""
    from aiomysql.connection import Connection
    from aiomysql.pool import Pool

    holds = probe.holds

    async def connect(original: Any, connection: Any) -> None:
        await original(connection)
        if not holds.holds(connection):
            holds.acquired(connection, alone=True)

    def close(original: Any, connection: Any) -> None:
        original(connection)
        holds.released(connection, CLOSED)

    async def fill(original: Any, pool: Any, *given: Any) -> None:
        with inside():
            await original(pool, *given)

    async def acquire(original: Any, pool: Any) -> Any:
        connection = await original(pool)
        holds.acquired(connection, slot=True)
        probe.metrics.add(pool, _state)
        return connection

    def gave(_: Any, conn: Any) -> None:
        holds.released(conn)

    wrap = probe.patches.wrap
    wrap(Connection, "_connect", connect)
    wrap(Connection, "close", close)
    probe.patches.before(Connection, "cursor", holds.used)
    wrap(Pool, "_fill_free_pool", fill)
    wrap(Pool, "_acquire", acquire)
    probe.patches.before(Pool, "release", gave)


def _state(pool: Any) -> PoolState:
    name = next((place_of(one).name for one in (*pool._free, *pool._used)), "")
    return PoolState(name, pool.size - pool.freesize, pool.freesize, pool.maxsize, None, pool.minsize)
