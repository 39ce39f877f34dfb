"""The sink behind every receiver: check a request, record it, count what became of it."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from tracecollect.errors import TooLarge
from tracecollect.ports import Receipt, Recorder, Telemetry
from tracecollect.wire.check import check
from tracecollect.wire.status import wire_status

MAX_BODY = 64 << 20


@dataclass(frozen=True, slots=True)
class IntakeCounters:
    """What receivers counted: requests by (transport, signal, code), rejected spans by reason, repeated requests."""

    requests: Mapping[tuple[str, str, str], int] = field(default_factory=dict)
    accepted: Mapping[str, int] = field(default_factory=dict)
    rejected: Mapping[str, int] = field(default_factory=dict)
    repeated: int = 0

    def plus(self, other: IntakeCounters) -> IntakeCounters:
        """The sum, for counters of several processes or of one before and after a restart."""
        return IntakeCounters(
            Counter(self.requests) + Counter(other.requests),
            Counter(self.accepted) + Counter(other.accepted),
            Counter(self.rejected) + Counter(other.rejected),
            self.repeated + other.repeated,
        )


class Intake:
    """A `Sink`: an answer is given when the recorder has the request on disk. Safe from any thread."""

    def __init__(self, recorder: Recorder, *, max_body: int = MAX_BODY) -> None:
        self._recorder = recorder
        self._max_body = max_body
        self._lock = threading.Lock()
        self._requests: Counter[tuple[str, str, str]] = Counter()
        self._accepted: Counter[str] = Counter()
        self._rejected: Counter[str] = Counter()
        self._repeated = 0

    def accept(self, telemetry: Telemetry, body: bytes, *, transport: str) -> Receipt:
        """Take one request; see `Sink`."""
        try:
            receipt, reasons = self._take(telemetry, body)
        except Exception as error:
            self.count_failure(telemetry, transport, error)
            raise
        with self._lock:
            self._requests[transport, telemetry, "OK"] += 1
            self._accepted[telemetry] += receipt.accepted
            self._rejected.update(reasons)
        return receipt

    def count_failure(self, telemetry: Telemetry, transport: str, error: Exception) -> None:
        """A request that was not taken, perhaps before it came here."""
        with self._lock:
            self._requests[transport, telemetry, wire_status(error).name] += 1

    def counters(self) -> IntakeCounters:
        """What was counted so far."""
        with self._lock:
            return IntakeCounters(dict(self._requests), dict(self._accepted), dict(self._rejected), self._repeated)

    def _take(self, telemetry: Telemetry, body: bytes) -> tuple[Receipt, Mapping[str, int]]:
        if len(body) > self._max_body:
            raise TooLarge(f"the request has {len(body)} bytes, the limit is {self._max_body}")
        receipt, reasons = check(telemetry, body)
        if receipt.accepted and not self._recorder.append(telemetry, body, receipt.accepted):
            with self._lock:
                self._repeated += 1
        return receipt, reasons
