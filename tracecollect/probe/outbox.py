"""What is to be sent: queued where it happens, sent by a thread of our own.

A release can happen inside a driver's lock, inside the garbage collector, or inside the exporter itself. So nothing is
emitted there: appending to a deque takes no lock and cannot wait.
"""

from __future__ import annotations

import atexit
import logging
import secrets
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from opentelemetry import _logs, trace
from opentelemetry._logs import Logger, LogRecord, NoOpLogger, SeverityNumber
from opentelemetry.context import Context

if TYPE_CHECKING:
    from opentelemetry._logs import LoggerProvider

    from tracecollect.probe.holds import Hold

SCOPE = "tracecollect.probe"
EVENT = "db.client.connection."
_log = logging.getLogger(__name__)
_MOST = 20_000
_PAUSE_SECONDS = 0.1
# Who waits for Python's lock gets it after 5 ms, or when its holder sleeps; a sleep of no time at all is over before
# anybody has woken up. So the thread takes a breath before each event, which takes some 15 µs.
_BREATH_SECONDS, _SHORT_BREATH_SECONDS = 500e-6, 50e-6
# It sends between queries, unless that would make an event late.
_QUERY_NANOSECONDS = 5_000_000
_LATE_NANOSECONDS = 1_000_000_000
# So many wait that being on time matters more.
_MANY = _MOST // 4


class Outbox:
    """Bounded: when nothing can be sent, new holds are left out whole, so that no release is missing for an acquire."""

    def __init__(self, provider: LoggerProvider | None = None) -> None:
        self._given = provider
        self._known: tuple[LoggerProvider | None, Logger] = None, NoOpLogger(SCOPE)
        self._queue: deque[tuple[str, Hold, int, str]] = deque()
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()
        self._sending = threading.Lock()
        self._closed = False
        self._at_exit = False
        self.left_out = 0
        # A resource that names no instance does not tell processes apart, and neither would a number from 1 on.
        self._process = secrets.token_hex(4)

    def acquired(self, hold: Hold) -> bool:
        """Queue an acquire; False when there is no room. Never waits."""
        if len(self._queue) >= _MOST or self._closed:
            self.left_out += 1
            return False
        self._queue.append(("acquired", hold, hold.at, ""))
        if self._thread is None:
            self._start()
        return True

    def put(self, event: str, hold: Hold, reason: str, at: int = 0) -> None:
        """Queue what became of a hold, now or `at` nanoseconds. Never waits; safe inside the garbage collector."""
        if not hold.muted and not self._closed:
            self._queue.append((event, hold, at or time.time_ns(), reason))

    def flush(self, *, yielding: bool = False) -> None:
        """Send what is queued now, on this thread. `yielding`: let others run between one event and the next."""
        with self._sending:
            while self._queue:
                if yielding:
                    self._breathe()
                try:
                    event = self._queue.popleft()
                except IndexError:  # the other thread took it
                    return
                try:
                    self._emit(*event)
                except Exception as error:
                    # An exporter that fails is no reason to lose the events behind this one.
                    _log.debug("an event could not be sent", exc_info=error)

    def _breathe(self) -> None:
        with suppress(IndexError):  # the other thread sent everything
            while len(self._queue) < _MANY and not self._closed:
                # What seems still to come was queued before the clock was set back: nobody knows since when it waits.
                late = not 0 <= time.time_ns() - self._queue[0][2] <= _LATE_NANOSECONDS
                time.sleep(_SHORT_BREATH_SECONDS if late else _BREATH_SECONDS)
                event, _, at, _ = self._queue[-1]
                if late or event != "acquired" or time.time_ns() - at > _QUERY_NANOSECONDS:
                    return

    def close(self) -> None:
        """Send the rest and take nothing more. Idempotent."""
        if not self._closed:
            self._closed = True
            self._wake.set()
            self.flush()

    def forked(self) -> None:
        """In a child: no thread survived, a lock may be held for ever, and what is queued the parent sends."""
        self._queue.clear()
        self._process = secrets.token_hex(4)
        self._thread, self._wake, self._sending = None, threading.Event(), threading.Lock()

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="tracecollect-probe", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:  # the interpreter is about to end: close() sends
            self._thread = None
            return
        if not self._at_exit:
            self._at_exit = True
            # By the first connection the SDK is set up, and what is registered last runs first.
            atexit.register(self._ended)

    def _ended(self) -> None:
        from tracecollect import probe

        installed = probe.installed()
        if installed is not None and installed.outbox is self:
            installed.ended()
        else:
            self.close()

    def _run(self) -> None:
        while not self._closed:
            self._wake.wait(_PAUSE_SECONDS)
            self.flush(yielding=True)

    def _emit(self, event: str, hold: Hold, at: int, reason: str) -> None:
        if event == "acquired":
            # What else the service had in its context must not live on for us, and a context of nothing would stand for
            # this thread's.
            span = trace.NonRecordingSpan(trace.get_current_span(hold.context).get_span_context())
            hold.context = trace.set_span_in_context(span, Context())
        self._logger().emit(
            LogRecord(
                timestamp=at,
                observed_timestamp=at,
                context=hold.context,
                severity_number=SeverityNumber.INFO,
                event_name=EVENT + event,
                attributes=_attributes(event, hold, self._process, reason),
            )
        )

    def _logger(self) -> Logger:
        # The SDK may be set up after the probe.
        provider = self._given or _logs.get_logger_provider()
        if provider is not self._known[0]:
            self._known = provider, provider.get_logger(SCOPE)
        return self._known[1]


def _attributes(event: str, hold: Hold, process: str, reason: str) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "db.client.connection.hold.id": f"{process}-{hold.serial}",
        "db.client.connection.id": f"{process}-{hold.connection}",
        # A pool to the same database has this name as well, and counts its own connections only.
        "db.client.connection.pool.name": f"{hold.pool} (no pool)" if hold.alone else hold.pool,
        **hold.place.attributes,
    }
    if hold.code is not None:
        attributes |= {
            "code.function.name": hold.code.function,
            "code.file.path": hold.code.path,
            "code.line.number": hold.code.line,
        }
    if hold.stack and event == "acquired":
        attributes["code.stacktrace"] = hold.stack
    if reason:
        attributes["db.client.connection.release.reason"] = reason
    return attributes
