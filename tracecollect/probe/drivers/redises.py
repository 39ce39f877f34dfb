"""redis: its pool has no hooks, so `get_connection` and `release` are wrapped. A command borrows and gives back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.pools import PoolState

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Wrap the pools of both kinds, and their blocking variants."""
    import redis
    import redis.asyncio

    holds = probe.holds

    def get(original: Any, pool: Any, *given: Any, **named: Any) -> Any:
        connection = original(pool, *given, **named)
        took(pool, connection)
        return connection

    async def get_async(original: Any, pool: Any, *given: Any, **named: Any) -> Any:
        connection = await original(pool, *given, **named)
        took(pool, connection)
        return connection

    def took(pool: Any, connection: Any) -> None:
        # A blocking pool calls the one that it inherits from.
        if not holds.holds(connection):
            holds.acquired(connection, slot=True)
            probe.metrics.add(pool, _state)

    def gave(_: Any, connection: Any) -> None:
        # Before the pool has it: a moment later it may be somebody else's.
        holds.released(connection)

    for kind in (redis.ConnectionPool, redis.BlockingConnectionPool):
        probe.patches.wrap(kind, "get_connection", get)
        probe.patches.before(kind, "release", gave)
    for async_kind in (redis.asyncio.ConnectionPool, redis.asyncio.BlockingConnectionPool):
        probe.patches.wrap(async_kind, "get_connection", get_async)
        probe.patches.before(async_kind, "release", gave)


def _state(pool: Any) -> PoolState:
    where = pool.connection_kwargs
    name = f"{where.get('host', where.get('path', 'localhost'))}:{where.get('port', 6379)}/{where.get('db', 0)}"
    idle = len(pool._available_connections)
    return PoolState(name, len(pool._in_use_connections), idle, pool.max_connections)
