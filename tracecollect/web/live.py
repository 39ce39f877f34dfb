"""What is new, as server-sent events: one task looks every second while somebody listens, and tells everybody."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
import uuid
from collections import OrderedDict
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

import tracecollect
from tracecollect import codec, diagrams
from tracecollect.errors import Busy, TracecollectError
from tracecollect.model import SECOND, Instant, LeakQuery, LeakReport, SearchQuery, TraceSummary, Window
from tracecollect.web.desk import Desk, as_usage, now
from tracecollect.web.questions import PREFIX, known_only

PATH = PREFIX + "/live"
PARAMETERS = ("traces",)
MEDIA = "text/event-stream"
_EVERY_SECONDS = 1.0
_SILENT_SECONDS = 15.0
_MOST_LISTENERS = 32
_WAITING = 64
_TRACES = 50
_KNOWN = 2_000
# A span arrives when it has ended and its batch was sent: what began half a minute ago may be new.
_BACK = 30 * SECOND


@dataclass(slots=True, eq=False)
class _Listener:
    """Events that wait to be sent to one reader; None ends it."""

    traces: bool
    waiting: asyncio.Queue[str | None] = field(default_factory=lambda: asyncio.Queue(_WAITING))

    def tell(self, event: str | None) -> None:
        if self.waiting.full():
            # It does not keep up: it is let go, comes back by itself and reads everything anew.
            self.waiting.get_nowait()
            event = None
        self.waiting.put_nowait(event)


class News:
    """Events `hello`, `judged`, `finding` and `traces`; docs/api.md says what is in them. Lives on the web's loop."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        # A reader that comes back to another server than it left reads everything anew.
        self._server = uuid.uuid4().hex[:12]
        self._listeners: set[_Listener] = set()
        self._task: asyncio.Task[None] | None = None
        self._told: Mapping[str, tuple[str, int]] | None = None
        self._as_of: Instant | None = None
        self._seen: OrderedDict[str, None] = OrderedDict()
        self._closed = False

    def route(self) -> Route:
        """The route of the events."""

        async def endpoint(request: Request) -> Response:
            known_only(request, PARAMETERS)
            with as_usage():
                traces = codec.read_flag(request.query_params, "traces", default=False)
            if self._full():
                raise Busy("too many listen already", retry_after=5)
            return StreamingResponse(self._stream(traces), media_type=MEDIA, headers={"Cache-Control": "no-store"})

        return Route(PATH, endpoint)

    def close(self) -> None:
        """Send every reader away. To be called on the loop."""
        self._closed = True
        for one in self._listeners:
            one.tell(None)

    def _full(self) -> bool:
        return self._closed or len(self._listeners) >= _MOST_LISTENERS

    def _joined(self, traces: bool) -> _Listener:
        listener = _Listener(traces)
        listener.tell(_event("hello", {"server": self._server, "version": tracecollect.__version__}))
        self._listeners.add(listener)
        if self._task is None or self._task.done():
            self._task = asyncio.ensure_future(self._look())
        return listener

    async def _stream(self, traces: bool) -> AsyncIterator[str]:
        # Here and not before: a reader who left before the first line never gets here, and leaves nothing behind.
        if self._full():  # since it was asked: its reader comes again
            return
        listener = self._joined(traces)
        try:
            yield "retry: 1000\n\n"
            while True:
                try:
                    event = await asyncio.wait_for(listener.waiting.get(), _SILENT_SECONDS)
                except TimeoutError:
                    event = ": still here\n\n"
                if event is None:
                    return
                yield event
        finally:
            self._listeners.discard(listener)

    async def _look(self) -> None:
        """Until nobody listens any more."""
        self._told, self._as_of = None, None
        while self._listeners and not self._closed:
            began = time.monotonic()
            # A store that does not answer just now is no reason to end: the next look may find it well.
            with contextlib.suppress(TracecollectError):
                await self._findings()
                if any(one.traces for one in self._listeners):
                    await self._traces()
            await asyncio.sleep(max(_EVERY_SECONDS, 4 * (time.monotonic() - began)))

    async def _findings(self) -> None:
        report = await self._desk.ask(lambda: self._desk.answers.leaks(LeakQuery(fresh=False)))
        if report.as_of == self._as_of:
            return
        self._as_of = report.as_of
        for event in self._changes(report):
            self._tell(event)
        self._tell(_event("judged", {"as_of": codec.spell_instant(report.as_of)}))

    def _changes(self, report: LeakReport) -> Sequence[str]:
        """The findings that are new or say something else than before; none at the first look."""
        known, self._told = self._told, {one.id: (str(one.verdict), one.leaked_count) for one in report.findings}
        if known is None:
            return []
        changed = [one for one in report.findings if known.get(one.id) != self._told[one.id]]
        return [_event("finding", codec.to_plain(diagrams.row(one, report.as_of))) for one in changed[:_TRACES]]

    async def _traces(self) -> None:
        until = now()
        query = SearchQuery(Window(Instant(until - _BACK), Instant(until + SECOND)), limit=_TRACES)
        found = await self._desk.ask(lambda: self._desk.answers.search(query))
        new = [one for one in found if one.trace_id not in self._seen]
        for one in new:
            self._seen[one.trace_id] = None
        while len(self._seen) > _KNOWN:
            self._seen.popitem(last=False)
        if new:
            plain = codec.to_plain(tuple(new), tuple[TraceSummary, ...])
            self._tell(_event("traces", {"traces": plain, "more": len(new) == _TRACES}), traces=True)

    def _tell(self, event: str, *, traces: bool = False) -> None:
        for one in self._listeners:
            if one.traces or not traces:
                one.tell(event)


def _event(name: str, document: object) -> str:
    # JSON spells line breaks as \\n, so that one line of data is always enough.
    return f"event: {name}\ndata: {json.dumps(document, ensure_ascii=True)}\n\n"
