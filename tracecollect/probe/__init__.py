"""For Python services: says when a database connection is taken and when it comes back.

    import tracecollect.probe
    tracecollect.probe.install()

or nothing at all under `opentelemetry-instrument`, which finds `ConnectionInstrumentor` by its entry point. Each hold
is two OpenTelemetry log events with the trace of whoever took it (docs/probe.md). It needs the OpenTelemetry API only:
where they go is what the service's SDK says. A driver is touched when the service imports it, never before.
"""

from __future__ import annotations

import atexit
import logging
import os
from collections.abc import Iterable
from typing import TYPE_CHECKING

from tracecollect.probe.children import at_their_end
from tracecollect.probe.code import Calling
from tracecollect.probe.drivers import DRIVERS
from tracecollect.probe.holds import Hold, Holds
from tracecollect.probe.holds import inside as kept
from tracecollect.probe.imports import Imports
from tracecollect.probe.outbox import Outbox
from tracecollect.probe.own import Own
from tracecollect.probe.patches import Patches
from tracecollect.probe.pools import PoolMetrics

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider
    from opentelemetry.metrics import MeterProvider

__all__ = ["ConnectionInstrumentor", "Hold", "Probe", "install", "installed", "kept", "uninstall"]

_log = logging.getLogger(__name__)


class Probe:
    """What the drivers tell. One a process; `install` makes it."""

    def __init__(
        self,
        *,
        stack: bool = False,
        own: Iterable[str] = (),
        logger_provider: LoggerProvider | None = None,
        meter_provider: MeterProvider | None = None,
    ) -> None:
        self.outbox = Outbox(logger_provider)
        self.holds = Holds(self.outbox, Calling(Own(own)), stack=stack)
        self.metrics = PoolMetrics(meter_provider)
        self.patches = Patches()
        self._imports = Imports(dict.fromkeys(DRIVERS, self._patch))

    def start(self) -> None:
        """Patch the drivers that are imported, and the others when they will be."""
        self.metrics.start()
        self._imports.start()

    def stop(self) -> None:
        """Undo every patch; what is queued is sent."""
        self._imports.stop()
        self.patches.undo()
        self.metrics.stop()
        self.outbox.close()

    def ended(self) -> None:
        """The process ends in order: say what is still held, and send everything."""
        self.holds.abandon()
        self.outbox.close()

    def forked(self) -> None:
        """In a child: what the parent holds, and what it has to say, is the parent's."""
        self.outbox.forked()
        self.holds.forked()

    def _patch(self, name: str) -> None:
        try:
            DRIVERS[name](self)
        except Exception as error:
            # A driver of another version than we know: its service runs as if we were not there.
            _log.warning("connections of %s cannot be followed", name, exc_info=error)


_probe: Probe | None = None


def install(
    *,
    stack: bool | None = None,
    own: Iterable[str] | None = None,
    logger_provider: LoggerProvider | None = None,
    meter_provider: MeterProvider | None = None,
) -> Probe:
    """Follow every connection that is taken from now on. Idempotent.

    `stack`: put the whole call stack on each acquire, not only the first frame outside of libraries; by default what
    `TRACECOLLECT_PROBE_STACK` says (`true` or nothing). `own`: which of the installed packages are the service's; by
    default what `TRACECOLLECT_PROBE_OWN` says (names with commas between), or else those that were installed from a
    directory. The providers are the service's global ones by default.
    """
    global _probe
    if _probe is None:
        if stack is None:
            stack = os.environ.get("TRACECOLLECT_PROBE_STACK", "").strip().lower() in ("1", "true", "yes", "on")
        if own is None:
            own = filter(None, map(str.strip, os.environ.get("TRACECOLLECT_PROBE_OWN", "").split(",")))
        _probe = Probe(stack=stack, own=own, logger_provider=logger_provider, meter_provider=meter_provider)
        _probe.start()
    return _probe


def installed() -> Probe | None:
    """The probe of this process, if there is one."""
    return _probe


def uninstall() -> None:
    """Undo `install`: the drivers are as they came. Connections that are held now are not followed any more."""
    global _probe
    probe, _probe = _probe, None
    if probe is not None:
        probe.stop()


class ConnectionInstrumentor:
    """What `opentelemetry-instrument` loads. It has the shape of `BaseInstrumentor` and does not need its package."""

    def instrument(
        self,
        *,
        logger_provider: LoggerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        **_: object,
    ) -> None:
        """Install the probe."""
        install(logger_provider=logger_provider, meter_provider=meter_provider)

    def uninstrument(self, **_: object) -> None:
        """Take it away again."""
        uninstall()


def _ended() -> None:
    if _probe is not None:
        _probe.ended()


def _forked() -> None:
    if _probe is not None:
        _probe.forked()
        at_their_end(_ended)


# Registered at the import, which comes before the first connection; after the SDK's own where the SDK was set up by
# then. Where it was not, the outbox registers once more when it first sends (see there).
atexit.register(_ended)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forked)
