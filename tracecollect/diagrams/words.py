"""How times and counts are worded in every diagram: durations, moments, ticks, plurals."""

from __future__ import annotations

from datetime import UTC, datetime

from tracecollect.diagrams.shapes import Axis, Tick
from tracecollect.lifecycle.usage import Usage
from tracecollect.model import SECOND, Instant

_MILLI, _MICRO = SECOND // 1000, SECOND // 1_000_000
_STEPS = sorted(
    [size * unit for unit in (1, 10, 100, 1000, 10**4, 10**5, 10**6, 10**7, 10**8, 10**9) for size in (1, 2, 5)]
    + [size * SECOND for size in (10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400)]
    + [days * 86400 * SECOND for days in (2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000, 20000)]
)


def duration(nanoseconds: int) -> str:
    """Two or three significant figures: `850 µs`, `41.2 ms`, `2.04 s`, `1 m 02 s`, `3 h 07 m`, `2 d 04 h`."""
    if nanoseconds < 0:
        return "−" + duration(-nanoseconds)
    if nanoseconds < SECOND * 0.9995:
        for unit, name in ((_MILLI, "ms"), (_MICRO, "µs")):
            if nanoseconds >= unit * 0.9995:
                return f"{_figures(nanoseconds / unit)} {name}"
        return f"{nanoseconds} ns" if nanoseconds else "0 ms"
    if nanoseconds < 59.95 * SECOND:
        return f"{_figures(nanoseconds / SECOND)} s"
    seconds = (nanoseconds + SECOND // 2) // SECOND
    if seconds < 3600:
        return f"{seconds // 60} m {seconds % 60:02} s"
    minutes = seconds // 60
    if minutes < 1440:
        return f"{minutes // 60} h {minutes % 60:02} m"
    return f"{minutes // 1440} d {minutes % 1440 // 60:02} h"


def _figures(value: float) -> str:
    if value >= 99.95:
        return f"{value:.0f}"
    text = f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def moment(at: int, *, step: int = SECOND, date: bool = False) -> str:
    """A time of day in UTC as exact as `step` needs; with the date when asked. Never raises."""
    try:
        when = datetime.fromtimestamp(at // SECOND, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{at / SECOND:.0f} s"
    text = when.strftime("%Y-%m-%d %H:%M:%S" if date else "%H:%M:%S")
    if step < SECOND:
        digits = 3 if step >= _MILLI else 6 if step >= _MICRO else 9
        text += f"{at % SECOND / SECOND:.9f}"[1 : 2 + digits]
    return text


def many(count: int, noun: str, plural: str = "") -> str:
    """`1 connection`, `45 connections`."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def axis(start: int, end: int, *, clock: bool, wanted: int = 6) -> Axis:
    """An axis with round ticks, about `wanted` of them. An empty stretch is given a millisecond."""
    end = max(end, start + _MICRO)
    step = next((step for step in _STEPS if (end - start) / step <= wanted), _STEPS[-1])
    base = 0 if clock else start
    first = base + -(-(start - base) // step) * step
    ticks = []
    for at in range(first, end + 1, step):
        label = _clock(at, step) if clock else _since(at - base, step)
        ticks.append(Tick(Instant(at), label))
    return Axis(Instant(start), Instant(end), tuple(ticks), clock)


def _clock(at: int, step: int) -> str:
    if step >= 86400 * SECOND:
        return moment(at, date=True)[:10]
    if step >= 21600 * SECOND:  # six of these reach into the next day, where the same hours come again
        return moment(at, date=True)[5:16]
    return moment(at, step=step)


def _since(passed: int, step: int) -> str:
    if passed == 0:
        return "0"
    for unit, name in ((SECOND, "s"), (_MILLI, "ms"), (_MICRO, "µs")):
        if step >= unit or (step * 10 >= unit and passed >= unit and unit == SECOND):
            if unit == SECOND and passed >= 60 * SECOND:
                return duration(passed)
            return f"{passed / unit:g} {name}"
    return f"{passed} ns"


def spent(used: Usage) -> str:
    """A hold's time in words: held 2.1 s, used 14 ms, waited for POST /payments (1.9 s)."""
    text = f"held {duration(used.held)}, used {duration(used.busy)}"
    fillers = ", ".join(f"{one.name} ({duration(one.time)})" for one in used.fillers)
    return f"{text}, waited for {fillers}" if fillers else text


def left_out(omitted: int, earlier: int = 0) -> tuple[str, ...]:
    """What is not shown of a trace that is too long, as notes: none where it is whole."""
    parts = ((earlier, "earlier"), (omitted, "later"))
    return tuple(f"{many(count, 'span')} that began {when} are left out." for count, when in parts if count)
