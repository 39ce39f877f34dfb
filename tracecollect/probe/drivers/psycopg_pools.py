"""psycopg_pool: its `check` is called with what is handed out. What comes back is seen by wrapping `putconn`.

There is a hook for that, too (`reset`), but a pool that has one gives every connection back by way of a worker thread,
and does not call it for one that came back broken.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED, RETURNED, inside
from tracecollect.probe.pools import PoolState

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Give every new pool our callbacks, after those of its owner."""
    holds = probe.holds

    def added(pool: Any, named: dict[str, Any], both: Callable[..., Any]) -> None:
        of_pool = weakref.ref(pool)

        def took(connection: Any) -> None:
            owner = of_pool()
            holds.acquired(connection, pool=owner.name if owner is not None else "", slot=True)

        named["check"] = both(named.get("check"), took)
        probe.metrics.add(pool, _state)

    def gave(pool: Any, conn: Any) -> None:
        # Before the pool has it: a moment later it may be somebody else's.
        if getattr(conn, "_pool", None) is pool:
            holds.released(conn, CLOSED if conn.closed else RETURNED)

    _patch_sync(probe, added, gave)
    _patch_async(probe, added, gave)


def _patch_sync(probe: Probe, added: Callable[..., None], gave: Callable[[Any, Any], None]) -> None:
    from psycopg_pool import ConnectionPool

    def init(original: Any, pool: Any, *given: Any, **named: Any) -> None:
        added(pool, named, _both)
        original(pool, *given, **named)

    def connect(original: Any, pool: Any, *given: Any, **named: Any) -> Any:
        with inside():
            return original(pool, *given, **named)

    probe.patches.wrap(ConnectionPool, "__init__", init)
    probe.patches.wrap(ConnectionPool, "_connect", connect)
    probe.patches.before(ConnectionPool, "putconn", gave)


def _patch_async(probe: Probe, added: Callable[..., None], gave: Callable[[Any, Any], None]) -> None:
    from psycopg_pool import AsyncConnectionPool

    def init(original: Any, pool: Any, *given: Any, **named: Any) -> None:
        added(pool, named, _both_async)
        original(pool, *given, **named)

    async def connect(original: Any, pool: Any, *given: Any, **named: Any) -> Any:
        with inside():
            return await original(pool, *given, **named)

    probe.patches.wrap(AsyncConnectionPool, "__init__", init)
    probe.patches.wrap(AsyncConnectionPool, "_connect", connect)
    probe.patches.before(AsyncConnectionPool, "putconn", gave)


def _both(first: Any, then: Callable[[Any], None]) -> Callable[[Any], None]:
    if first is None:
        return then

    def both(connection: Any) -> None:
        first(connection)
        then(connection)

    return both


def _both_async(first: Any, then: Callable[[Any], None]) -> Callable[[Any], Any]:
    async def both(connection: Any) -> None:
        if first is not None:
            await first(connection)
        then(connection)

    return both


def _state(pool: Any) -> PoolState:
    said = pool.get_stats()
    size, idle = said.get("pool_size", 0), said.get("pool_available", 0)
    return PoolState(
        pool.name,
        used=size - idle,
        idle=idle,
        max=pool.max_size,
        pending=said.get("requests_waiting", 0),
        idle_min=pool.min_size,
    )
