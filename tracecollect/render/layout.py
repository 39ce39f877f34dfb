"""Starts the layout program: the system's `dot` where there is one, else `graphviz-pure` from PyPI."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import sysconfig
from pathlib import Path

from tracecollect.errors import MissingExtra, TracecollectError

PROGRAMS = ("dot", "graphviz-pure")
_LIMIT_SECONDS = 60


def programs(engine: str = "") -> list[str]:
    """The paths of the layout programs, best first; `MissingExtra` when there is none."""
    # A virtual environment that is used without being activated has its programs beside its Python, not on PATH.
    scripts = sysconfig.get_path("scripts")
    names = (engine,) if engine else PROGRAMS
    found = [shutil.which(name) or shutil.which(name, path=scripts) for name in names]
    paths = [path for path in found if path]
    if not paths:
        raise MissingExtra("drawing SVG and PNG", "server", engine or "graphviz-pure")
    return paths


def draw(source: str, form: str, *, pinned: bool, engine: str = "") -> bytes:
    """Lay DOT text out as `svg` or `png`. `pinned`: the positions are in the text already."""
    *others, last = programs(engine)
    for path in others:
        # A system Graphviz without plug-ins, or of another time, is a reason to take the next program.
        with contextlib.suppress(TracecollectError):
            return _run(path, source, form, pinned=pinned)
    return _run(last, source, form, pinned=pinned)


def _run(path: str, source: str, form: str, *, pinned: bool) -> bytes:
    layout = ["-Kneato", "-n2"] if pinned else ["-Kdot"]
    # -q: a font that this machine lacks is no news for the reader of a picture.
    command = [path, *layout, "-q", f"-T{form}"]
    try:
        done = subprocess.run(command, input=source.encode(), capture_output=True, timeout=_LIMIT_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise TracecollectError(f"{Path(path).name} did not draw: {error}", hint="try --as dot or --as html") from error
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip()[:300] or f"exit {done.returncode}"
        raise TracecollectError(f"{Path(path).name} did not draw: {said}", hint="try --as dot or --as mermaid")
    return done.stdout
