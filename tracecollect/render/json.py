"""A diagram as JSON: the field names of `Timeline` and `Graph`, roles as words, times as integer nanoseconds."""

from __future__ import annotations

import json
from dataclasses import asdict

from tracecollect.diagrams import Diagram, Timeline


def spell(diagram: Diagram) -> str:
    """One object with `diagram` (`timeline` or `graph`) and `version` 1; ASCII only, so that any reader takes it."""
    kind = "timeline" if isinstance(diagram, Timeline) else "graph"
    return json.dumps({"diagram": kind, "version": 1, **asdict(diagram)}, ensure_ascii=True, indent=1) + "\n"
