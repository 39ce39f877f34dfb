"""peewee's pools: no hooks, so what takes a connection from the pool, and what gives it back, is wrapped.

peewee's other databases open a connection a thread, and close it: their driver tells of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED, RETURNED, inside

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Wrap what every pooled database has."""
    from playhouse.pool import PooledDatabase

    holds = probe.holds

    def connect(original: Any, pool: Any) -> Any:
        with inside():
            connection = original(pool)
        holds.acquired(connection)
        return connection

    def gave(_: Any, conn: Any, close_conn: bool = False) -> None:
        # Before the pool has it: a moment later it may be somebody else's.
        holds.released(conn, CLOSED if close_conn else RETURNED)

    probe.patches.wrap(PooledDatabase, "_connect", connect)
    probe.patches.before(PooledDatabase, "_close", gave)
