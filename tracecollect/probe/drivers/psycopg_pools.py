"""psycopg_pool: its `check` is called with what is handed out, its `reset` with what came back.

`reset` is not called for a connection that came back broken, so `putconn` is watched for those.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED, inside
from tracecollect.probe.pools import PoolState

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Give every new pool our callbacks, after those of its owner."""
    import psycopg_pool

    holds = probe.holds

    def added(pool: Any, named: dict[str, Any], both: Callable[..., Any]) -> None:  # noqa: ANN401
        of_pool = weakref.ref(pool)

        def took(connection: Any) -> None:  # noqa: ANN401
            owner = of_pool()
            holds.acquired(connection, pool=owner.name if owner is not None else "", slot=True)

        named["check"] = both(named.get("check"), took)
        named["reset"] = both(named.get("reset"), holds.released)
        probe.metrics.add(pool, _state)

    def pool_init(original: Any, pool: Any, *given: Any, **named: Any) -> None:  # noqa: ANN401
        added(pool, named, _both)
        original(pool, *given, **named)

    def async_pool_init(original: Any, pool: Any, *given: Any, **named: Any) -> None:  # noqa: ANN401
        added(pool, named, _both_async)
        original(pool, *given, **named)

    def putconn(original: Any, pool: Any, connection: Any) -> None:  # noqa: ANN401
        original(pool, connection)
        if connection.closed:
            holds.released(connection, CLOSED)

    async def putconn_async(original: Any, pool: Any, connection: Any) -> None:  # noqa: ANN401
        await original(pool, connection)
        if connection.closed:
            holds.released(connection, CLOSED)

    def connect(original: Any, pool: Any, *given: Any, **named: Any) -> Any:  # noqa: ANN401
        with inside():
            return original(pool, *given, **named)

    async def connect_async(original: Any, pool: Any, *given: Any, **named: Any) -> Any:  # noqa: ANN401
        with inside():
            return await original(pool, *given, **named)

    wrap = probe.patches.wrap
    wrap(psycopg_pool.ConnectionPool, "__init__", pool_init)
    wrap(psycopg_pool.ConnectionPool, "_connect", connect)
    wrap(psycopg_pool.ConnectionPool, "putconn", putconn)
    wrap(psycopg_pool.AsyncConnectionPool, "__init__", async_pool_init)
    wrap(psycopg_pool.AsyncConnectionPool, "_connect", connect_async)
    wrap(psycopg_pool.AsyncConnectionPool, "putconn", putconn_async)


def _both(first: Any, then: Callable[[Any], None]) -> Callable[[Any], None]:  # noqa: ANN401
    def both(connection: Any) -> None:  # noqa: ANN401
        if first is not None:
            first(connection)
        then(connection)

    return both


def _both_async(first: Any, then: Callable[[Any], None]) -> Callable[[Any], Any]:  # noqa: ANN401
    async def both(connection: Any) -> None:  # noqa: ANN401
        if first is not None:
            await first(connection)
        then(connection)

    return both


def _state(pool: Any) -> PoolState:  # noqa: ANN401
    said = pool.get_stats()
    size, idle = said.get("pool_size", 0), said.get("pool_available", 0)
    return PoolState(
        pool.name, used=size - idle, idle=idle, max=pool.max_size, pending=said.get("requests_waiting", 0), idle_min=pool.min_size
    )
