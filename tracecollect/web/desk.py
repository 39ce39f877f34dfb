"""Where questions are asked: on threads of their own, few at once, and not for a reader who has gone."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from starlette.requests import Request

from tracecollect import codec
from tracecollect.errors import Busy, StoreError, UsageError
from tracecollect.model import BuildQuery, Instant, LeakQuery, SearchQuery, Window
from tracecollect.ports import Answers, Asked, asking
from tracecollect.web.scrolls import Scrolls

T = TypeVar("T")
# Questions hold engine memory: few at once are faster than many.
_AT_ONCE = 4
_WAITING = 64


class Desk:
    """Asks `Answers` on threads of its own, so that a slow question does not stop the others."""

    def __init__(self, answers: Answers, *, grace: int) -> None:
        self.answers = answers
        self.grace = grace
        self.scrolls = Scrolls(answers)
        self._threads = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="answer")
        # What ends a question must not wait behind the questions.
        self._stopping = ThreadPoolExecutor(1, thread_name_prefix="stop")
        self._asked = 0

    async def ask(self, question: Callable[[], T], reader: Request | None = None) -> T:
        """The answer. Raises `Busy` when too many wait, `StoreError` when the reader has gone meanwhile."""
        if self._asked >= _AT_ONCE + _WAITING:
            raise Busy("too many questions are waiting", retry_after=2)
        self._asked += 1
        try:
            return await self._answered(question, reader)
        finally:
            self._asked -= 1

    async def _answered(self, question: Callable[[], T], reader: Request | None) -> T:
        loop, asked = asyncio.get_running_loop(), Asked(uuid.uuid4().hex)
        context = contextvars.copy_context()
        context.run(asking.set, asked)
        running = loop.run_in_executor(self._threads, context.run, question)
        if reader is None:
            return await running
        gone = asyncio.ensure_future(_gone(reader))
        try:
            both: tuple[asyncio.Future[Any], ...] = (running, gone)
            await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
            if running.done():
                return running.result()
        finally:
            gone.cancel()
        asked.gone.set()
        # One that still waits for a thread never runs; one that runs is ended in the engine.
        running.cancel()
        await loop.run_in_executor(self._stopping, self._stop, asked.name)
        raise StoreError("nobody waits for this answer any more")

    def _stop(self, name: str) -> None:
        with contextlib.suppress(StoreError):  # it has ended by itself, or the store is closed
            self.answers.stop(name)

    def close(self) -> None:
        """Let the running questions end, forget the waiting ones."""
        self._threads.shutdown(cancel_futures=True)
        self._stopping.shutdown()

    # --- what is asked ------------------------------------------------------------------------------

    def leak_query(self, given: Mapping[str, str]) -> LeakQuery:
        """What a request asks about leaks."""
        with as_usage():
            return codec.read_leak_parameters(given, grace=self.grace, now=now())

    def window(self, given: Mapping[str, str]) -> Window:
        """The window a request asks about."""
        with as_usage():
            return codec.read_window_parameters(given, now=now())

    def build_query(self, given: Mapping[str, str]) -> BuildQuery:
        """Which build a request asks about."""
        with as_usage():
            return codec.read_build_parameters(given, grace=self.grace, now=now())

    def search_query(self, request: Request) -> SearchQuery:
        """What a request searches for."""
        with as_usage():
            attributes = request.query_params.getlist("attr")
            return codec.read_search_parameters(request.query_params, attributes, now=now())


async def _gone(reader: Request) -> None:
    """Until the reader has closed the connection."""
    while (await reader.receive())["type"] != "http.disconnect":
        pass


@contextlib.contextmanager
def as_usage() -> Iterator[None]:
    """What cannot be read is the asker's mistake."""
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error), hint="docs/api.md lists the parameters") from error


def now() -> Instant:
    """This moment."""
    return Instant(time.time_ns())


def number(given: Mapping[str, str], name: str, default: int, least: int, most: int) -> int:
    """A whole number within bounds. Raises `UsageError`."""
    text = given.get(name) or str(default)
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and least <= int(text) <= most):
        raise UsageError(f"{name}={text!r} is not a number from {least} to {most}", hint="docs/api.md lists the bounds")
    return int(text)
