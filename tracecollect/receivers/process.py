"""The receiver processes: started by the main process, watched by it, and never left alone by it.

The parent talks through a child's stdin (a line that says what to do, later one that says stop; its end: stop now),
a child through its stdout (one JSON document a line). A pipe ends when its process does, however it dies, so there
are no orphans. Processes of their own, because decoding and the engine hold the interpreter lock for up to 140 ms at
a time; several of them share the ports (SO_REUSEPORT) and the journal.
"""

from __future__ import annotations

import contextlib
import json
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import reduce
from typing import Any

from tracecollect.errors import ListenError, StoreError, TracecollectError
from tracecollect.receivers.intake import MAX_BODY, IntakeCounters
from tracecollect.receivers.listeners import Listening, bound

_log = logging.getLogger(__name__)
_START_SECONDS = 30.0
_ERRORS: Mapping[str, type[TracecollectError]] = {"ListenError": ListenError, "StoreError": StoreError}
_WORKER = "tracecollect.receivers.worker"


class Receivers:
    """The running receiver processes, in the parent: each is started again when it dies unasked.

    `recorder` names what makes a child's recorder, as "module:callable", and `options` are its arguments: receivers
    know no journal. `grpc_port` and `http_port` are the bound ones once `start` returns, 0 where nothing listens.
    """

    def __init__(
        self,
        recorder: str,
        options: Mapping[str, Any],
        listening: Listening,
        *,
        workers: int = 1,
        max_body: int = MAX_BODY,
        restart_seconds: float = 1.0,
    ) -> None:
        self._config = {"recorder": recorder, "options": dict(options), "max_body": max_body}
        self._listening = listening
        self._number = workers
        self._restart = restart_seconds
        self._workers: list[_Worker] = []
        self._reserved = ExitStack()
        self.grpc_port = self.http_port = 0

    def start(self) -> None:
        """Return when every process accepts requests. Raises `ListenError` or `StoreError` when one cannot."""
        with ExitStack() as starting:
            starting.callback(self.stop, 0)
            wanted = self._reserve()
            config = json.dumps(self._config | {"listening": asdict(wanted)})
            self._workers = [_Worker(config, self._restart) for _ in range(self._number)]
            for one in self._workers:
                one.spawn()
            for one in self._workers:
                one.wait()
            starting.pop_all()

    def _reserve(self) -> Listening:
        """Hold the ports for as long as we live: a process that restarts finds them, a stranger does not get them."""
        grpc, http = self._listening.grpc, self._listening.http
        if grpc is not None:
            grpc = (grpc[0], self._hold(*grpc, what="OTLP/gRPC", flag="--otlp-grpc"))
            self.grpc_port = grpc[1]
        if http is not None:
            http = (http[0], self._hold(*http, what="OTLP/HTTP", flag="--otlp-http"))
            self.http_port = http[1]
        return replace(self._listening, grpc=grpc, http=http, reuse_port=True)

    def _hold(self, host: str, port: int, *, what: str, flag: str) -> int:
        # A socket that shares finds nobody in the way; one that does not share tells whether the port is in use.
        with bound(host, port, what=what, flag=flag) as alone:
            port = alone.getsockname()[1]
        held: socket.socket = self._reserved.enter_context(bound(host, port, what=what, flag=flag, reuse_port=True))
        return int(held.getsockname()[1])

    def counters(self) -> IntakeCounters:
        """What all children counted, earlier ones too; at most a second old, exact after `stop`."""
        return reduce(IntakeCounters.plus, (one.counters() for one in self._workers), IntakeCounters())

    def alive(self) -> bool:
        """Whether the ports are served right now, by at least one process."""
        return any(one.serving for one in self._workers)

    @property
    def pids(self) -> tuple[int, ...]:
        """The children's process ids."""
        return tuple(one.child.pid for one in self._workers if one.child is not None)

    def kill(self, number: int = 0) -> None:
        """End a child at once, as a crash would; another one is started."""
        child = self._workers[number].child
        if child is not None:
            child.kill()

    def stop(self, grace: float = 5.0) -> None:
        """Refuse new requests, answer the running ones within `grace` seconds, end the processes. Idempotent."""
        for one in self._workers:
            one.order_stop(grace)
        for one in self._workers:
            one.stop(grace)
        self._reserved.close()


class _Worker:
    """One child and whoever follows it."""

    def __init__(self, config: str, restart_seconds: float) -> None:
        self._config = config
        self._restart = restart_seconds
        self.child: subprocess.Popen[str] | None = None
        self.serving = False
        self._ready = threading.Event()
        self._failure: TracecollectError | None = None
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._buried = IntakeCounters()
        self._latest = IntakeCounters()
        self._watch: threading.Thread | None = None

    def spawn(self) -> None:
        """Start the child and follow it."""
        self._spawn()
        self._watch = threading.Thread(target=self._follow, name="receiver-watch", daemon=True)
        self._watch.start()

    def wait(self) -> None:
        """Return when it accepts requests. Raises what kept it from that."""
        if not self._ready.wait(_START_SECONDS):
            raise ListenError("a receiver process did not start", hint="look at its messages above")
        if self._failure is not None:
            raise self._failure

    def counters(self) -> IntakeCounters:
        """What this and earlier children counted."""
        with self._lock:
            return self._buried.plus(self._latest)

    def order_stop(self, grace: float) -> None:
        """Tell it to stop, without waiting."""
        with self._lock:
            self._ended.set()
            child = self.child
        if child is not None and child.poll() is None and child.stdin is not None:
            try:
                child.stdin.write(f"{grace}\n")
                child.stdin.flush()
            except (OSError, ValueError):
                _log.debug("a receiver process ended by itself")

    def stop(self, grace: float) -> None:
        """Wait until it has ended. Idempotent."""
        child = self.child
        if child is None:
            return
        try:
            child.wait(grace + 5)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        if self._watch is not None:
            self._watch.join()
        _close(child)
        self.child = None

    def _spawn(self) -> None:
        # A process group of its own: Ctrl-C on the terminal is for the parent, which then orders the stop.
        self.child = subprocess.Popen(
            [sys.executable, "-m", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            process_group=0,
        )
        assert self.child.stdin is not None  # noqa: S101 -- only for the type checker
        # Not as an argument: it may hold tokens, and everybody can read a process's arguments.
        with contextlib.suppress(OSError):
            self.child.stdin.write(self._config + "\n")
            self.child.stdin.flush()

    def _follow(self) -> None:
        """Read what the child says until it ends; start another one when nobody asked it to end."""
        while (child := self.child) is not None and child.stdout is not None:
            for line in child.stdout:
                self._hear(line)
            code = child.wait()
            self.serving = False
            if not self._ready.is_set():
                self._failure = ListenError(f"a receiver process ended with status {code}")
                self._ready.set()
            if self._failure is not None or self._ended.is_set():
                return
            _log.warning("a receiver process ended with status %s; starting another one", code)
            _close(child)
            if self._ended.wait(self._restart):
                return
            with self._lock:
                self._buried, self._latest = self._buried.plus(self._latest), IntakeCounters()
                # `order_stop` looks at the child under the same lock: it stops this one, or there is no other.
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
            self.serving = True
            self._ready.set()
        elif "failed" in message and self._ready.is_set():
            _log.error("a receiver process cannot start again, will try: %s", message["message"])
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
    return IntakeCounters(requests, message["accepted"], message["rejected"], message["refused"], message["repeated"])
