"""The holds of this process: who took which connection, where, when, and whether it came back."""

from __future__ import annotations

import itertools
import logging
import sys
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

from opentelemetry.context import Context, get_current
from opentelemetry.trace import get_current_span

from tracecollect.probe.caches import Caches
from tracecollect.probe.code import Calling, Code
from tracecollect.probe.outbox import Outbox
from tracecollect.probe.place import Place, place_of

_log = logging.getLogger(__name__)
# A pool opens connections, and a library above a driver takes them: whoever is outermost tells.
_inside: ContextVar[bool] = ContextVar("tracecollect_probe_inside", default=False)
_REMEMBERED = 1000
_DEEPEST = 8

RETURNED, CLOSED, COLLECTED = "returned", "closed", "collected"
"""The reasons of a release; docs/dialects.md, connection-events."""


@contextmanager
def inside() -> Iterator[None]:
    """While a pool or a library above opens a connection for itself: that is nobody's hold."""
    token = _inside.set(True)
    try:
        yield
    finally:
        _inside.reset(token)


def is_inside() -> bool:
    """Whether a pool or a library above is at it."""
    return _inside.get()


class _Watch(weakref.ref[Any]):
    """A weak reference that knows the key of its hold. The hold is not in its callback: that would be a cycle."""

    __slots__ = ("key",)
    key: int


@dataclass(slots=True)
class Hold:
    """One borrow of a connection, in its borrower's context. `lost`: it is gone and its pool still counts it as out.

    `alone`: of a connection without a pool. `thread` opened it, and its operation used it last at `last_used_at`.
    """

    serial: int
    at: int
    context: Context
    code: Code | None
    pool: str
    place: Place
    connection: str
    # A pool does not get its slot back when the borrower drops the connection.
    slot: bool = False
    alone: bool = False
    thread: int = 0
    last_used_at: int = 0
    watch: _Watch | None = None
    lost: bool = False
    # Its acquire was not sent, so its release must not be either.
    muted: bool = False
    stack: str = field(default="", repr=False)


def _dying() -> bool:
    """Whether a driver closes a connection because the garbage collector takes it: out of its `__del__`."""
    frame: FrameType | None = sys._getframe(2)
    for _ in range(_DEEPEST):
        if frame is None:
            return False
        if frame.f_code.co_name == "__del__":
            return True
        frame = frame.f_back
    return False


def _others(hold: Hold) -> bool:
    """Whether another trace than the one that opened it is at work here. Where either has none, nothing is known."""
    here = get_current_span().get_span_context().trace_id
    opened = get_current_span(hold.context).get_span_context().trace_id
    return 0 != here != opened != 0


class Holds:
    """Open holds by the id of the connection's object. Never raises into the application, keeps no connection alive.

    Every method may be called from any thread, and `_gone` from wherever the garbage collector happens to run: nothing
    here takes a lock.
    """

    def __init__(self, outbox: Outbox, calling: Calling, *, stack: bool = False) -> None:
        self._outbox, self._calling = outbox, calling
        self._stack = stack
        self._open: dict[int, Hold] = {}
        self._lost: dict[int, Hold] = {}
        self._gone_for_good: set[int] = set()
        self._serial = itertools.count(1)
        self._caches = Caches()
        self.collected: deque[Hold] = deque(maxlen=_REMEMBERED)

    def acquired(
        self,
        connection: object,
        *,
        pool: str = "",
        place: Place | None = None,
        watch: object = None,
        slot: bool = False,
        alone: bool = False,
    ) -> None:
        """A connection was handed out.

        `watch` is what the borrower has in hand where that is a pool's proxy. `slot`: when the borrower drops it, the
        pool does not get its place back. `alone`: there is no pool, so that its driver says `used`, too.
        """
        if _inside.get():
            return
        try:
            code = self._calling()
            where = place or place_of(connection)
            key = id(connection)
            serial = next(self._serial)
            gone = self._open.get(key)
            if gone is not None:
                # A new object where the old one was: that one is gone, whether or not it could be watched.
                self._release(key, gone, COLLECTED)
            if alone and self._caches.keeps(code, connection):
                return
            # An object that a pool lost is gone, and its address may be another's now: that one is not it.
            name = format(key, "x") if key not in self._gone_for_good else f"{key:x}.{serial}"
            hold = Hold(serial, time.time_ns(), get_current(), code, pool or where.name, where, name, slot, alone)
            hold.thread, hold.last_used_at = threading.get_ident(), hold.at
            if self._stack:
                hold.stack = self._calling.stack()
            hold.watch = self._watched(connection if watch is None else watch, key)
            self._open[key] = hold
            hold.muted = not self._outbox.acquired(hold)
        except Exception as error:
            # The application took a connection and has it: our mistake must not become its own.
            _log.debug("an acquire is not followed", exc_info=error)

    def released(self, connection: object, reason: str = RETURNED) -> None:
        """It came back. Does nothing for a connection that is not held."""
        hold = self._open.get(id(connection))
        if hold is not None:
            if reason != COLLECTED and _dying():
                reason = COLLECTED
            self._release(id(connection), hold, reason)

    def used(self, connection: object) -> None:
        """Something is done with a connection. If that is another operation's, whoever opened it has given it back.

        Nobody waits for a connection that no pool counts, so a service may keep one for later: its next user shows it.
        """
        hold = self._open.get(id(connection))
        if hold is None or not hold.alone:
            return
        try:
            if _others(hold):
                self._kept(id(connection), hold)
            else:
                hold.last_used_at = time.time_ns()
        except Exception as error:
            _log.debug("a use is not followed", exc_info=error)

    def using(self, original: Callable[..., Any], connection: object, *given: Any, **named: Any) -> Any:
        """What wraps a method that is called before anything is done with a connection."""
        self.used(connection)
        return original(connection, *given, **named)

    def holds(self, connection: object) -> bool:
        """Whether this connection is held."""
        return id(connection) in self._open

    def open(self) -> list[Hold]:
        """What is held now, in order of acquire; lost ones included."""
        return sorted((*self._open.copy().values(), *self._lost.copy().values()), key=lambda one: one.serial)

    def last(self) -> int:
        """The serial of a hold that would begin now: those of later ones are higher."""
        return next(self._serial)

    def abandon(self) -> None:
        """The process ends in order: every open hold is told as one that nobody gave back."""
        for hold in self.open():
            self._outbox.put("abandoned", hold, "")
        self._open.clear()
        self._lost.clear()

    def forked(self) -> None:
        """What the parent holds is not this process's."""
        self._open, self._lost = {}, {}
        self.collected.clear()

    def _watched(self, watch: object, key: int) -> _Watch | None:
        try:
            watching = _Watch(watch, self._gone)
        except TypeError:  # some C types cannot be watched
            return None
        watching.key = key
        return watching

    def _gone(self, watch: _Watch) -> None:
        """The garbage collector took a connection that nobody gave back. Runs anywhere: only queues."""
        hold = self._open.get(watch.key)
        if hold is None or hold.watch is not watch:
            return
        if hold.slot:
            self._open.pop(watch.key, None)
            hold.lost, hold.watch = True, None
            self._lost[hold.serial] = hold
            self._gone_for_good.add(watch.key)
            self._outbox.put("closed", hold, COLLECTED)
        else:
            self._release(watch.key, hold, COLLECTED)

    def _kept(self, key: int, hold: Hold) -> None:
        """The service keeps this connection, and so do its other threads what each opened at the same place."""
        kept = {key: hold}
        if hold.code is not None and hold.thread == threading.get_ident():
            kept |= self._one_a_thread(hold.code)
            for one in kept.values():
                self._caches.learn(hold.code, one.thread, one.watch() if one.watch else None)
        for at, one in kept.items():
            self._release(at, one, RETURNED, one.last_used_at)

    def _one_a_thread(self, code: Code) -> dict[int, Hold]:
        here = {key: one for key, one in self._open.copy().items() if one.alone and one.code == code}
        each = Counter(one.thread for one in here.values())
        return {key: one for key, one in here.items() if each[one.thread] == 1}

    def _release(self, key: int, hold: Hold, reason: str, at: int = 0) -> None:
        if self._open.pop(key, None) is None:
            return  # somebody else was faster
        hold.watch = None
        if reason == COLLECTED:
            self.collected.append(hold)
        self._outbox.put("released", hold, reason, at)
