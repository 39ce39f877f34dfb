"""psycopg2's own pools: no hooks, so `getconn` and `putconn` are wrapped."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED, RETURNED, inside
from tracecollect.probe.place import place_of
from tracecollect.probe.pools import PoolState

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Wrap both pool classes."""
    from psycopg2 import pool as pools

    holds = probe.holds

    def init(original: Any, pool: Any, *given: Any, **named: Any) -> None:
        original(pool, *given, **named)
        probe.metrics.add(pool, _state)

    def getconn(original: Any, pool: Any, *given: Any, **named: Any) -> Any:
        connection = original(pool, *given, **named)
        # By key a borrower may ask again for what it holds.
        if not holds.holds(connection):
            holds.acquired(connection, slot=True)
        return connection

    def gave(pool: Any, conn: Any = None, *_: object, **__: object) -> None:
        # Before the pool has it: a moment later it may be somebody else's.
        if id(conn) in pool._rused:
            holds.released(conn, CLOSED if conn.closed else RETURNED)

    def connect(original: Any, pool: Any, *given: Any, **named: Any) -> Any:
        with inside():
            return original(pool, *given, **named)

    wrap = probe.patches.wrap
    wrap(pools.AbstractConnectionPool, "_connect", connect)
    wrap(pools.AbstractConnectionPool, "__init__", init)
    for kind in (pools.SimpleConnectionPool, pools.ThreadedConnectionPool):
        wrap(kind, "getconn", getconn)
        probe.patches.before(kind, "putconn", gave)


def _state(pool: Any) -> PoolState:
    idle, used = list(pool._pool), list(pool._used.values())
    name = next((place_of(one).name for one in (*idle, *used)), "")
    return PoolState(name, len(used), len(idle), pool.maxconn, None, pool.minconn)
