"""What really happens to connections in a service: the truth beside its telemetry, served at /_labels."""

from __future__ import annotations

import threading
import time
import weakref
from contextlib import suppress
from typing import Any

from opentelemetry import trace


class Lease:
    """One connection that was taken."""

    def __init__(self, number: int, route: str, pid: int | None, given_back_by_collector: bool) -> None:
        span = trace.get_current_span().get_span_context()
        self.said: dict[str, Any] = {
            "lease": number,
            "route": route,
            "trace_id": f"{span.trace_id:032x}",
            "span_id": f"{span.span_id:016x}",
            "t_acquire": time.time_ns(),
            "t_release": None,
            "backend_pid": pid,
            "forgot": None,
            "collected": False,
            "object_collected": False,
        }
        self._given_back_by_collector = given_back_by_collector

    def released(self) -> None:
        self.said["t_release"] = time.time_ns()

    def forgotten(self, how: str) -> None:
        """The handler's own way: `early_return`, `exception_path`, `dropped`."""
        self.said["forgot"] = how

    def object_gone(self) -> None:
        """The garbage collector took the object; a pool that notices has its connection back."""
        if self.said["t_release"] is None:
            self.said["object_collected"] = True
            self.said["collected"] = self._given_back_by_collector


class Leases:
    """All of them. `given_back_by_collector`: whether the pool recovers what its user dropped."""

    def __init__(self, *, given_back_by_collector: bool = False) -> None:
        self._all: list[Lease] = []
        self._lock = threading.Lock()
        self._given_back = given_back_by_collector

    def take(self, route: str, held: object, pid: int | None) -> Lease:
        """To be called right after the acquire, inside the server span."""
        with self._lock:
            lease = Lease(len(self._all) + 1, route, pid, self._given_back)
            self._all.append(lease)
        with suppress(TypeError):  # some objects cannot be watched
            weakref.finalize(held, lease.object_gone).atexit = False
        return lease

    def said(self) -> list[dict[str, Any]]:
        return [one.said for one in self._all]
