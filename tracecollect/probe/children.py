"""Children that `multiprocessing` forks end without `atexit`: neither the probe nor the SDK would hear of it."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable
from functools import partial

from opentelemetry import _logs, trace

_PATIENCE_SECONDS = 2
# After everything that the service wants done at the end.
_LAST = -1000
_told: list[Callable[[], None]] = []


def at_their_end(ended: Callable[[], None]) -> None:
    """Have this called before a child ends that was just forked, if it was `multiprocessing` that did.

    Before it runs anything of the service such a child forgets what was to be done at its end; what was registered with
    `register_after_fork` comes after that, in its own children, too (CPython, `BaseProcess._bootstrap`).
    """
    util = sys.modules.get("multiprocessing.util")
    if util is not None and ended not in _told:
        _told.append(ended)
        util.register_after_fork(ended, lambda _: util.Finalize(None, partial(ending, ended), exitpriority=_LAST))


def ending(ended: Callable[[], None]) -> None:
    """A child ends in a moment, and only this is done before: what it has to say is sent, for two seconds at most."""
    ended()
    thread = threading.Thread(target=_flushed, name="tracecollect-probe-end", daemon=True)
    thread.start()
    thread.join(_PATIENCE_SECONDS)


def _flushed() -> None:
    for provider in (trace.get_tracer_provider(), _logs.get_logger_provider()):
        with contextlib.suppress(Exception):
            getattr(provider, "force_flush", lambda: None)()
