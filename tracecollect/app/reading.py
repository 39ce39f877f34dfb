"""The commands that read, and import: asked of a running server, else of the data directory itself."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, cast

from tracecollect.app.parts import disk_check, extra, journal_path, redaction, stored
from tracecollect.errors import NotFound, ServerGone
from tracecollect.ports import Answers, Check, Depth
from tracecollect.settings import Settings, seconds

if TYPE_CHECKING:
    from tracecollect.receivers.files import FileReport
    from tracecollect.storage.local import LocalAnswers


# Recordings may be old, and nothing in them may expire.
_FOREVER_SECONDS = 20 * 365 * 86400
_MOST_OF_A_FILE = 1 << 40


def open_answers(
    settings: Settings, server: str | None = None, note: Callable[[str], None] = lambda _: None
) -> Answers:
    """The answers of `server`, else of the server that runs on the data directory, else of the directory itself."""
    from tracecollect.storage.remote import RemoteAnswers, find_server

    if server is not None:
        return RemoteAnswers(server, **_introduction(settings))
    running = find_server(settings.data_dir)
    if running is not None:
        return RemoteAnswers(running.web, **_introduction(settings))
    if not settings.store and not (settings.data_dir / "store").exists():
        raise NotFound(
            f"there is no telemetry in {settings.data_dir} and no server runs on it",
            hint="start `tracecollect serve`, or say where with --data-dir or --server",
        )
    with extra("this command without a running server"):
        return cast(Answers, _Elsewhere(lambda: _opened(settings, note)))


def _introduction(settings: Settings) -> dict[str, str]:
    """What a server asks of who reads: a token, and trust in the certificate that is configured here."""
    token = settings.read_tokens[0] if settings.read_tokens else ""
    return {"token": token, "certificate": settings.tls_certificate}


def _opened(settings: Settings, note: Callable[[str], None]) -> tuple[LocalAnswers, ExitStack]:
    from tracecollect.storage.directory import DataDirectory
    from tracecollect.storage.local import LocalAnswers

    with ExitStack() as stack:
        stack.enter_context(DataDirectory(settings.data_dir))
        store, pipeline, _ = stored(settings, stack)
        waiting = pipeline.depth().entries
        if waiting:
            note(f"storing {waiting} requests that the last server left in the journal")
            pipeline.drain(seconds(settings.drain_timeout))
        answers = LocalAnswers(
            store,
            grace=settings.grace,
            settings=settings.spelled(),
            origins=settings.origins,
            checks=lambda: (_no_server(), disk_check(settings)),
        )
        stack.callback(answers.close)
        return answers, stack.pop_all()
    raise AssertionError("unreachable")


@contextmanager
def open_file(settings: Settings, path: Path) -> Iterator[Answers]:
    """The answers of a recorded file alone, out of a store of its own that is gone afterwards.

    One at a time: the engine has one directory in a process. Raises `CaptureError`.
    """
    # Here and not on the engine's thread: an interrupted question leaves no telemetry behind.
    directory = TemporaryDirectory(prefix="tracecollect-", ignore_cleanup_errors=True)
    with directory as name, extra("reading a file"):
        opened = cast(Answers, _Elsewhere(lambda: _recorded(settings, path, Path(name))))
        try:
            yield opened
        finally:
            opened.close()


def _recorded(settings: Settings, path: Path, directory: Path) -> tuple[LocalAnswers, ExitStack]:
    from tracecollect.journal import JournalReader, JournalWriter
    from tracecollect.pipeline import Pipeline
    from tracecollect.receivers.files import import_file
    from tracecollect.receivers.intake import Intake
    from tracecollect.storage.clickhouse import ClickHouseStore
    from tracecollect.storage.local import LocalAnswers

    with ExitStack() as stack:
        with ExitStack() as filling:
            # As large as the disk allows: nobody stores meanwhile, and a file is no sender that could wait.
            writer = JournalWriter(directory / "journal.db", max_bytes=_MOST_OF_A_FILE)
            filling.callback(writer.close)
            import_file(path, Intake(writer, max_body=settings.max_request_bytes))
        store = ClickHouseStore(f"chdb://{directory}/store", retention=_FOREVER_SECONDS)
        stack.callback(store.close)
        with ExitStack() as storing:
            reader = JournalReader(directory / "journal.db")
            storing.callback(reader.close)
            pipeline = Pipeline(reader, store, redact=redaction(settings), linger=0.0)
            pipeline.start()
            storing.callback(pipeline.stop, seconds(settings.drain_timeout))
            _wait_until_stored(pipeline.depth)
        answers = LocalAnswers(store, grace=settings.grace)
        stack.callback(answers.close)
        return answers, stack.pop_all()
    raise AssertionError("unreachable")


def _no_server() -> Check:
    return Check("listening", False, "no server runs on this data directory", "start `tracecollect serve`")


class _Elsewhere:
    """Answers asked on one thread that is not the main one, so that Ctrl-C works while the engine does."""

    def __init__(self, opened: Callable[[], tuple[LocalAnswers, ExitStack]]) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="answer")
        with ExitStack() as failing:
            failing.callback(self._thread.shutdown)
            self._answers, self._stack = self._thread.submit(opened).result()
            failing.pop_all()

    def __getattr__(self, name: str) -> Callable[..., Any]:
        question = getattr(self._answers, name)
        return lambda *given, **named: self._thread.submit(question, *given, **named).result()

    def close(self) -> None:
        self._thread.submit(self._stack.close).result()
        self._thread.shutdown()


# --- import -----------------------------------------------------------------------------------------


def import_files(settings: Settings, paths: Sequence[Path], done: Callable[[Path, FileReport], None]) -> None:
    """Put recorded files into the journal and wait until they are stored, by the running server or by this process."""
    with extra("import"), ThreadPoolExecutor(1, thread_name_prefix="import") as thread:
        thread.submit(_import, settings, paths, done).result()


def _import(settings: Settings, paths: Sequence[Path], done: Callable[[Path, FileReport], None]) -> None:
    from tracecollect.journal import JournalReader, JournalWriter
    from tracecollect.receivers.files import import_file
    from tracecollect.receivers.intake import Intake
    from tracecollect.storage.directory import DataDirectory
    from tracecollect.storage.remote import find_server

    with ExitStack() as stack:
        if find_server(settings.data_dir) is None:
            stack.enter_context(DataDirectory(settings.data_dir))
            depth: Callable[[], Depth] = stored(settings, stack).pipeline.depth
        else:
            reader = JournalReader(journal_path(settings))
            stack.callback(reader.close)
            depth = reader.depth
        writer = JournalWriter(journal_path(settings), max_bytes=settings.journal_max_bytes)
        closing = stack.enter_context(ExitStack())
        closing.callback(writer.close)
        intake = Intake(writer, max_body=settings.max_request_bytes)
        for path in paths:
            done(path, import_file(path, intake))
        _wait_until_stored(depth)


def _wait_until_stored(depth: Callable[[], Depth], patience: float = 60.0) -> None:
    """Until the journal was empty once. Raises `ServerGone` when nothing moves for `patience` seconds."""
    least, moved = depth().entries, time.monotonic()
    while least:
        time.sleep(0.05)
        left = depth().entries
        if left != least:
            least, moved = left, time.monotonic()
        if time.monotonic() - moved > patience:
            raise ServerGone(
                f"{left} requests are in the journal but nobody stores them",
                hint="they are not lost: look at the log of the running server",
            )
