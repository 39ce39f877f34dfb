"""How nouns are spelled: JSON documents, instants as RFC 3339, durations and sizes as people write them.

Reading is strict: an unknown key, a missing one or a value of another kind is a `ValueError` that names it.
"""

# ruff: noqa: ANN401, TRY004 -- any noun goes in and any comes out; one kind of error says that a text is bad
from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar

from tracecollect.model import SECOND, BuildQuery, Instant, LeakQuery, LeakReport, SearchQuery, Window

if TYPE_CHECKING:  # 55 ms that a command without JSON does not spend
    from cattrs import Converter

T = TypeVar("T")

_HOUR = 3600 * SECOND
MAX_FOUND = 1000
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d{1,9}))?([Zz]|[+-]\d\d:\d\d)")
_UNITS = {
    "ns": 1,
    "us": 1_000,
    "µs": 1_000,
    "ms": 1_000_000,
    "s": SECOND,
    "m": 60 * SECOND,
    "h": 3600 * SECOND,
    "d": 86400 * SECOND,
    "w": 7 * 86400 * SECOND,
}
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)(ns|us|µs|ms|s|m|h|d|w)")
_SIZES = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZES |= {"KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30, "TIB": 1 << 40}
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([A-Za-z]*)")
_NOT_FINITE = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}


# --- single values ----------------------------------------------------------------------------------


def spell_instant(at: Instant) -> str:
    """RFC 3339 in UTC, with nine digits of fraction unless the fraction is zero. Exact."""
    seconds, nanos = divmod(at, SECOND)
    text = (_EPOCH + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%S").rjust(19, "0")
    return f"{text}.{nanos:09}Z" if nanos else f"{text}Z"


def read_instant(text: str) -> Instant:
    """The instant of an RFC 3339 text with a zone. Raises `ValueError`."""
    match = _INSTANT.fullmatch(text.strip())
    if match is None:
        raise ValueError(f"{text!r} is not a time like 2026-11-23T03:44:00Z")
    day, clock, fraction, zone = match.groups()
    moment = datetime.fromisoformat(f"{day}T{clock}{'+00:00' if zone in 'Zz' else zone}")
    whole = (moment - _EPOCH) // timedelta(seconds=1)
    return Instant(whole * SECOND + int((fraction or "").ljust(9, "0")))


def read_duration(text: str) -> int:
    """Nanoseconds of `200ms`, `120s`, `1h30m`, `7d`; a bare `0` is allowed. Raises `ValueError`."""
    text = text.strip()
    if text == "0":
        return 0
    parts = list(_DURATION_PART.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        raise ValueError(f"{text!r} is not a duration like 200ms, 30s, 1h30m or 7d")
    return sum(round(Decimal(part[1]) * _UNITS[part[2]]) for part in parts)


def spell_duration(nanos: int) -> str:
    """The shortest exact text that `read_duration` reads back: `2m`, `90s`, `1500ms`."""
    for unit in ("d", "h", "m", "s", "ms", "us"):
        if nanos and nanos % _UNITS[unit] == 0:
            return f"{nanos // _UNITS[unit]}{unit}"
    return f"{nanos}ns" if nanos else "0"


def read_size(text: str) -> int:
    """Bytes of `64MiB`, `2GB`, `1000`. Raises `ValueError`."""
    match = _SIZE.fullmatch(text.strip())
    if match is None or match[2].upper() not in _SIZES:
        raise ValueError(f"{text!r} is not a size like 64MiB or 2GB")
    return round(Decimal(match[1]) * _SIZES[match[2].upper()])


def spell_size(size: int) -> str:
    """The shortest exact text that `read_size` reads back."""
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size and size % _SIZES[unit.upper()] == 0:
            return f"{size // _SIZES[unit.upper()]}{unit}"
    return str(size)


# --- documents --------------------------------------------------------------------------------------


def to_plain(noun: Any, kind: Any = None) -> Any:
    """Dicts, lists, strings and numbers that say the same; `kind` for what is not a dataclass itself."""
    plain = _converter().unstructure(noun, kind)
    if isinstance(noun, LeakReport):  # version first: a reader decides by it
        plain = {"version": plain.pop("version"), **plain}
    return plain


def from_plain(plain: Any, kind: type[T]) -> T:
    """The noun again. Raises `ValueError` that says what does not fit."""
    from cattrs.errors import ForbiddenExtraKeysError

    try:
        return _converter().structure(plain, kind)
    except (KeyError, TypeError, ValueError, AttributeError, ForbiddenExtraKeysError) as error:
        raise ValueError(f"not a {getattr(kind, '__name__', kind)}: {_reason(error)}") from error


def dumps(noun: Any, kind: Any = None, *, indent: int | None = None) -> str:
    """JSON text; never NaN or other words that JSON does not have."""
    return json.dumps(to_plain(noun, kind), ensure_ascii=False, allow_nan=False, indent=indent)


def loads(text: str | bytes, kind: type[T]) -> T:
    """A noun out of JSON text. Raises `ValueError`."""
    return from_plain(json.loads(text), kind)


def _reason(error: Exception) -> str:
    return f"{error} is missing" if isinstance(error, KeyError) else str(error)


def _spell_float(value: float) -> float | str:
    if math.isfinite(value):
        return value
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


def _read_float(value: Any, _: Any) -> float:
    if isinstance(value, str) and value in _NOT_FINITE:
        return _NOT_FINITE[value]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{value!r} is not a number")
    return float(value)


def _exactly(kind: type) -> Callable[[Any, Any], Any]:
    def read(value: Any, _: Any) -> Any:
        if type(value) is not kind:
            raise ValueError(f"{value!r} is not {'a text' if kind is str else kind.__name__}")
        return value

    return read


def _read_instant(value: Any, _: Any) -> Instant:
    if not isinstance(value, str):
        raise ValueError(f"{value!r} is not a time")
    return read_instant(value)


def _read_texts(value: Any, _: Any) -> Mapping[str, str]:
    if not isinstance(value, dict) or not all(isinstance(text, str) for text in value.values()):
        raise ValueError(f"{value!r} is not a map of texts")
    return dict(value)


@cache
def _converter() -> Converter:
    from cattrs import Converter

    converter = Converter(forbid_extra_keys=True, detailed_validation=False)
    converter.register_unstructure_hook(Instant, spell_instant)
    converter.register_structure_hook(Instant, _read_instant)
    converter.register_unstructure_hook(float, _spell_float)
    converter.register_structure_hook(float, _read_float)
    for kind in (int, str, bool):
        converter.register_structure_hook(kind, _exactly(kind))
    # Our enums are texts, too, and would be read by the hook for texts.
    converter.register_structure_hook(StrEnum, lambda value, kind: kind(value))
    converter.register_structure_hook_func(lambda kind: kind == Mapping[str, str], _read_texts)
    return converter


# --- questions as parameters of an address -----------------------------------------------------------


def leak_parameters(query: LeakQuery) -> dict[str, str]:
    """What `/api/v1/leaks` and its neighbours are asked; what is not asked is left out."""
    given = {"since": _maybe(query.since), "as_of": _maybe(query.as_of), "service": query.service, "pool": query.pool}
    grace = {} if query.grace is None else {"grace": spell_duration(query.grace)}
    grace |= {} if query.fresh else {"fresh": "false"}
    return grace | {name: text for name, text in given.items() if text}


def read_leak_parameters(given: Mapping[str, str], *, grace: int, now: Instant) -> LeakQuery:
    """The question again; `since` may also be a duration back from `as_of` or now. Raises `ValueError`."""
    as_of = read_moment(given["as_of"], now) if given.get("as_of") else None
    since = read_moment(given["since"], as_of if as_of is not None else now) if given.get("since") else None
    return LeakQuery(
        since=since,
        as_of=as_of,
        grace=read_duration(given["grace"]) if given.get("grace") else grace,
        service=given.get("service", ""),
        pool=given.get("pool", ""),
        fresh=read_flag(given, "fresh", default=True),
    )


def read_flag(given: Mapping[str, str], name: str, *, default: bool) -> bool:
    """`true` or `false`. Raises `ValueError`."""
    text = given.get(name) or ("true" if default else "false")
    if text not in ("true", "false"):
        raise ValueError(f"{name}={text!r} is neither true nor false")
    return text == "true"


def build_parameters(query: BuildQuery) -> dict[str, str]:
    """What `/api/v1/build` is asked; what is not asked is left out."""
    window = {} if query.window is None else window_parameters(query.window)
    grace = {} if query.grace is None else {"grace": spell_duration(query.grace)}
    version = {"version": query.version} if query.version else {}
    return {"service": query.service} | version | window | grace


def read_build_parameters(given: Mapping[str, str], *, grace: int, now: Instant) -> BuildQuery:
    """The question again. Raises `ValueError`."""
    if not given.get("service"):
        raise ValueError("service is missing: a build is one of a service")
    bounded = given.get("since") or given.get("until")
    return BuildQuery(
        service=given["service"],
        version=given.get("version", ""),
        window=read_window_parameters(given, now=now) if bounded else None,
        grace=read_duration(given["grace"]) if given.get("grace") else grace,
    )


def window_parameters(window: Window) -> dict[str, str]:
    """A window as `since` and `until`."""
    return {"since": spell_instant(window.since), "until": spell_instant(window.until)}


def read_window_parameters(given: Mapping[str, str], *, now: Instant) -> Window:
    """The window again; without `until` it ends now, without `since` it is an hour long. Raises `ValueError`."""
    # One nanosecond more: a window excludes its end, and what arrived this instant is asked for, too.
    until = read_moment(given["until"], now) if given.get("until") else Instant(now + 1)
    if not given.get("since"):
        since = Instant(until - _HOUR)
    else:
        # `since=2h&until=1h` counts both back from now; before a time of day, `since=1h` is an hour before it.
        back = _DURATION_PART.match(given.get("until", "")) is not None
        since = read_moment(given["since"], now if back else until)
    if since >= until:
        raise ValueError("the window is empty: since is not before until")
    return Window(since, until)


def search_parameters(query: SearchQuery) -> list[tuple[str, str]]:
    """What `/api/v1/search` is asked; `attr` comes once for each attribute, as `name=value`."""
    longest = "" if query.max_duration is None else spell_duration(query.max_duration)
    given = {
        **window_parameters(query.window),
        "service": query.service,
        "operation": query.operation,
        "min_duration": spell_duration(query.min_duration) if query.min_duration else "",
        "max_duration": longest,
        "error": "true" if query.error else "",
        "limit": str(query.limit),
    }
    return [pair for pair in given.items() if pair[1]] + [("attr", f"{k}={v}") for k, v in query.attributes.items()]


def read_search_parameters(given: Mapping[str, str], attributes: Iterable[str], *, now: Instant) -> SearchQuery:
    """The question again. Raises `ValueError`."""
    limit = given.get("limit", "20")
    if not limit.isdecimal() or not 1 <= int(limit) <= MAX_FOUND:
        raise ValueError(f"limit={limit!r} is not a number from 1 to {MAX_FOUND}")
    return SearchQuery(
        window=read_window_parameters(given, now=now),
        service=given.get("service", ""),
        operation=given.get("operation", ""),
        min_duration=read_duration(given.get("min_duration", "0")),
        max_duration=read_duration(given["max_duration"]) if given.get("max_duration") else None,
        attributes=dict(read_pair(text) for text in attributes),
        error=read_flag(given, "error", default=False),
        limit=int(limit),
    )


def read_pair(text: str) -> tuple[str, str]:
    """`name=value`. Raises `ValueError`."""
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise ValueError(f"{text!r} is not NAME=VALUE")
    return name, value


def read_moment(text: str, now: Instant) -> Instant:
    """An RFC 3339 time, or a duration back from now. Raises `ValueError`."""
    if _DURATION_PART.match(text) and "T" not in text:
        return Instant(now - read_duration(text))
    return read_instant(text)


def _maybe(at: Instant | None) -> str:
    return "" if at is None else spell_instant(at)
