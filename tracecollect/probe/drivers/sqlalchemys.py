"""SQLAlchemy: its pool has an event for everything. What its pool opens through a driver is not told twice."""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING, Any

from tracecollect.probe.holds import CLOSED, COLLECTED, RETURNED, inside
from tracecollect.probe.place import Place, place_of
from tracecollect.probe.pools import PoolState

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Listen to every pool, those that exist included."""
    from sqlalchemy import event
    from sqlalchemy.engine.default import DefaultDialect
    from sqlalchemy.pool import Pool

    holds = probe.holds
    # A pool has no name unless its owner gives it one: it is called by where its connections lead.
    places: weakref.WeakKeyDictionary[Any, Place] = weakref.WeakKeyDictionary()
    borrowed: weakref.WeakKeyDictionary[Any, weakref.ref[Any]] = weakref.WeakKeyDictionary()

    def checkout(connection: Any, record: Any, proxy: Any) -> None:
        pool = proxy._pool
        place = places.get(pool)
        if place is None:
            place = places[pool] = place_of(connection)
            probe.metrics.add(pool, lambda one: _state(one, places))
        borrowed[record] = weakref.ref(proxy)
        # An asyncio pool cannot take back what was dropped: it ends the connection and counts it as out for ever.
        holds.acquired(record, pool=pool.logging_name or "", place=place, watch=proxy)

    def checkin(_: Any, record: Any) -> None:
        proxy = borrowed.pop(record, None)
        holds.released(record, COLLECTED if proxy is not None and proxy() is None else RETURNED)

    def detach(_: Any, record: Any) -> None:
        # From here on the connection is its borrower's for good, and out of the pool's sight.
        proxy = borrowed.pop(record, None)
        holds.released(record, COLLECTED if proxy is not None and proxy() is None else CLOSED)

    def connect(original: Any, *given: Any, **named: Any) -> Any:
        with inside():
            return original(*given, **named)

    for name, listener in (("checkout", checkout), ("checkin", checkin), ("detach", detach)):
        event.listen(Pool, name, listener)
        probe.patches.on_undo(lambda name=name, listener=listener: event.remove(Pool, name, listener))  # type: ignore[misc]  # mypy cannot infer a lambda with defaults
    probe.patches.wrap(DefaultDialect, "connect", connect)


def _state(pool: Any, places: weakref.WeakKeyDictionary[Any, Place]) -> PoolState:
    place = places.get(pool)
    name = pool.logging_name or (place.name if place is not None else "")
    if not hasattr(pool, "checkedout"):  # a pool that keeps nothing has nothing to count
        return PoolState(name)
    most = pool._max_overflow
    return PoolState(name, pool.checkedout(), pool.checkedin(), None if most < 0 else pool.size() + most)
