"""redis: its pool has no hooks, so `get_connection` and `release` are wrapped. A command borrows and gives back.

A subscription has its connection for as long as it lasts, and a library may keep one a thread (Celery's results).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from weakref import WeakValueDictionary

from tracecollect.probe.holds import inside
from tracecollect.probe.place import Place
from tracecollect.probe.pools import PoolState

if TYPE_CHECKING:
    from tracecollect.probe import Probe


def patch(probe: Probe) -> None:
    """Wrap the pools of both kinds, and their blocking variants."""
    import redis
    import redis.asyncio

    holds = probe.holds

    def get(original: Any, pool: Any, *given: Any, **named: Any) -> Any:
        connection = original(pool, *given, **named)
        took(pool, connection)
        return connection

    async def get_async(original: Any, pool: Any, *given: Any, **named: Any) -> Any:
        connection = await original(pool, *given, **named)
        took(pool, connection)
        return connection

    def took(pool: Any, connection: Any) -> None:
        # A blocking pool calls the one that it inherits from.
        if not holds.holds(connection):
            holds.acquired(connection, slot=True)
            probe.metrics.add(pool, _state)

    def gave(_: Any, connection: Any) -> None:
        # Before the pool has it: a moment later it may be somebody else's.
        holds.released(connection)

    for kind in (redis.ConnectionPool, redis.BlockingConnectionPool):
        probe.patches.wrap(kind, "get_connection", get)
        probe.patches.before(kind, "release", gave)
    for async_kind in (redis.asyncio.ConnectionPool, redis.asyncio.BlockingConnectionPool):
        probe.patches.wrap(async_kind, "get_connection", get_async)
        probe.patches.before(async_kind, "release", gave)
    _patch_subscriptions(probe)


def _patch_subscriptions(probe: Probe) -> None:
    """What is subscribed to outside of requests is nobody's hold, nor is a line's only subscription in a thread.

    A second one beside it is a hold like any other: who forgets them has more and more.
    """
    from redis.asyncio.client import PubSub as AsyncPubSub
    from redis.client import PubSub
    from redis.cluster import ClusterPubSub

    lasting: WeakValueDictionary[object, Any] = WeakValueDictionary()

    def lasts(subscription: Any) -> bool:
        here = probe.holds.at_work()
        if here is None:
            return True
        known = lasting.get(here)
        if known is not None and known.connection is not None:
            return False
        lasting[here] = subscription
        return True

    def execute(original: Any, subscription: Any, *given: Any, **named: Any) -> Any:
        if subscription.connection is None and lasts(subscription):
            with inside():
                return original(subscription, *given, **named)
        return original(subscription, *given, **named)

    async def connect(original: Any, subscription: Any, *given: Any, **named: Any) -> Any:
        if subscription.connection is None and lasts(subscription):
            with inside():
                return await original(subscription, *given, **named)
        return await original(subscription, *given, **named)

    for kind in (PubSub, ClusterPubSub):
        probe.patches.wrap(kind, "execute_command", execute)
    probe.patches.wrap(AsyncPubSub, "connect", connect)


def _state(pool: Any) -> PoolState:
    where = pool.connection_kwargs
    port = None if "path" in where else where.get("port", 6379)
    place = Place("redis", where.get("path") or where.get("host", "localhost"), port, str(where.get("db") or ""))
    idle = len(pool._available_connections)
    return PoolState(place.name, len(pool._in_use_connections), idle, pool.max_connections)
