"""Where a service keeps a connection for the next operation of the same thread, as thread-local ones are."""

from __future__ import annotations

import threading
from weakref import WeakValueDictionary

from tracecollect.probe.code import Code


class Caches:
    """The places that were seen to keep what they open. What such a place opens is the service's, one a thread.

    A second one beside it is a hold like any other: a cache has one, a leak has more and more.
    """

    def __init__(self) -> None:
        # Bounded by the lines of the service, and by the connections that live.
        self._places: set[Code] = set()
        self._kept: WeakValueDictionary[tuple[Code, int], object] = WeakValueDictionary()

    def learn(self, place: Code, thread: int, connection: object | None) -> None:
        """What this thread opened here it keeps. None: that is gone by now."""
        self._places.add(place)
        if connection is not None:
            self._kept[place, thread] = connection

    def keeps(self, place: Code | None, connection: object) -> bool:
        """Whether a connection that was just opened here is the one that this thread keeps."""
        if place not in self._places:
            return False
        return self._kept.setdefault((place, threading.get_ident()), connection) is connection
