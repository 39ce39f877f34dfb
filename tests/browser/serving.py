"""A `tracecollect serve` as a process of its own, on free ports, over recordings."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from tracecollect.demo.ports import free_port
from tracecollect.storage.remote import find_server

_PATIENCE = 60


def program(*words: str) -> None:
    done = subprocess.run([sys.executable, "-m", "tracecollect", *words], capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


class Serving:
    """`url` stays the same over a restart."""

    def __init__(self, directory: Path, *more: str) -> None:
        self.directory = directory
        self.otlp = f"127.0.0.1:{free_port()}"
        web = f"127.0.0.1:{free_port()}"
        self.url = f"http://{web}"
        http = f"127.0.0.1:{free_port()}"
        where = ("--data-dir", str(directory), "--otlp-grpc", self.otlp, "--otlp-http", http, "--web", web)
        self._command = [sys.executable, "-m", "tracecollect", "serve", *where, *more]
        self.start()

    def start(self) -> None:
        environment = {name: text for name, text in os.environ.items() if not name.startswith("TRACECOLLECT_")}
        environment["TRACECOLLECT_JUDGE_INTERVAL"] = "1s"
        with (self.directory.parent / f"{self.directory.name}.log").open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log, env=environment)
        end = time.monotonic() + _PATIENCE
        while (found := find_server(self.directory)) is None or found.pid != self._process.pid:
            assert self._process.poll() is None, log.name
            assert time.monotonic() < end, log.name
            time.sleep(0.02)

    def stop(self, number: int = signal.SIGTERM) -> None:
        if self._process.poll() is None:
            self._process.send_signal(number)
            self._process.wait(_PATIENCE)
