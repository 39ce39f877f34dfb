"""The receiver process: started by the main process, watched by it, and never left alone by it.

The parent talks through the child's stdin (one line: what to do; its end: stop now), the child through its stdout
(one JSON document a line). A pipe ends when its process does, however it dies, so there are no orphans.
A process of its own, because decoding and the engine hold the interpreter lock for up to 140 ms at a time.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from typing import IO, Any

from tracecollect.errors import ListenError, StoreError, TracecollectError
from tracecollect.receivers.intake import MAX_BODY, Intake, IntakeCounters

_log = logging.getLogger(__name__)
_REPORT_SECONDS = 1.0
_START_SECONDS = 30.0
_ERRORS: Mapping[str, type[TracecollectError]] = {"ListenError": ListenError, "StoreError": StoreError}


class ReceiverProcess:
    """A running receiver process, in the parent. Started again when it dies unasked.

    `recorder` names what makes the child's recorder, as "module:callable", and `options` are its arguments:
    receivers know no journal. `port` is the bound one once `start` returns.
    """

    def __init__(
        self,
        recorder: str,
        options: Mapping[str, Any],
        *,
        host: str = "127.0.0.1",
        port: int = 4317,
        max_body: int = MAX_BODY,
        restart_seconds: float = 1.0,
    ) -> None:
        self._config = {"recorder": recorder, "options": dict(options), "host": host, "max_body": max_body}
        self.port = port
        self._restart = restart_seconds
        self._child: subprocess.Popen[str] | None = None
        self._ready = threading.Event()
        self._failure: TracecollectError | None = None
        self._serving = False
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._buried = IntakeCounters()
        self._latest = IntakeCounters()
        self._watch: threading.Thread | None = None

    def start(self) -> None:
        """Return when the port accepts requests. Raises `ListenError` or `StoreError` when it cannot."""
        self._spawn()
        self._watch = threading.Thread(target=self._follow, name="receiver-watch", daemon=True)
        self._watch.start()
        if not self._ready.wait(_START_SECONDS):
            self.stop(0)
            raise ListenError("the receiver process did not start", hint="look at its messages above")
        if self._failure is not None:
            self.stop(0)
            raise self._failure

    def counters(self) -> IntakeCounters:
        """What this and earlier children counted, at most a second old; exact after `stop`."""
        with self._lock:
            return self._buried.plus(self._latest)

    def alive(self) -> bool:
        """Whether the port is served right now."""
        return self._serving

    @property
    def pid(self) -> int | None:
        """The child's process id."""
        return self._child.pid if self._child is not None else None

    def kill(self) -> None:
        """End the child at once, as a crash would; another one is started."""
        if self._child is not None:
            self._child.kill()

    def stop(self, grace: float = 5.0) -> None:
        """Refuse new requests, answer the running ones within `grace` seconds, end the process. Idempotent."""
        with self._lock:
            self._ended.set()
            child = self._child
        if child is None:
            return
        if child.poll() is None and child.stdin is not None:
            try:
                child.stdin.write(f"{grace}\n")
                child.stdin.flush()
            except (OSError, ValueError):
                _log.debug("the receiver process ended by itself")
        try:
            child.wait(grace + 5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if self._watch is not None:
            self._watch.join()
        _close(child)
        self._child = None

    def _spawn(self) -> None:
        # A process group of its own: Ctrl-C on the terminal is for the parent, which then orders the stop.
        self._child = subprocess.Popen(
            [sys.executable, "-m", __name__, json.dumps(self._config | {"port": self.port})],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )

    def _follow(self) -> None:
        """Read what the child says until it ends; start another one when nobody asked it to end."""
        while (child := self._child) is not None and child.stdout is not None:
            for line in child.stdout:
                self._hear(line)
            code = child.wait()
            self._serving = False
            if not self._ready.is_set():
                self._failure = ListenError(f"the receiver process ended with status {code}")
                self._ready.set()
            if self._failure is not None or self._ended.is_set():
                return
            _log.warning("the receiver process ended with status %s; starting another one", code)
            _close(child)
            if self._ended.wait(self._restart):
                return
            with self._lock:
                self._buried, self._latest = self._buried.plus(self._latest), IntakeCounters()
                # `stop` looks at the child under the same lock: it stops this one, or there is no other.
                if self._ended.is_set():
                    return
                self._spawn()

    def _hear(self, line: str) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            # The child died while it wrote.
            return
        if "ready" in message:
            self.port = int(message["ready"])
            self._serving = True
            self._ready.set()
        elif "failed" in message and self._ready.is_set():
            _log.error("the receiver process cannot start again, will try: %s", message["message"])
        elif "failed" in message:
            kind = _ERRORS.get(message["failed"], TracecollectError)
            self._failure = kind(message["message"], hint=message["hint"])
            self._ready.set()
        else:
            with self._lock:
                self._latest = _counters(message)


def _close(child: subprocess.Popen[str]) -> None:
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            # What a dead child did not read is still in the buffer, and closing tries to write it.
            with contextlib.suppress(OSError):
                pipe.close()


def _counters(message: Mapping[str, Any]) -> IntakeCounters:
    requests = {(transport, signal_, code): count for transport, signal_, code, count in message["requests"]}
    return IntakeCounters(requests, message["accepted"], message["rejected"], message["repeated"])


def main(config: Mapping[str, Any], orders: IO[str], reports: IO[str]) -> int:
    """The child: serve until an order or the end of `orders` comes."""
    from tracecollect.receivers.otlp_grpc import OtlpGrpcReceiver

    module, _, name = config["recorder"].partition(":")
    try:
        recorder = getattr(importlib.import_module(module), name)(**config["options"])
        try:
            intake = Intake(recorder, max_body=config["max_body"])
            receiver = OtlpGrpcReceiver(intake, host=config["host"], port=config["port"], max_body=config["max_body"])
        except BaseException:
            recorder.close()
            raise
    except TracecollectError as error:
        _say(reports, {"failed": type(error).__name__, "message": error.message, "hint": error.hint})
        return 2
    receiver.start()
    _say(reports, {"ready": receiver.port})
    stopped = threading.Event()
    reporter = threading.Thread(target=_report, args=(intake, reports, stopped), name="report", daemon=True)
    reporter.start()
    order = orders.readline()
    receiver.stop(float(order) if order.strip() else 0)
    recorder.close()
    stopped.set()
    reporter.join()
    return 0


def _report(intake: Intake, reports: IO[str], stopped: threading.Event) -> None:
    last = None
    while True:
        ended = stopped.wait(_REPORT_SECONDS)
        counters = intake.counters()
        if counters != last:
            _say(
                reports,
                {
                    "requests": [[*key, count] for key, count in counters.requests.items()],
                    "accepted": counters.accepted,
                    "rejected": counters.rejected,
                    "repeated": counters.repeated,
                },
            )
            last = counters
        if ended:
            return


def _say(reports: IO[str], message: Mapping[str, Any]) -> None:
    try:
        reports.write(json.dumps(message) + "\n")
        reports.flush()
    except OSError:
        # Nobody listens any more: the parent is gone, and the end of stdin says the same.
        _log.debug("the parent is gone")


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # gRPC prints its own view of a port in use; the parent prints ours.
    os.environ.setdefault("GRPC_VERBOSITY", "NONE")
    sys.exit(main(json.loads(sys.argv[1]), sys.stdin, sys.stdout))
