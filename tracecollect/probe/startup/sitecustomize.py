"""Loaded by Python itself: begins what `tracecollect run` wants, then loads the sitecustomize that this one hides."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
from importlib.machinery import PathFinder
from pathlib import Path

_HERE = Path(__file__).resolve().parent


def _next() -> None:
    """The environment's own sitecustomize, as if this one were not there."""
    sys.path[:] = [one for one in sys.path if not one or Path(one).resolve() != _HERE]
    spec = PathFinder.find_spec("sitecustomize", sys.path)
    if spec is not None and spec.loader is not None:
        spec.loader.exec_module(importlib.util.module_from_spec(spec))


with contextlib.suppress(Exception):
    _next()
# An interpreter without tracecollect, or with an OpenTelemetry too old for it, runs as if we were not there.
with contextlib.suppress(Exception):
    from tracecollect.probe.startup import begin

    begin()
