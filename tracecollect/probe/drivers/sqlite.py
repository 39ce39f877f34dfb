"""sqlite3: the connection is a C type, so a subclass that tells of its use and its end takes its place."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tracecollect.probe.patches import followed
from tracecollect.probe.place import Place, remember

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Wrap `connect` to make connections of the subclass."""
    import sqlite3
    import sqlite3.dbapi2

    holds = probe.holds

    def connect(original: Any, *given: Any, **named: Any) -> Any:
        # `factory` is the sixth by place.
        factory = given[5] if len(given) > 5 else named.pop("factory", sqlite3.Connection)
        kind = followed(factory, holds, "cursor", "execute", "executemany", "executescript")
        if len(given) > 5:
            given = (*given[:5], kind, *given[6:])
        else:
            named["factory"] = kind
        connection = original(*given, **named)
        place = _place(given[0] if given else named.get("database", ""))
        remember(connection, place)
        holds.acquired(connection, place=place, alone=True)
        return connection

    probe.patches.wrap(sqlite3.dbapi2, "connect", connect)
    probe.patches.replace(sqlite3, "connect", sqlite3.dbapi2.connect)


@functools.lru_cache(maxsize=256)
def _place(database: Any) -> Place:
    name = os.fsdecode(database)
    return Place("sqlite", "", None, name if name.startswith(":") else Path(name).name)
