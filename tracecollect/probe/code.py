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
        # By address, with the object so that the address stays its own: the hash of a code object reads all of it.
        # A library's has no lines; one of the service has what was told of each.
        self._known: dict[int, tuple[CodeType, dict[int, Code] | None]] = {}

    def __call__(self) -> Code | None:
        """The frame of the service that is nearest; None when there is none."""
        return self._nearest(sys._getframe(2)) or self._nearest(_switched_from())

    def _nearest(self, frame: FrameType | None) -> Code | None:
        known = self._known
        while frame is not None:
            entry = known.get(id(frame.f_code)) or self._learn(frame.f_code)
            lines = entry[1]
            if lines is not None:
                return lines.get(frame.f_lineno) or self._told(frame, lines)
            frame = frame.f_back
        return None

    def stack(self) -> str:
        """The whole stack, outermost first, as Python writes it; without our own frames."""
        frames = [one for one in traceback.extract_stack(sys._getframe(2)) if not one.filename.startswith(_HERE)]
        return "".join(traceback.format_list(frames))

    def _learn(self, code: CodeType) -> tuple[CodeType, dict[int, Code] | None]:
        if len(self._known) > 50_000:
            self._known.clear()
        entry = self._known[id(code)] = code, {} if self._own(code) else None
        return entry

    def _told(self, frame: FrameType, lines: dict[int, Code]) -> Code:
        code, module = frame.f_code, frame.f_globals.get("__name__", "")
        name = getattr(code, "co_qualname", code.co_name).replace(".<locals>", "")
        function = f"{module}.{name}" if module not in ("", "__main__") else name
        path = self._own.shown(code.co_filename).removeprefix(self._start)
        told = lines[frame.f_lineno] = Code(function, path, frame.f_lineno)
        return told


def _switched_from() -> FrameType | None:
    """SQLAlchemy's asyncio runs its pool in a greenlet, whose stack begins there: the caller's is its parent's."""
    greenlet = sys.modules.get("greenlet")
    parent = greenlet.getcurrent().parent if greenlet is not None else None
    return parent.gr_frame if parent is not None else None


_HERE = f"{Path(__file__).parent}{os.sep}"
