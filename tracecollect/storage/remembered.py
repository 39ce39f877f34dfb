"""What was asked before is remembered: of a name that is asked about again, only what was stored since is read.

The judge asks about the same open holds again and again, and finding them costs more than all that changes of them.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Collection, Mapping, Set
from typing import Generic, TypeVar

from tracecollect.model import SECOND, Instant, Window

Name = TypeVar("Name")
Told = TypeVar("Told")

# More names than these are not worth their memory.
_MOST = 5_000
# A name that lives long gathers what no window asks for any more.
_KEPT_SECONDS = 1800.0
_LONGEST = 25 * 3600 * SECOND


class Remembered(Generic[Name, Told]):
    """Safe from any thread: one question at a time.

    `ask` reads names in a window, of the blocks after a number (0: all of them); the names are a set, because thousands
    are looked for again in the answer. `newest` is the number of the newest block that is stored; 0: nobody knows, and
    nothing is remembered. Blocks are numbered as they come, and those that are merged keep the highest number, so
    nothing is passed over. What is not `lasting` is asked again, as must be what lacks something for being later than
    the window.
    """

    def __init__(
        self,
        ask: Callable[[Set[Name], Window, int], Mapping[Name, Told]],
        *,
        joined: Callable[[Told, Told], Told],
        newest: Callable[[], int],
        lasting: Callable[[Told], bool] = lambda _: True,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ask = ask
        self._joined = joined
        self._newest = newest
        self._lasting = lasting
        self._clock = clock
        self._lock = threading.Lock()
        self._known: Mapping[Name, Told | None] = {}
        self._window = Window(Instant(0), Instant(0))
        self._block = 0
        self._begun = 0.0

    def of(self, names: Collection[Name], window: Window) -> Mapping[Name, Told]:
        """What is stored of these names in the window; some of it may be older than the window by a little."""
        # Before asking: what is stored while it is asked is asked again.
        block = self._newest() if names and window.until - window.since <= _LONGEST else 0
        if not block:
            return self._ask(set(names), window, 0)
        with self._lock:
            goes_on = self._window.since <= window.since and self._window.until <= window.until
            goes_on = goes_on and self._clock() - self._begun < _KEPT_SECONDS
            asked = Window(self._window.since, window.until) if goes_on else window
            known = self._brought_up(asked, block) if goes_on else {}
            new = {one for one in names if one not in known}
            told = {**dict.fromkeys(new), **self._ask(new, asked, 0)} if new else {}
            known = {**known, **told}
            if not goes_on:
                self._begun = self._clock()
            self._keep(known, names, asked, block)
        return {one: said for one in names if (said := known[one]) is not None}

    def _brought_up(self, window: Window, block: int) -> Mapping[Name, Told | None]:
        """What is known, with what was stored since."""
        known = dict(self._known)
        if known and block > self._block:
            for name, more in self._ask(known.keys(), window, self._block).items():
                before = known[name]
                known[name] = more if before is None else self._joined(before, more)
        return known

    def _keep(self, known: Mapping[Name, Told | None], names: Collection[Name], window: Window, block: int) -> None:
        kept = known if len(known) <= _MOST else {one: known[one] for one in names}
        lasting = {one: said for one, said in kept.items() if said is None or self._lasting(said)}
        self._known = lasting if len(lasting) <= _MOST else {}
        self._window, self._block = window, max(block, self._block)
