"""psycopg2 without a pool: the connection is a C type, so a subclass that tells of its use and end takes its place."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tracecollect.probe.patches import followed

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Wrap `connect` to make connections of the subclass."""
    import psycopg2
    import psycopg2.extensions

    holds = probe.holds

    def connect(original: Any, dsn: Any = None, connection_factory: Any = None, *given: Any, **named: Any) -> Any:
        kind = followed(connection_factory or psycopg2.extensions.connection, holds, "cursor")
        connection = original(dsn, kind, *given, **named)
        holds.acquired(connection, alone=True)
        return connection

    probe.patches.wrap(psycopg2, "connect", connect)
