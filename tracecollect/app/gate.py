"""A collector around one command: there when it starts, gone when it has ended, with a verdict in between.

The receiver is up before the command; the engine opens while it runs. When the command has ended, nothing can be
given back any more: what is open was never closed, and nobody has to wait for a grace.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from tracecollect.app.parts import extra, journal_path, stored
from tracecollect.errors import StoreError, UsageError
from tracecollect.model import SECOND, Hold, Instant, LeakQuery, LeakReport, Lifecycle, Verdict, Window
from tracecollect.settings import Settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tracecollect.pipeline import Pipeline
    from tracecollect.receivers.listeners import Listeners
    from tracecollect.storage.local import LocalAnswers

_STRAGGLERS_SECONDS = 1.0
_PATIENCE_SECONDS = 60.0
_STARTUP = Path(__file__).parent.parent / "probe" / "startup"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the command, and of its connections. `status` as a shell has it: 128 + n for a signal.

    `collected` came back only because the garbage collector took them. `heard` is how many requests arrived.
    """

    status: int
    report: LeakReport
    picture: Lifecycle
    collected: tuple[Hold, ...]
    heard: int


def around(settings: Settings, command: Sequence[str], *, name: str, probe: bool = True) -> Outcome:
    """Run a command inside a collector of its own and judge it when it has ended. Nothing is kept.

    `name` is the service's where the command has none. `probe`: switch it on in Python processes. Raises `UsageError`
    when the command cannot be started.
    """
    with extra("run"), TemporaryDirectory(prefix="tracecollect-run-") as directory, ExitStack() as stack:
        inside = replace(settings, data_dir=Path(directory), store="")
        thread = stack.enter_context(ThreadPoolExecutor(1, thread_name_prefix="gate"))
        began = Instant(time.time_ns() - SECOND)
        listeners = _listening(inside, stack)
        child = _started(command, environment(os.environ, listeners.grpc_port, name, probe=probe))
        opened = thread.submit(_opened, inside)
        status = _waited(child)
        listeners.stop(_STRAGGLERS_SECONDS)
        return thread.submit(_judged, opened.result(), began, status).result()


def environment(given: Mapping[str, str], port: int, name: str, *, probe: bool) -> dict[str, str]:
    """The variables that every OpenTelemetry SDK understands, and for Python where the probe is."""
    kept = {
        key: value
        for key, value in given.items()
        if not key.startswith("OTEL_EXPORTER_OTLP_") and key not in ("OTEL_SDK_DISABLED", "OTEL_TRACES_SAMPLER_ARG")
    }
    ours = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_METRICS_EXPORTER": "otlp",
        "OTEL_LOGS_EXPORTER": "otlp",
        "OTEL_TRACES_SAMPLER": "always_on",
        # A connection that is collected inside the exemplars' lock can stop an instrumented process.
        "OTEL_METRICS_EXEMPLAR_FILTER": "always_off",
    }
    wished = {"OTEL_SERVICE_NAME": name, "OTEL_METRIC_EXPORT_INTERVAL": "5000", "OTEL_BSP_SCHEDULE_DELAY": "1000"}
    wished["OTEL_BLRP_SCHEDULE_DELAY"] = "1000"
    if probe:
        ours["PYTHONPATH"] = os.pathsep.join(filter(None, (str(_STARTUP), given.get("PYTHONPATH", ""))))
    return {**wished, **kept, **ours}


def _listening(settings: Settings, stack: ExitStack) -> Listeners:
    from tracecollect.journal import JournalWriter
    from tracecollect.receivers.intake import Intake
    from tracecollect.receivers.listeners import Listeners, Listening

    writer = JournalWriter(journal_path(settings), max_bytes=settings.journal_max_bytes)
    stack.callback(writer.close)
    listeners = Listeners(Intake(writer, max_body=settings.max_request_bytes), Listening(grpc=("127.0.0.1", 0)))
    listeners.start()
    stack.callback(listeners.stop, 0)
    return listeners


def _started(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(command, env=environment)
    except OSError as error:
        raise UsageError(
            f"{command[0]} cannot be started: {error.strerror}",
            hint="write the command as in a shell after --: tracecollect run -- pytest -x",
        ) from error


def _waited(child: subprocess.Popen[bytes]) -> int:
    """The command's exit status. Signals that are meant for it are passed on; Ctrl-C reaches it by itself."""
    with _passing_on(child):
        code = child.wait()
    return code if code >= 0 else 128 - code


@contextmanager
def _passing_on(child: subprocess.Popen[bytes]) -> Iterator[None]:
    handlers = {
        signal.SIGINT: signal.signal(signal.SIGINT, lambda *_: None),
        signal.SIGTERM: signal.signal(signal.SIGTERM, lambda *_: child.terminate()),
    }
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)


@dataclass(slots=True)
class _House:
    """The store behind the receiver, opened while the command runs. All of it lives on one thread."""

    answers: LocalAnswers
    pipeline: Pipeline
    stack: ExitStack


def _opened(settings: Settings) -> _House:
    from tracecollect.storage.local import LocalAnswers

    with ExitStack() as stack:
        store, pipeline, _ = stored(settings, stack)
        return _House(LocalAnswers(store, grace=0), pipeline, stack.pop_all())
    raise AssertionError("unreachable")


def _judged(house: _House, began: Instant, status: int) -> Outcome:
    with house.stack:
        if not house.pipeline.drain(_PATIENCE_SECONDS):
            raise StoreError(
                f"what the command sent could not be stored in {_PATIENCE_SECONDS:.0f} s",
                hint="is the disk full, or the machine very busy? the command itself has ended as usual",
            )
        query = LeakQuery(since=began, grace=0, ended=True)
        report = house.answers.leaks(query)
        picture = _picture(house.answers, query, report)
        collected = tuple(one for one in picture.holds if one.verdict is Verdict.RECOVERED)
        return Outcome(status, report, picture, collected, house.pipeline.counters().rows_stored)


def _picture(answers: LocalAnswers, query: LeakQuery, report: LeakReport) -> Lifecycle:
    """The holds of every pool on one axis."""
    parts = [answers.pool(name, query) for name in sorted({one.pool for one in report.coverage if one.dialects})]
    holds = sorted((one for part in parts for one in part.holds), key=lambda one: one.acquired_at)
    samples = [one for part in parts for one in part.samples]
    begins = [part.window.since for part in parts if part.window.since]
    ends = [part.window.until for part in parts if part.window.until > 1]
    window = Window(min(begins, default=Instant(0)), max(ends, default=Instant(1)))
    return Lifecycle("connections of this run", window, tuple(holds), tuple(samples))
