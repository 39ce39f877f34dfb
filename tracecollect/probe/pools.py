"""What pools say of themselves, as `db.client.connection.*` metrics of the semantic conventions."""

from __future__ import annotations

import logging
import weakref
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, Observation

from tracecollect.probe.outbox import SCOPE

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class PoolState:
    """A pool at one moment. What it does not say is None."""

    name: str
    used: int | None = None
    idle: int | None = None
    max: int | None = None
    pending: int | None = None
    idle_min: int | None = None


Read = Callable[[Any], PoolState]


class PoolMetrics:
    """Asks the living pools when metrics are collected. Holds none of them alive, and none of their locks."""

    def __init__(self, provider: metrics.MeterProvider | None = None) -> None:
        self._provider = provider
        self._pools: weakref.WeakKeyDictionary[Any, Read] = weakref.WeakKeyDictionary()

    def add(self, pool: object, read: Read) -> None:
        """Ask this pool from now on. Cheap for one that is known: drivers say it at every acquire."""
        if pool not in self._pools:
            self._pools[pool] = read

    def start(self) -> None:
        """Make the instruments; where no SDK is set up yet, the API makes them real when it is."""
        meter = metrics.get_meter(SCOPE, meter_provider=self._provider)
        for name, unit, of, meaning in _INSTRUMENTS:
            meter.create_observable_up_down_counter(name, callbacks=[self._reading(of)], unit=unit, description=meaning)

    def stop(self) -> None:
        """Forget the pools: the instruments stay, and say nothing."""
        self._pools.clear()

    def _reading(self, of: _Of) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def read(_: CallbackOptions) -> Iterable[Observation]:
            return [one for state in self._states() for one in of(state)]

        return read

    def _states(self) -> list[PoolState]:
        found = []
        for pool, read in list(self._pools.items()):
            try:
                found.append(read(pool))
            except Exception as error:
                # A pool of another version than we know: the others still tell.
                _log.debug("a pool does not say how it is", exc_info=error)
        return _summed(found)


def _summed(states: Iterable[PoolState]) -> list[PoolState]:
    """Two pools of one name are one series: their sum."""
    by_name: dict[str, PoolState] = {}
    for one in states:
        other = by_name.get(one.name)
        by_name[one.name] = one if other is None else _plus(one, other)
    return list(by_name.values())


def _plus(one: PoolState, other: PoolState) -> PoolState:
    def both(first: int | None, second: int | None) -> int | None:
        return None if first is None or second is None else first + second

    return PoolState(
        one.name,
        both(one.used, other.used),
        both(one.idle, other.idle),
        both(one.max, other.max),
        both(one.pending, other.pending),
        both(one.idle_min, other.idle_min),
    )


_POOL, _STATE = "db.client.connection.pool.name", "db.client.connection.state"
_Of = Callable[[PoolState], Iterable[Observation]]


def _count(state: PoolState) -> Iterable[Observation]:
    for word, value in (("used", state.used), ("idle", state.idle)):
        if value is not None:
            yield Observation(value, {_POOL: state.name, _STATE: word})


def _of(field: str) -> _Of:
    def observe(state: PoolState) -> Iterable[Observation]:
        value = getattr(state, field)
        if value is not None:
            yield Observation(value, {_POOL: state.name})

    return observe


_INSTRUMENTS: tuple[tuple[str, str, _Of, str], ...] = (
    ("db.client.connection.count", "{connection}", _count, "Connections that are used or idle"),
    ("db.client.connection.max", "{connection}", _of("max"), "The most connections there may be"),
    ("db.client.connection.idle.min", "{connection}", _of("idle_min"), "The fewest idle connections that are kept"),
    ("db.client.connection.pending_requests", "{request}", _of("pending"), "Who waits for a connection"),
)
