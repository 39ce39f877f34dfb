"""What can be set: flags before the environment (`TRACECOLLECT_*`) before a TOML file before the default.

Read once, checked whole, frozen. An unknown key or variable stops the start and is named; nothing is corrected
silently. docs/settings.md has a heading for every field.
"""

# ruff: noqa: ANN401, RUF009 -- values of several kinds pass through one table; fields are declared by our functions
from __future__ import annotations

import dataclasses
import difflib
import itertools
import os
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from tracecollect import codec
from tracecollect.errors import SettingsError
from tracecollect.model import SECOND

PREFIX = "TRACECOLLECT_"
FILE_NAME = "tracecollect.toml"
# Not settings, but of our name: where the file is, what the demo reads, and what Kubernetes puts into every
# container beside a Service that is called tracecollect.
_NOT_SETTINGS = (
    "TRACECOLLECT_CONFIG",
    "TRACECOLLECT_DEMO_",
    "TRACECOLLECT_PROBE_",
    "TRACECOLLECT_PORT",
    "TRACECOLLECT_SERVICE_",
)
_ADDRESSES = ("otlp_grpc", "otlp_http", "web")
_FILE = "file:"
_SHORTEST_TOKEN = 16
_LONGEST_RETENTION = 50 * 365 * 86_400 * SECOND
_LEVELS = ("debug", "info", "warning", "error")


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen. Port 0 is any free one."""

    host: str
    port: int

    @property
    def loopback(self) -> bool:
        """Whether only this machine can reach it."""
        if self.host == "localhost":
            return True
        try:
            return ip_address(self.host).is_loopback
        except ValueError:
            return False

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def read_address(text: str) -> Address:
    """`HOST:PORT`, `[::1]:PORT` or `:PORT` (loopback). Raises `ValueError`."""
    host, colon, port = text.strip().rpartition(":")
    host = host.removeprefix("[").removesuffix("]") or "127.0.0.1"
    if not colon or not port.isdecimal() or int(port) > 65535 or "/" in host:
        raise ValueError(f"{text!r} is not an address like 127.0.0.1:4317")
    return Address(host, int(port))


def data_home() -> Path:
    """Where data goes when nobody says where."""
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share") / "tracecollect"


def _flag(text: str) -> bool:
    words = {"true": True, "yes": True, "1": True, "on": True, "false": False, "no": False, "0": False, "off": False}
    if text.strip().lower() not in words:
        raise ValueError(f"{text!r} is neither true nor false")
    return words[text.strip().lower()]


def _word(on: bool) -> str:
    return str(on).lower()


def _level(text: str) -> str:
    if text.strip().lower() not in _LEVELS:
        raise ValueError(f"{text!r} is none of {', '.join(_LEVELS)}")
    return text.strip().lower()


def _directory(text: str) -> Path:
    if not text.strip():
        raise ValueError("an empty path")
    return Path(text).expanduser().absolute()


def _at_least(read: Callable[[str], int], least: int, spelled: str) -> Callable[[str], int]:
    def bounded(text: str) -> int:
        value = read(text)
        if value < least:
            raise ValueError(f"{text!r} is less than {spelled}, the least that makes sense")
        return value

    return bounded


def _setting(default: Any, read: Callable[[str], Any], meaning: str, spell: Callable[[Any], str] = str) -> Any:
    made = {"default_factory": default} if callable(default) else {"default": default}
    return field(metadata={"read": read, "spell": spell, "meaning": meaning}, **made)


def _span(default: str, least: str, meaning: str) -> Any:
    read = _at_least(codec.read_duration, codec.read_duration(least), least)
    return _setting(codec.read_duration(default), read, meaning, codec.spell_duration)


def _bytes(default: str, least: str, meaning: str) -> Any:
    read = _at_least(codec.read_size, codec.read_size(least), least)
    return _setting(codec.read_size(default), read, meaning, codec.spell_size)


def _count(default: int, least: int, meaning: str) -> Any:
    return _setting(default, _at_least(int, least, str(least)), meaning)


def _list(text: str) -> tuple[str, ...]:
    return tuple(word for word in text.replace(",", " ").split())


def _texts(meaning: str) -> Any:
    return _setting((), _list, meaning, ", ".join)


def _regexes(text: str) -> tuple[str, ...]:
    found = tuple(line.strip() for line in text.splitlines() if line.strip())
    for one in found:
        try:
            re.compile(one)
        except re.error as error:
            raise ValueError(f"{one!r} is no regular expression: {error}") from error
    return found


def _patterns(meaning: str) -> Any:
    return _setting((), _regexes, meaning, "\n".join)


def _file(text: str) -> str:
    if not text.strip():
        return ""
    path = Path(text).expanduser().absolute()
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return str(path)


def _tokens(text: str) -> tuple[str, ...]:
    """Words, or those of a file: secrets are best kept in one that only we can read."""
    if text.startswith(_FILE):
        path = Path(text.removeprefix(_FILE)).expanduser()
        try:
            text = path.read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ValueError(f"{path} cannot be read: {error}") from error
        if not text.strip():
            raise ValueError(f"{path} is empty")
    found = _list(text)
    if any(len(one) < _SHORTEST_TOKEN for one in found):
        raise ValueError(f"a token is shorter than {_SHORTEST_TOKEN} characters")
    return found


def _secrets(meaning: str) -> Any:
    return _setting((), _tokens, meaning, lambda found: f"({len(found)} secret)" if found else "")


@dataclass(frozen=True, slots=True)
class Settings:
    """Every setting. Durations are nanoseconds, sizes bytes; in files and variables both are written with units."""

    data_dir: Path = _setting(data_home, _directory, "where the journal and the store live")
    store: str = _setting("", str.strip, "the store's address; empty is chDB inside the data directory")
    otlp_grpc: Address = _setting(Address("127.0.0.1", 4317), read_address, "where OTLP over gRPC is received")
    otlp_http: Address = _setting(Address("127.0.0.1", 4318), read_address, "where OTLP over HTTP is received")
    web: Address = _setting(Address("127.0.0.1", 16686), read_address, "where answers are given over HTTP")
    allow_public: bool = _setting(False, _flag, "allow addresses that other machines can reach", _word)
    receivers: int = _count(1, 1, "how many processes receive; they share the ports")
    cors_origins: tuple[str, ...] = _texts("web pages (scheme://host:port) whose scripts may send OTLP over HTTP")
    tls_certificate: str = _setting("", _file, "our certificate chain (PEM): the listeners then speak TLS")
    tls_key: str = _setting("", _file, "the certificate's private key (PEM)")
    tls_client_ca: str = _setting("", _file, "whose certificates senders must show (PEM): mutual TLS")
    ingest_tokens: tuple[str, ...] = _secrets("bearer tokens of which senders must show one")
    read_tokens: tuple[str, ...] = _secrets("bearer tokens of which readers must show one")
    redact: bool = _setting(
        True, _flag, "cut passwords, tokens, cookies and card numbers before anything is stored", _word
    )
    redact_keys: tuple[str, ...] = _patterns("patterns of more attribute keys whose values are secret")
    redact_patterns: tuple[str, ...] = _patterns("patterns of what else is secret, in any text")
    redact_literals: bool = _setting(False, _flag, "cut the constants of statements, too", _word)
    retention: int = _span("7d", "1h", "how long telemetry is kept")
    store_max_bytes: int = _bytes("0", "0", "how much telemetry is kept on disk, whole days; 0 is no limit")
    grace: int = _span("120s", "0", "how long a forgotten connection may still come back before it counts")
    judge_interval: int = _span("10s", "1s", "how often findings are judged while telemetry arrives")
    linger: int = _span("1s", "0", "how long arrived telemetry may wait for company before it is stored")
    journal_max_bytes: int = _bytes("2GiB", "1MiB", "how much may wait for the store before senders are told to retry")
    journal_max_age: int = _span("24h", "1m", "how long it may wait before senders are told to retry")
    max_request_bytes: int = _bytes("64MiB", "64KiB", "the largest request after decompression")
    drain_timeout: int = _span("6s", "0", "how long a stop waits for the journal to be stored; the rest stays in it")
    log_level: str = _setting("info", _level, "what is written to stderr: debug, info, warning or error")
    origins: Mapping[str, str] = field(default_factory=dict, compare=False)

    @property
    def store_url(self) -> str:
        """The store's address, also when it follows from the data directory."""
        return self.store or f"chdb:///{str(self.data_dir / 'store').lstrip('/')}"

    def spelled(self) -> Mapping[str, str]:
        """Every value as a file or a variable would say it; passwords in addresses are left out."""
        return {one.name: _hide(one.metadata["spell"](getattr(self, one.name))) for one in _fields()}

    def origin(self, name: str) -> str:
        """Where a value came from: `default`, `flag --…`, `environment …` or the file."""
        return self.origins.get(name, "default")


def _hide(text: str) -> str:
    scheme, separator, rest = text.partition("://")
    account, at, host = rest.rpartition("@")
    return f"{scheme}{separator}{account.partition(':')[0]}:…@{host}" if at and ":" in account else text


def _fields() -> tuple[dataclasses.Field[Any], ...]:
    return tuple(one for one in dataclasses.fields(Settings) if one.name != "origins")


def names() -> Mapping[str, str]:
    """Every setting and what it means."""
    return {one.name: one.metadata["meaning"] for one in _fields()}


def flag(name: str) -> str:
    """A setting as a command line option."""
    return "--" + name.replace("_", "-")


def load(
    flags: Mapping[str, str | bool | None] | None = None,
    *,
    environment: Mapping[str, str] | None = None,
    config: Path | str | None = None,
) -> Settings:
    """Read everything, check it whole. `flags` by setting name, None where not given. Raises `SettingsError`."""
    environment = os.environ if environment is None else environment
    given: dict[str, tuple[str, str]] = {}
    path = _config_path(config or environment.get(PREFIX + "CONFIG"), environment)
    if path is not None:
        given |= {name: (text, str(path)) for name, text in _from_file(path).items()}
    given |= {name: (text, f"environment {PREFIX}{name.upper()}") for name, text in _from_environment(environment)}
    for name, value in (flags or {}).items():
        if value is not None:
            _known(name, names(), "flag")
            given[name] = (str(value), f"flag {flag(name)}")
    values = {one.name: _value(one, *given[one.name]) for one in _fields() if one.name in given}
    settings = Settings(**values, origins={name: origin for name, (_, origin) in given.items()})
    _check(settings)
    return settings


def _value(one: dataclasses.Field[Any], text: str, origin: str) -> Any:
    try:
        return one.metadata["read"](text)
    except ValueError as error:
        raise SettingsError(
            f"{one.name}: {error} (from {origin})", hint=f"{one.name} is {one.metadata['meaning']}"
        ) from error


def _config_path(named: Path | str | None, environment: Mapping[str, str]) -> Path | None:
    if named is not None:
        path = Path(named).expanduser()
        if not path.is_file():
            raise SettingsError(f"there is no configuration file {path}", hint="check --config and TRACECOLLECT_CONFIG")
        return path
    home = Path(environment.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    found = (path for path in (Path(FILE_NAME), home / "tracecollect" / FILE_NAME) if path.is_file())
    return next(found, None)


def _from_file(path: Path) -> dict[str, str]:
    import tomllib  # 8 ms that a start without a file does not spend

    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path} cannot be read: {error}", hint="it must be a TOML file in UTF-8") from error
    texts: dict[str, str] = {}
    for key, value in document.items():
        _known(key, names(), f"key in {path}")
        if isinstance(value, list) and all(isinstance(one, str) for one in value):
            value = "\n".join(value)
        if not isinstance(value, str | int | float | bool):
            raise SettingsError(f"{key} in {path} is a {type(value).__name__}", hint=f'write it as text: {key} = "…"')
        texts[key] = str(value).lower() if isinstance(value, bool) else str(value)
    return texts


def _from_environment(environment: Mapping[str, str]) -> Iterable[tuple[str, str]]:
    for variable, text in environment.items():
        if variable.startswith(PREFIX) and not variable.startswith(_NOT_SETTINGS):
            name = variable.removeprefix(PREFIX).lower()
            _known(name, names(), f"environment variable {variable}", shown=lambda near: PREFIX + near.upper())
            yield name, text


def _known(name: str, known: Iterable[str], where: str, shown: Callable[[str], str] = str) -> None:
    if name in known:
        return
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {shown(near[0])}?" if near else "docs/settings.md lists what can be set"
    what = where if where.startswith("environment") else f"{where}: {name}"
    raise SettingsError(f"unknown {what}", hint=hint)


def _check(settings: Settings) -> None:
    """What only the whole can say."""
    for name in _ADDRESSES:
        address: Address = getattr(settings, name)
        tokens = "read_tokens" if name == "web" else "ingest_tokens"
        guarded = getattr(settings, tokens) or (settings.tls_client_ca and name != "web")
        if not address.loopback and not guarded and not settings.allow_public:
            raise SettingsError(
                f"{name}: {address} can be reached from other machines (from {settings.origin(name)})",
                hint=f"say who may come with {tokens} and tls_certificate, keep to 127.0.0.1, or say --allow-public",
            )
    if bool(settings.tls_certificate) != bool(settings.tls_key):
        raise SettingsError("tls_certificate and tls_key belong together", hint="give both, or neither")
    if settings.tls_client_ca and not settings.tls_certificate:
        raise SettingsError("tls_client_ca asks for certificates without TLS", hint="give tls_certificate and tls_key")
    for one, other in itertools.combinations(_ADDRESSES, 2):
        address = getattr(settings, one)
        if address == getattr(settings, other) and address.port:
            raise SettingsError(f"{one} and {other} are both {address}", hint="give each its own port")
    if settings.store and "://" not in settings.store:
        raise SettingsError(f"store: {settings.store!r} is not an address", hint="write it like chdb:///var/lib/traces")
    if settings.retention > _LONGEST_RETENTION:
        raise SettingsError(
            f"retention is longer than {codec.spell_duration(_LONGEST_RETENTION)}",
            hint="the engine's times end in 2106: what is kept beyond would be dropped at once",
        )
    if settings.grace > settings.retention:
        longest = codec.spell_duration(settings.retention)
        raise SettingsError(f"grace is longer than the retention of {longest}", hint="a hold would be forgotten first")


def seconds(nanos: int) -> float:
    """Nanoseconds as the seconds that timers want."""
    return nanos / SECOND
