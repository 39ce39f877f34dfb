"""aiosqlite: connects on a thread of its own, so that the hold is the one of its connection, not of sqlite3's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED, inside
from tracecollect.probe.place import place_of

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Wrap the coroutine behind `await connect()`, and `close`."""
    import aiosqlite

    holds = probe.holds

    def init(original: Any, connection: Any, connector: Any, *given: Any, **named: Any) -> None:
        def quietly() -> Any:
            with inside():
                return connector()

        original(connection, quietly, *given, **named)

    async def connect(original: Any, connection: Any) -> Any:
        opened = await original(connection)
        holds.acquired(connection, place=place_of(connection._conn), alone=True)
        return opened

    async def close(original: Any, connection: Any) -> None:
        try:
            await original(connection)
        finally:
            holds.released(connection, CLOSED)

    probe.patches.wrap(aiosqlite.Connection, "__init__", init)
    probe.patches.wrap(aiosqlite.Connection, "_connect", connect)
    probe.patches.wrap(aiosqlite.Connection, "close", close)
    # What is behind everything that it can do.
    probe.patches.before(aiosqlite.Connection, "_execute", holds.used)
