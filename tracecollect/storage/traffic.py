"""What the requests of one service did: its versions, its entry operations, the signals of a sample of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from tracecollect.model import Instant, Signal, Window
from tracecollect.ports import RequestsSeen, VersionSeen
from tracecollect.storage.rows import signal
from tracecollect.storage.witnesses import StoredWitnesses, bounds

_MOST_ENTRIES = 1_000
_MOST_SIGNALS = 1_000_000


class StoredTraffic(StoredWitnesses):
    """Implements `ports.TrafficReader` with SQL over spans and `connection_signals`."""

    def versions(self, service: str, window: Window) -> Sequence[VersionSeen]:
        """The versions of a service and the processes that ran them, in order of their first span."""
        return [
            VersionSeen(row["instance"], row["version"], Instant(row["first_ns"]), Instant(row["last_ns"]))
            for row in self._engine.rows("build_versions", **bounds(window), service=service)
        ]

    def requests(self, service: str, version: str, window: Window, *, below: str) -> Sequence[RequestsSeen]:
        """The entry operations of a service and, if one is said, version, the busiest first."""
        asked = bounds(window) | {"service": service, "version": version, "below": below, "limit": _MOST_ENTRIES}
        found = self._engine.rows("build_requests", **asked)
        return [RequestsSeen(row["entry"], row["requests"], row["followed"]) for row in found]

    def signals_of_requests(
        self, service: str, instances: Iterable[str], window: Window, *, below: str
    ) -> Sequence[Signal]:
        """Every signal of a key that the sampled requests touched, in order of time."""
        asked = self._of(instances, window) | {"service": service, "below": below, "limit": _MOST_SIGNALS}
        return [signal(row) for row in self._engine.each("build_signals", **asked)]
