"""The demo's processes: started as children that end with their parent, waited for, stopped in reverse."""

from __future__ import annotations

import contextlib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar
from urllib.parse import urlsplit

from tracecollect.demo.ports import free_port
from tracecollect.errors import ServerGone

T = TypeVar("T")
_STOP_SECONDS = 10.0
_TAIL = 5


class Child:
    """One running part. Its standard input is the cord: when it is cut, the part stops."""

    def __init__(self, name: str, logs: Path, *arguments: str) -> None:
        self.name = name
        self._log = logs / f"{name}.log"
        self._output = self._log.open("wb")
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tracecollect.demo.child", "--with-parent", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if name == "postgres" else self._output,
            stderr=self._output,
            # Ctrl-C is for the parent: it stops the others in order.
            start_new_session=True,
        )

    def first_line(self, patience: float) -> str:
        """What the part says when it is ready. Raises `ServerGone` when it ends before."""
        stdout = self._process.stdout
        assert stdout is not None  # noqa: S101 - it is a pipe
        late = threading.Timer(patience, self.kill)
        late.start()
        try:
            line = stdout.readline().decode().strip()
        finally:
            late.cancel()
        if not line:
            raise self.failure()
        return line

    def running(self) -> bool:
        """Whether it still runs."""
        return self._process.poll() is None

    def failure(self) -> ServerGone:
        """Why it ended, in its own words."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(1)
        said = self._log.read_text("utf-8", "replace").strip().splitlines()[-_TAIL:]
        return ServerGone(f"{self.name} did not start: " + " ".join(said), hint=f"its log is {self._log}")

    def kill(self) -> None:
        """End it at once."""
        self._process.kill()

    def stop(self) -> None:
        """Cut the cord and wait; whatever does not stop in time is killed."""
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with contextlib.suppress(BrokenPipeError):
                    stream.close()
        try:
            self._process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._output.close()


class Family:
    """All children of one demo."""

    def __init__(self, logs: Path) -> None:
        self.logs = logs
        logs.mkdir(parents=True, exist_ok=True)
        self._children: list[Child] = []

    def start(self, name: str, *arguments: str) -> Child:
        """Start one part."""
        child = Child(name, self.logs, *arguments)
        self._children.append(child)
        return child

    def service(self, name: str, *arguments: str) -> str:
        """Start one of the shop's services on a free port and give its address once it listens."""
        address = f"http://127.0.0.1:{free_port()}"
        self.start(name, name, "--port", str(urlsplit(address).port), *arguments)
        self.until(f"{name} listens", lambda: _listens(address) or None, 20)
        return address

    def until(self, what: str, happened: Callable[[], T | None], patience: float) -> T:
        """Wait for something; raises `ServerGone` when a child ends instead, or it takes too long."""
        end = time.monotonic() + patience
        while True:
            found = happened()
            if found is not None:
                return found
            for child in self._children:
                if not child.running():
                    raise child.failure()
            if time.monotonic() > end:
                raise ServerGone(f"waited {patience:.0f} s in vain until {what}", hint=f"the logs are in {self.logs}")
            time.sleep(0.05)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        for child in reversed(self._children):
            child.stop()


def _listens(address: str) -> bool:
    parts = urlsplit(address)
    with contextlib.suppress(OSError), socket.create_connection((parts.hostname or "", parts.port or 0), 0.2):
        return True
    return False
