"""A recording OTLP receiver: gRPC and HTTP/protobuf, every request kept as it came, in order of arrival."""

from __future__ import annotations

import base64
import gzip
import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tracecollect.errors import TracecollectError
from tracecollect.ports import Telemetry
from tracecollect.receivers.intake import Intake
from tracecollect.receivers.otlp_grpc import OtlpGrpcReceiver


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
    intake = Intake(tape)
    grpc = OtlpGrpcReceiver(intake, port=0)
    http = ThreadingHTTPServer(("127.0.0.1", 0), _handler(intake))
    thread = threading.Thread(target=http.serve_forever, name="otlp-http", daemon=True)
    grpc.start()
    thread.start()
    try:
        yield f"http://127.0.0.1:{grpc.port}", f"http://127.0.0.1:{http.server_port}"
    finally:
        http.shutdown()
        http.server_close()
        thread.join()
        grpc.stop(1.0)


def _handler(intake: Intake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            if "protobuf" not in self.headers.get("Content-Type", ""):
                return self._answer(415, b"only protobuf is recorded: set OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf")
            try:
                if self.headers.get("Content-Encoding") == "gzip":
                    body = gzip.decompress(body)
                intake.accept(Telemetry(self.path.rpartition("/")[2]), body, transport="http")
            except (OSError, ValueError, TracecollectError) as error:
                return self._answer(400, str(error).encode())
            return self._answer(200, b"")

        def _answer(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/x-protobuf" if status == 200 else "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing: the driver speaks."""

    return Handler
