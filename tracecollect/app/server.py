"""Everything that `serve` runs, and the signals that end it."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from types import FrameType
from typing import TYPE_CHECKING

import tracecollect
from tracecollect import codec
from tracecollect.app.parts import (
    disk_check,
    extra,
    intake,
    journal_check,
    journal_usage,
    receivers,
    sending,
    stored,
    web_access,
)
from tracecollect.errors import StoreError
from tracecollect.model import Instant
from tracecollect.ports import Check, Depth
from tracecollect.settings import Address, Settings, seconds

if TYPE_CHECKING:
    from tracecollect.pipeline import Pipeline
    from tracecollect.receivers.intake import Intake
    from tracecollect.receivers.process import Receivers
    from tracecollect.redact import Redactor
    from tracecollect.storage.clickhouse import ClickHouseStore
    from tracecollect.storage.directory import DataDirectory
    from tracecollect.storage.judge import Judge
    from tracecollect.web import Vitals, WebServer

_log = logging.getLogger(__name__)
# Together with the drain this stays under the ten seconds in which a stop must be done.
_RECEIVER_GRACE_SECONDS = 1.0


class Server:
    """Everything that `serve` runs. Use as a context manager; not on the main thread (see above)."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._stack = ExitStack()
        self._store: ClickHouseStore | None = None
        self._pipeline: Pipeline | None = None
        self._judge: Judge | None = None
        self._receivers: Receivers | None = None
        self._intake: Intake | None = None
        self._web: WebServer | None = None
        self._redactor: Redactor | None = None
        self._changed: Mapping[str, tuple[str, str]] = {}
        self._stopping = False
        self._bytes = 0

    def __enter__(self) -> Server:
        """Open everything. Raises what a part raises, with nothing left open."""
        with self._stack as opening, extra("serve"):
            self._open()
            self._stack = opening.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        """Close in reverse: listeners, pipeline (which drains), store, directory."""
        self._stopping = True
        self._stack.close()

    @property
    def web(self) -> WebServer:
        """The web server, once open."""
        assert self._web is not None  # noqa: S101 -- only for the type checker
        return self._web

    @property
    def otlp_grpc(self) -> str:
        """The bound address of the gRPC receiver."""
        port = self._receivers.grpc_port if self._receivers is not None else 0
        return str(Address(self.settings.otlp_grpc.host, port))

    @property
    def otlp_http(self) -> str:
        """The bound address of the HTTP receiver."""
        port = self._receivers.http_port if self._receivers is not None else 0
        return str(Address(self.settings.otlp_http.host, port))

    def _open(self) -> None:
        from tracecollect.storage import pages
        from tracecollect.storage.directory import DataDirectory
        from tracecollect.storage.judge import Judge
        from tracecollect.storage.local import LocalAnswers
        from tracecollect.web import WebServer

        settings, stack = self.settings, self._stack
        directory = stack.enter_context(DataDirectory(settings.data_dir))
        self._web = WebServer(settings.web)
        stack.callback(self._web.stop)
        self._store, self._pipeline, self._redactor = stored(settings, stack)
        self._changed = self._store.record_settings(settings.spelled(), settings.origins, tracecollect.__version__)
        for name, (before, now) in self._changed.items():
            _log.info("%s changed since the last start: %s, was %s", name, now or "nothing", before or "nothing")
        answers = LocalAnswers(
            self._store,
            grace=settings.grace,
            settings=settings.spelled(),
            origins=settings.origins,
            checks=self._checks,
            waiting=lambda: journal_usage(self._pipeline.depth() if self._pipeline is not None else Depth()),
        )
        stack.callback(answers.close)
        self._judge = Judge(
            answers,
            self._rows_stored,
            grace=settings.grace,
            interval=seconds(settings.judge_interval),
            rest=pages.give_back,
        )
        stack.callback(self._web.stop)
        self._judge.start()
        stack.callback(self._judge.stop)
        self._intake = intake(settings, stack)
        stack.callback(self._web.stop)
        self._receivers = receivers(settings)
        self._receivers.start()
        stack.callback(self._receivers.stop, _RECEIVER_GRACE_SECONDS)
        self._web.start(
            answers,
            self.vitals,
            grace=settings.grace,
            public=settings.allow_public or not settings.web.loopback,
            intake=self._intake,
            access=web_access(settings),
        )
        self._announce(directory)

    def _rows_stored(self) -> int:
        """How far the store is; asked on the judge's thread, which also takes its measure there."""
        if self._store is not None:
            stats = self._store.stats()
            self._bytes = sum(size for name, size in stats.items() if name.endswith(".bytes"))
            self._keep_within()
        return self._pipeline.counters().rows_stored if self._pipeline is not None else 0

    def _keep_within(self) -> None:
        most = self.settings.store_max_bytes
        if not most or self._bytes <= most or self._store is None:
            return
        try:
            for day in self._store.keep_within(most):
                _log.warning("%s was dropped: the store had more than store_max_bytes", day)
        except StoreError as error:
            _log.error("days could not be dropped, will try again: %s", error.message)

    def _announce(self, directory: DataDirectory) -> None:
        from tracecollect.storage.remote import RunningServer

        now = codec.spell_instant(Instant(time.time_ns()))
        directory.announce(
            RunningServer(os.getpid(), self.web.url, self.otlp_grpc, tracecollect.__version__, now, self.otlp_http)
        )
        self._stack.callback(directory.withdraw)

    def vitals(self) -> Vitals:
        """The numbers of this moment, for `/metrics` and `/readyz`."""
        from tracecollect.web import Vitals

        if self._pipeline is None or self._receivers is None or self._judge is None:
            return Vitals(why_not="starting")
        done, received = self._pipeline.counters(), self._receivers.counters()
        if self._intake is not None:
            received = received.plus(self._intake.counters())
        why_not = "stopping" if self._stopping else "" if self._receivers.alive() else "the receiver restarts"
        return Vitals(
            ready=not why_not,
            why_not=why_not,
            requests=received.requests,
            accepted=received.accepted,
            rejected=received.rejected,
            refused=received.refused,
            redacted=self._redactor.counters() if self._redactor is not None else {},
            spans_stored=done.spans_stored,
            rows_stored=done.rows_stored,
            set_aside=done.set_aside,
            store_failures=done.store_failures,
            inserts=done.batches,
            insert_seconds=done.insert_seconds,
            store_bytes=self._bytes,
            journal=self._pipeline.depth(),
            findings=self._judge.counts(),
        )

    def _checks(self) -> Sequence[Check]:
        """What only the running server knows, for `doctor`."""
        now = self.vitals()
        requests = sum(now.requests.values())
        listening = self._receivers is not None and self._receivers.alive()
        return (
            Check(
                "listening",
                listening,
                f"OTLP/gRPC on {self.otlp_grpc}, OTLP/HTTP on {self.otlp_http}, answers on {self.web.url}",
                now.why_not,
            ),
            Check(
                "arriving",
                requests > 0,
                f"{requests} requests since the start, {now.accepted.get('traces', 0)} spans accepted, "
                f"{sum(now.rejected.values())} items rejected",
                "" if requests else sending(self.otlp_grpc),
            ),
            journal_check(now.journal),
            disk_check(self.settings),
            Check("settings", True, self._told_changes()),
        )

    def _told_changes(self) -> str:
        if not self._changed:
            return "as at the last start"
        texts = [f"{name} {before or 'nothing'} → {now or 'nothing'}" for name, (before, now) in self._changed.items()]
        return f"changed since the last start: {', '.join(texts)}"


def serve(settings: Settings, ready: Callable[[Server], None]) -> None:
    """Run until SIGINT or SIGTERM; a second signal leaves at once, and the journal keeps the rest.

    Call on the main thread. Raises what opening raises.
    """
    _log_to_stderr(settings.log_level)
    stop = threading.Event()
    failure: list[BaseException] = []

    def house() -> None:
        try:
            with Server(settings) as server:
                if not stop.is_set():
                    ready(server)
                stop.wait()
        except BaseException as error:
            failure.append(error)

    previous = {number: signal.signal(number, _stopper(stop)) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        thread = threading.Thread(target=house, name="house")
        thread.start()
        thread.join()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    if failure:
        raise failure[0]


def _stopper(stop: threading.Event) -> Callable[[int, FrameType | None], None]:
    def on_signal(_: int, __: FrameType | None) -> None:
        if stop.is_set():
            os.write(2, b"\nleft at once; what was acknowledged is in the journal\n")
            os._exit(2)
        os.write(2, b"\nstopping: storing what was acknowledged (again to leave at once)\n")
        stop.set()

    return on_signal


def _log_to_stderr(level: str) -> None:
    logging.basicConfig(
        stream=sys.stderr, level=level.upper(), format="%(asctime)s %(levelname)s %(message)s", datefmt="%H:%M:%S"
    )
