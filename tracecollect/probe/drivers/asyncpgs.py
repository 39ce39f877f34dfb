"""asyncpg: a pool's `setup` is called with what is handed out, its `reset` with what came back.

A connection says itself when it ends (termination listeners). Only `asyncpg.connect` has to be wrapped.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED, COLLECTED
from tracecollect.probe.place import place_of
from tracecollect.probe.pools import PoolState

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Wrap `connect`, and give every new pool our callbacks beside those of its owner."""
    import asyncpg
    import asyncpg.pool

    holds = probe.holds

    def ended(connection: Any) -> None:
        holds.released(connection, CLOSED)

    async def connect(original: Any, *given: Any, **named: Any) -> Any:
        connection = await original(*given, **named)
        holds.acquired(connection, alone=True)
        connection.add_termination_listener(ended)
        if holds.holds(connection):
            connection.add_query_logger(used(weakref.ref(connection)))
        return connection

    def used(watched: weakref.ref[Any]) -> Callable[[object], None]:
        def queried(_: object) -> None:
            holds.used(watched())

        return queried

    def deleted(connection: Any) -> None:
        # It terminates itself, and its listeners hear of that later, when nothing shows why any more.
        holds.released(connection, CLOSED if connection.is_closed() else COLLECTED)

    def took(proxy: Any) -> None:
        holds.acquired(proxy._con, watch=proxy, slot=True)
        proxy._con.add_termination_listener(ended)
        # The pool itself cannot be watched; each of its holders lives as long as it does.
        probe.metrics.add(proxy._holder._pool._holders[0], _state)

    def pool_init(original: Any, pool: Any, *given: Any, **named: Any) -> None:
        _hooked(named, took, holds.released)
        original(pool, *given, **named)

    probe.patches.wrap(asyncpg, "connect", connect)
    probe.patches.before(asyncpg.Connection, "__del__", deleted)
    probe.patches.wrap(asyncpg.pool.Pool, "__init__", pool_init)


def _hooked(named: dict[str, Any], took: Callable[[Any], None], gave: Callable[[Any], None]) -> None:
    """Our callbacks after the owner's. Without an owner's `reset` the pool calls the connection's: so does ours."""
    setup, reset = named.get("setup"), named.get("reset")

    async def on_setup(proxy: Any) -> None:
        if setup is not None:
            await setup(proxy)
        took(proxy)

    async def on_reset(connection: Any) -> None:
        await (reset(connection) if reset is not None else connection.reset())
        gave(connection)

    named["setup"], named["reset"] = on_setup, on_reset


def _state(holder: Any) -> PoolState:
    pool = holder._pool
    # It has no name: it is called by where its connections lead.
    name = next((place_of(one._con).name for one in pool._holders if one._con is not None), "")
    size, idle = pool.get_size(), pool.get_idle_size()
    waiting = len(getattr(pool._queue, "_getters", ()) or ())
    return PoolState(name, size - idle, idle, pool.get_max_size(), waiting, pool.get_min_size())
