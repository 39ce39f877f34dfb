"""Traces in the order in which they are scrolled, kept for a short while: a reader asks for many stretches of one."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace

from tracecollect.diagrams import Scroll
from tracecollect.model import LeakQuery
from tracecollect.ports import Answers

# What is ordered and shown in about three seconds; whoever reads on asks for the next as many.
MOST_SPANS = 30_000
_KEPT_SPANS = 4 * MOST_SPANS
_KEPT_SECONDS = 60.0


class Scrolls:
    """Safe from any thread. A trace is read again when its first stretch is asked for, or after a minute."""

    def __init__(self, answers: Answers, clock: Callable[[], float] = time.monotonic) -> None:
        self._answers = answers
        self._clock = clock
        self._kept: OrderedDict[tuple[str, LeakQuery | None, int], tuple[float, Scroll]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, trace_id: str, moment: LeakQuery | None = None, *, skip: int = 0, anew: bool = False) -> Scroll:
        """The scroll of a trace, from span number `skip` on, its holds judged as of a moment where one is given.

        Raises what `Answers.trace` raises.
        """
        name = trace_id, moment, skip
        with self._lock:
            at, found = self._kept.get(name, (0.0, None))
        if found is not None and not anew and self._clock() - at < _KEPT_SECONDS:
            return found
        trace = self._answers.trace(trace_id, MOST_SPANS, skip)
        if moment is not None:
            trace = replace(trace, holds=self._answers.lifecycle(trace.trace_id, moment).holds)
        scroll = Scroll(trace, step=MOST_SPANS)
        with self._lock:
            self._kept.pop(name, None)
            self._kept[name] = self._clock(), scroll
            self._forget()
        return scroll

    def _forget(self) -> None:
        now = self._clock()
        for name in [name for name, (at, _) in self._kept.items() if now - at >= _KEPT_SECONDS]:
            del self._kept[name]
        while len(self._kept) > 1 and sum(one.total for _, one in self._kept.values()) > _KEPT_SPANS:
            self._kept.popitem(last=False)
