"""A recording OTLP receiver: gRPC and HTTP, every request kept as it came, in order of arrival."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tracecollect.ports import Recorded, Telemetry
from tracecollect.receivers.intake import Intake
from tracecollect.receivers.listeners import Listeners, Listening


class Tape:
    """A `Recorder` that keeps requests in memory until it is stopped."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._requests: list[tuple[str, int, bytes]] = []
        self._stopped = False

    def append(self, telemetry: Telemetry, body: bytes, items: int) -> bool:
        with self._lock:
            if not self._stopped:
                self._requests.append((telemetry.value, time.time_ns(), body))
        return True

    def submit(self, telemetry: Telemetry, body: bytes, items: int, done: Recorded) -> None:
        done(None, self.append(telemetry, body, items))

    def stop(self) -> None:
        """Keep nothing more: what a service says while it shuts down is not part of the story."""
        with self._lock:
            self._stopped = True

    def write(self, path: Path, clean: Callable[[str, bytes], bytes]) -> None:
        """Write the format of tests/samples, every request cleaned first."""
        unfinished = path.with_suffix(".part")
        with unfinished.open("wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as out:
            for signal, t, body in self._requests:
                line = {"signal": signal, "t": t, "b64": base64.b64encode(clean(signal, body)).decode()}
                out.write(json.dumps(line, separators=(",", ":")).encode() + b"\n")
        unfinished.replace(path)


@contextmanager
def listening(tape: Tape) -> Iterator[tuple[str, str]]:
    """Receive onto the tape; gives the gRPC and the HTTP endpoint."""
    found = Listeners(Intake(tape), Listening(grpc=("127.0.0.1", 0), http=("127.0.0.1", 0)))
    found.start()
    try:
        yield f"http://127.0.0.1:{found.grpc_port}", f"http://127.0.0.1:{found.http_port}"
    finally:
        found.stop(1.0)
