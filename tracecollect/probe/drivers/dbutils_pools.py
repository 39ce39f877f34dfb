"""DBUtils: no hooks. Its pool hands out proxies and takes them back at `close`.

What it keeps for a thread (`PersistentDB`) is nobody's hold.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import inside
from tracecollect.probe.place import place_of

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch_steady(probe: Probe) -> None:
    """Every connection of DBUtils is made here: for a pool, for a thread, or anew when the old one was lost."""
    from dbutils.steady_db import SteadyDBConnection

    def create(original: Any, steady: Any) -> Any:
        with inside():
            return original(steady)

    probe.patches.wrap(SteadyDBConnection, "_create", create)


def patch(probe: Probe) -> None:
    """Wrap the pool's `connection`, and `close` of both kinds of proxies."""
    from dbutils import pooled_db

    holds = probe.holds

    def init(original: Any, pool: Any, *given: Any, **named: Any) -> None:
        with inside():  # it takes its first connections from itself
            original(pool, *given, **named)

    def connection(original: Any, pool: Any, *given: Any, **named: Any) -> Any:
        proxy = original(pool, *given, **named)
        steady = getattr(proxy, "_con", None)
        holds.acquired(proxy, place=place_of(getattr(steady, "_con", proxy)))
        return proxy

    wrap = probe.patches.wrap
    wrap(pooled_db.PooledDB, "__init__", init)
    wrap(pooled_db.PooledDB, "connection", connection)
    for kind in (pooled_db.PooledDedicatedDBConnection, pooled_db.PooledSharedDBConnection):
        # Before the pool has it: a moment later it may be somebody else's.
        probe.patches.before(kind, "close", holds.released)
