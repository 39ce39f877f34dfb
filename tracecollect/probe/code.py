"""Who took a connection: the first frame that is the service's own, not a library's and not ours."""

from __future__ import annotations

import os
import sys
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType

from tracecollect.probe.own import Own


@dataclass(frozen=True, slots=True)
class Code:
    """A place in the service's source.

    `path` is relative to where it was installed, or to the directory the process was started in, if it is below it.
    """

    function: str
    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line} in {self.function}"


class Calling:
    """Call it for the nearest frame of the service.

    It is asked for every acquire, so what it learns of a code object is kept.
    """

    def __init__(self, own: Own) -> None:
        self._own = own
        self._start = f"{Path.cwd()}{os.sep}"
        # Bounded by the code there is; names that are made anew for each call (exec) would fill it.
        # By address: the hash of a code object reads all of it. A library's has None; one of the service has what was
        # told of each of its instructions, as asking for a line reads the table of lines from its start.
        self._known: dict[int, dict[int, Code] | None] = {}
        # So that the addresses stay theirs.
        self._codes: list[CodeType] = []

    def __call__(self, start: FrameType | None = None) -> Code | None:
        """The nearest frame of the service, from `start` on or from where its caller is; None when there is none."""
        known = self._known
        frame: FrameType | None = start or sys._getframe(2)
        while frame is not None:
            told = known.get(id(frame.f_code), _UNKNOWN)
            if told is not None:
                code = told.get(frame.f_lasti) or self._tell(frame)
                if code is not None:
                    return code
            frame = frame.f_back
        beyond = _switched_from() if start is None else None
        return self(beyond) if beyond is not None else None

    def stack(self) -> str:
        """The whole stack, outermost first, as Python writes it; without our own frames."""
        frames = [one for one in traceback.extract_stack(sys._getframe(2)) if not one.filename.startswith(_HERE)]
        return "".join(traceback.format_list(frames))

    def _tell(self, frame: FrameType) -> Code | None:
        code, module = frame.f_code, frame.f_globals.get("__name__", "")
        told = self._known.get(id(code), _UNKNOWN)
        if told is _UNKNOWN:
            told = self._learn(code)
        if told is None:
            return None
        name = getattr(code, "co_qualname", code.co_name).replace(".<locals>", "")
        function = f"{module}.{name}" if module not in ("", "__main__") else name
        path = self._own.shown(code.co_filename).removeprefix(self._start)
        told[frame.f_lasti] = here = Code(function, path, frame.f_lineno)
        return here

    def _learn(self, code: CodeType) -> dict[int, Code] | None:
        if len(self._codes) > _MOST:
            self._known.clear()
            self._codes.clear()
        self._codes.append(code)
        told = self._known[id(code)] = {} if self._own(code) else None
        return told


def _switched_from() -> FrameType | None:
    """SQLAlchemy's asyncio runs its pool in a greenlet, whose stack begins there: the caller's is its parent's."""
    greenlet = sys.modules.get("greenlet")
    parent = greenlet.getcurrent().parent if greenlet is not None else None
    return parent.gr_frame if parent is not None else None


_UNKNOWN: dict[int, Code] = {}
_MOST = 50_000
_HERE = f"{Path(__file__).parent}{os.sep}"
