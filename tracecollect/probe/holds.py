"""The holds of this process: who took which connection, where, when, and whether it came back."""

from __future__ import annotations

import itertools
import logging
import sys
import threading
import time
import weakref
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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


class Hold(weakref.ref[Any]):
    """One borrow of a connection, in its borrower's context: a weak reference to what the borrower has in hand.

    `slot`: a pool does not get its place back when the borrower drops the connection. `lost`: that happened. `alone`:
    of a connection without a pool. `thread` opened it, and its operation used it last at `last_used_at`. `key` is the
    address of its connection; `again`: one that was lost had it, too. `muted`: its acquire was not sent, so its
    release must not be either.
    """

    # One object for a hold, and no constructor in Python: most of what a hold costs is code that was not run of late.
    __slots__ = (
        "again",
        "alone",
        "at",
        "code",
        "context",
        "key",
        "last_used_at",
        "lost",
        "muted",
        "place",
        "pool",
        "serial",
        "slot",
        "stack",
        "thread",
    )
    serial: int
    at: int
    context: Context
    code: Code | None
    pool: str
    place: Place
    key: int
    slot: bool
    alone: bool
    thread: int
    last_used_at: int
    lost: bool
    again: bool
    muted: bool
    stack: str

    # Holds of one connection are not one hold.
    __eq__ = object.__eq__
    __hash__ = object.__hash__

    @property
    def connection(self) -> str:
        """Tells it apart from every other connection of this process."""
        return f"{self.key:x}.{self.serial}" if self.again else f"{self.key:x}"


class _Unwatched:
    """Stands for what cannot be watched; some C types cannot."""


_UNWATCHED = _Unwatched()


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
            key = id(connection)
            gone = self._open.get(key)
            if gone is not None:
                # A new object where the old one was: that one is gone, whether or not it could be watched.
                self._release(key, gone, COLLECTED)
            if alone and self._caches.keeps(code, connection):
                return
            where = place or place_of(connection)
            try:
                hold = Hold(connection if watch is None else watch, self._gone)
            except TypeError:
                hold = Hold(_UNWATCHED)
            hold.key, hold.code, hold.context = key, code, get_current()
            hold.place, hold.pool = where, pool or where.name
            hold.slot, hold.alone, hold.lost, hold.again = slot, alone, False, key in self._gone_for_good
            hold.serial, hold.thread = next(self._serial), threading.get_ident()
            hold.stack = self._calling.stack() if self._stack else ""
            hold.at = hold.last_used_at = time.time_ns()
            hold.muted = False
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

    def used(self, connection: object, *_: object, **__: object) -> None:
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

    def at_work(self) -> tuple[Code | None, int] | None:
        """The line of the service that is at work for a request, and its thread. None outside of any request."""
        if not get_current_span().get_span_context().is_valid:
            return None
        try:
            return self._calling(sys._getframe(1)), threading.get_ident()
        except Exception as error:
            _log.debug("who is at work is not known", exc_info=error)
            return None

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

    def _gone(self, hold: Hold) -> None:
        """The garbage collector took a connection that nobody gave back. Runs anywhere: only queues."""
        if self._open.get(hold.key) is not hold:
            return
        if hold.slot:
            self._open.pop(hold.key, None)
            hold.lost = True
            self._lost[hold.serial] = hold
            self._gone_for_good.add(hold.key)
            self._outbox.put("closed", hold, COLLECTED)
        else:
            self._release(hold.key, hold, COLLECTED)

    def _kept(self, key: int, hold: Hold) -> None:
        """The service keeps this connection, and so do its other threads what each opened at the same place."""
        kept = {key: hold}
        if hold.code is not None and hold.thread == threading.get_ident():
            kept |= self._one_a_thread(hold.code)
            for one in kept.values():
                self._caches.learn(hold.code, one.thread, one())
        for at, one in kept.items():
            self._release(at, one, RETURNED, one.last_used_at)

    def _one_a_thread(self, code: Code) -> dict[int, Hold]:
        here = {key: one for key, one in self._open.copy().items() if one.alone and one.code == code}
        each = Counter(one.thread for one in here.values())
        return {key: one for key, one in here.items() if each[one.thread] == 1}

    def _release(self, key: int, hold: Hold, reason: str, at: int = 0) -> None:
        if self._open.pop(key, None) is None:
            return  # somebody else was faster
        if reason == COLLECTED:
            self.collected.append(hold)
        self._outbox.put("released", hold, reason, at)
