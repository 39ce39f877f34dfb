"""The sink behind every receiver: check a request, record it, count what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from tracecollect.errors import Busy, Rejected, TooLarge
from tracecollect.ports import Receipt, Recorder, Telemetry
from tracecollect.wire.check import check
from tracecollect.wire.packing import unpack
from tracecollect.wire.status import wire_status

# From this size on unpacking is left to a thread: the loop must go on answering.
_LONG = 512 << 10
MAX_BODY = 64 << 20
MAX_IN_FLIGHT = 256 << 20


@dataclass(frozen=True, slots=True)
class IntakeCounters:
    """What receivers counted: requests by (transport, signal, code), and refusals and rejected spans by reason."""

    requests: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    accepted: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, int] = field(default_factory=dict)
    repeated: int = 0

    def plus(self, other: IntakeCounters) -> IntakeCounters:
        """The sum, for counters of several processes or of one before and after a restart."""
        return IntakeCounters(
            Counter(self.requests) + Counter(other.requests),
            Counter(self.accepted) + Counter(other.accepted),
            Counter(self.rejected) + Counter(other.rejected),
            Counter(self.refused) + Counter(other.refused),
            self.repeated + other.repeated,
        )


class Intake:
    """A `Sink`: an answer is given when the recorder has the request on disk. Safe from any thread.

    `max_in_flight` bounds the bytes, after decompression, of all requests that are being worked on.
    """

    def __init__(self, recorder: Recorder, *, max_body: int = MAX_BODY, max_in_flight: int = MAX_IN_FLIGHT) -> None:
        self._recorder = recorder
        self.max_body = max_body
        self._max_in_flight = max(max_in_flight, max_body)
        self._in_flight = 0
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._accepted: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._refused: Counter[str] = Counter()
        self._repeated = 0

    def accept(self, telemetry: Telemetry, body: bytes, *, transport: str) -> Receipt:
        """Take one request; see `Sink`."""
        with self.counted(telemetry, transport):
            receipt, reasons = self._checked(telemetry, body)
            new = not receipt.accepted or self._recorder.append(telemetry, body, receipt.accepted)
        self._count(telemetry, transport, receipt, reasons, new)
        return receipt

    async def take(self, telemetry: Telemetry, body: bytes, *, transport: str, home: Homing) -> Receipt:
        """The same on an event loop, without waiting on a thread. Failures are counted by `counted`, around it."""
        receipt, reasons = self._checked(telemetry, body)
        new = True
        if receipt.accepted:
            written = home.expected()
            self._recorder.submit(telemetry, body, receipt.accepted, lambda error, new: home.post(written, error, new))
            new = await written
        self._count(telemetry, transport, receipt, reasons, new)
        return receipt

    @contextlib.contextmanager
    def room(self, size: int) -> Iterator[None]:
        """Hold `size` bytes of what may be in flight. Raises `Busy` when there is no room."""
        with self._lock:
            if self._in_flight and self._in_flight + size > self._max_in_flight:
                raise Busy(f"{self._in_flight} bytes are being worked on already", reason="in_flight")
            self._in_flight += size
        try:
            yield
        finally:
            with self._lock:
                self._in_flight -= size

    @contextlib.contextmanager
    def counted(self, telemetry: Telemetry, transport: str) -> Iterator[None]:
        """Count what fails inside."""
        try:
            yield
        except Exception as error:
            self.count_failure(telemetry, transport, error)
            raise

    def count_failure(self, telemetry: Telemetry, transport: str, error: Exception) -> None:
        """A request that was not taken, perhaps before it came here."""
        with self._lock:
            self._requests[transport, telemetry, wire_status(error).name] += 1
            self._refused[error.reason if isinstance(error, Busy | Rejected) else "failed_inside"] += 1

    def counters(self) -> IntakeCounters:
        """What was counted so far."""
        with self._lock:
            return IntakeCounters(
                dict(self._requests),
                dict(self._accepted),
                dict(self._rejected),
                dict(self._refused),
                self._repeated,
            )

    def _checked(self, telemetry: Telemetry, body: bytes) -> tuple[Receipt, Mapping[str, int]]:
        if len(body) > self.max_body:
            raise TooLarge(f"the request has {len(body)} bytes, the limit is {self.max_body}")
        return check(telemetry, body)

    def _count(
        self, telemetry: Telemetry, transport: str, receipt: Receipt, reasons: Mapping[str, int], new: bool
    ) -> None:
        with self._lock:
            self._requests[transport, telemetry, "OK"] += 1
            self._accepted[telemetry] += receipt.accepted
            if reasons:
                self._rejected.update(reasons)
            self._repeated += not new


class Homing:
    """Brings what another thread has done back to its event loop, many results with one wake-up."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._done: deque[tuple[asyncio.Future[bool], Exception | None, bool]] = deque()
        self._called = False

    def expected(self) -> asyncio.Future[bool]:
        """A result that will be posted."""
        return self._loop.create_future()

    def post(self, future: asyncio.Future[bool], error: Exception | None, value: bool) -> None:
        """From any thread: the result is there."""
        self._done.append((future, error, value))
        if not self._called:
            self._called = True
            # After a stop that did not wait there is no loop left to tell.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._deliver)

    def _deliver(self) -> None:
        self._called = False
        while self._done:
            future, error, value = self._done.popleft()
            if future.done():
                continue
            if error is None:
                future.set_result(value)
            else:
                future.set_exception(error)


async def aside(elsewhere: bool, work: Callable[..., bytes], *given: object) -> bytes:
    """Do a piece of work here, or on a thread where it would hold up the loop."""
    if not elsewhere:
        return work(*given)
    return await asyncio.get_running_loop().run_in_executor(None, work, *given)


async def unpacked(body: bytes, encoding: str, limit: int) -> bytes:
    """`unpack`, which raises the same, without holding up the loop."""
    return await aside(bool(encoding) and len(body) > _LONG, unpack, body, encoding, limit)
