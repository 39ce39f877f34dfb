"""Ten minutes of a world and two that are quiet, judged while it arrives, at its end and hours later."""

from __future__ import annotations

from collections.abc import Sequence

from builders.otlp import Fate, World, fated, instant, requests
from builders.store import Bench
from tracecollect.model import LeakReport

GRACE = 30.0
LENGTH = 600.0
END = LENGTH + 120.0
_HOURS = 3 * 3600.0


def judged(ask: Bench, world: World, *fates: Fate, at: Sequence[float] = (), end: float = END) -> list[LeakReport]:
    """What is said at each moment with what had arrived by then, at the end, and hours later."""
    coming = requests(fated(world.items, *fates))
    said = []
    for moment in (*at, end):
        now = instant(moment)
        ask.deliver([one for one in coming if one.arrived <= now])
        coming = [one for one in coming if one.arrived > now]
        said.append(ask.leaks(now, grace=GRACE))
    return [*said, ask.leaks(instant(end + _HOURS), grace=GRACE)]
