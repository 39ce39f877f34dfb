"""Dialects: what one instrumentation library says, and does not say, about holds. TOML, read and checked whole."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import files
from types import MappingProxyType
from typing import Any, NoReturn

from tracecollect.errors import DialectError
from tracecollect.model import CoverageLevel, Role, SignalKind

SOURCES = ("spans", "logs")
SERIES: Mapping[str, str] = MappingProxyType(
    {
        "gauge": "Value",
        "sum": "Value",
        "histogram": "toFloat64(Count)",
        "histogram.sum": "Sum",
        "histogram.max": "Max",
        "exponential_histogram": "toFloat64(Count)",
        "summary": "toFloat64(Count)",
    }
)
"""Where a series may come from, and the column that is its value: a metric table, or another number of its points."""
OPEN_IF = ("last", "count", "none", "cover", "never")
MEASURES = ("used", "idle", "max", "pending", "timeouts", "waits", "acquires", "returns", "reclaimed")
FAMILIES = ("A", "B", "C", "D", "count", "report", "none")
ANY_SCOPE = "*"

CANONICAL: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "statement": ("db.query.text", "db.statement"),
        "pool": ("db.client.connection.pool.name", "pool.name"),
        "address": ("server.address", "net.peer.name"),
        "port": ("server.port", "net.peer.port"),
        "namespace": ("db.namespace", "db.name"),
        "connection": ("db.client.connection.id", "db.npgsql.connection_id", "db.connection_id"),
        "function": ("code.function.name", "code.function"),
        "file": ("code.file.path", "code.filepath"),
        "line": ("code.line.number", "code.lineno"),
        "reason": ("db.client.connection.release.reason",),
    }
)
"""Where a thing is said, by the attributes that may say it; the first that is not empty speaks."""

_SPAN_FIELDS = ("name", "kind", "status", "statement", "parent", "span_event", "exception")
_LOG_FIELDS = ("event", "body", "severity")
_HEAD_KEYS = (
    "name",
    "version",
    "library",
    "scopes",
    "coverage",
    "why",
    "blind_to",
    "hint",
    "sample",
    "witness",
    "yields_to",
)
_RULE_KEYS = ("from", "pair", "is", "role", "at", "key", "where", "scopes", "reason", "pool", "connection")


@dataclass(frozen=True, slots=True)
class Predicate:
    """One condition on one field. `test` is: is, not, regex, exists or local."""

    field: str
    test: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """One kind of span or log record and what it means for its pair."""

    source: str
    pair: str
    kind: SignalKind
    role: Role
    at: str
    key: tuple[str, ...]
    where: tuple[Predicate, ...]
    scopes: tuple[str, ...]
    reason: str = ""
    pool: tuple[str, ...] = ()
    connection: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pair:
    """One kind of key: what opens it must be closed, judged by `open_if` when it is asked.

    `uses` is another pair with the same keys whose signals say what these were used for; they are not stored twice.
    """

    name: str
    family: str
    key: tuple[str, ...]
    open_if: str
    needs: str
    entered_by: str
    prefer: int = 0
    uses: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One metric and the canonical measure that it is. `noise`: how far it may be off when all is well.

    `pool` has the attributes that name the pool; with none, all pools of a process are one.
    """

    source: str
    metrics: tuple[str, ...]
    where: tuple[Predicate, ...]
    measure: str
    pool: tuple[str, ...]
    scopes: tuple[str, ...]
    unit: float = 1.0
    noise: float = 0.0
    lies: str = ""

    @property
    def table(self) -> str:
        """The kind of metric table that it is read from."""
        return self.source.split(".", 1)[0]


@dataclass(frozen=True, slots=True)
class Dialect:
    """One library's dialect. A witness speaks of the connections of other processes and has no pool of its own."""

    name: str
    version: int
    library: str
    scopes: tuple[str, ...]
    coverage: CoverageLevel
    why: str
    blind_to: str
    hint: str
    attributes: Mapping[str, tuple[str, ...]]
    pairs: Mapping[str, Pair]
    rules: tuple[Rule, ...]
    series: tuple[Series, ...] = field(default=())
    witness: bool = False
    yields_to: tuple[str, ...] = ()
    """Dialects whose metrics say the same of the same pools: where one of them counts, this one's are passed over."""

    @property
    def counting(self) -> tuple[Pair, ...]:
        """The pairs that count who has a connection and follow none."""
        return tuple(one for one in self.pairs.values() if one.family == "count")


@cache
def shipped() -> tuple[Dialect, ...]:
    """The dialects that come with tracecollect, by name."""
    folder = files(__package__) / "dialects"
    texts = {entry.name: entry.read_text("utf-8") for entry in folder.iterdir() if entry.name.endswith(".toml")}
    found = tuple(parse(text, name) for name, text in sorted(texts.items()))
    check_together(found)
    return found


def check_together(dialects: Iterable[Dialect]) -> None:
    """Two dialects may not claim one scope or one name. Raises `DialectError`."""
    scopes: dict[str, str] = {}
    for one in dialects:
        for scope in one.scopes:
            other = scopes.setdefault(scope, one.name)
            if other != one.name:
                raise DialectError(
                    f"scope {scope!r} is claimed by {other} and by {one.name}",
                    hint="a scope belongs to one dialect: remove it from one of the two files",
                )


def parse(text: str, name: str) -> Dialect:
    """One dialect file. Raises `DialectError` naming the file, the key and what would be right."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise DialectError(f"{name}: not TOML: {error}", hint="an inline table may not span lines") from error
    return _Reader(name).dialect(document)


class _Reader:
    """Reads one document; every complaint names the file and the place."""

    def __init__(self, file: str) -> None:
        self._file = file

    def dialect(self, document: Mapping[str, Any]) -> Dialect:
        self._only(document, "the file", ("dialect", "attributes", "pair", "signal", "series"))
        head = self._table(document, "dialect")
        self._only(head, "[dialect]", _HEAD_KEYS)
        scopes = self._words(head, "scopes", "[dialect]")
        pairs = {name: self._pair(name, table) for name, table in self._tables(document.get("pair", {})).items()}
        rules = tuple(self._rule(table, pairs, scopes) for table in self._list(document, "signal"))
        self._closable(pairs, rules)
        return Dialect(
            name=self._word(head, "name", "[dialect]"),
            version=self._version(head),
            library=self._word(head, "library", "[dialect]"),
            scopes=scopes,
            coverage=CoverageLevel(self._one_of(head, "coverage", "[dialect]", tuple(CoverageLevel))),
            why=self._word(head, "why", "[dialect]"),
            blind_to=self._word(head, "blind_to", "[dialect]"),
            hint=str(head.get("hint", "")),
            attributes=self._attributes(document.get("attributes", {})),
            pairs=MappingProxyType(pairs),
            rules=rules,
            series=tuple(self._series(table, scopes) for table in self._list(document, "series")),
            witness=self._flag(head, "witness", "[dialect]"),
            yields_to=self._words(head, "yields_to", "[dialect]") if "yields_to" in head else (),
        )

    def _version(self, head: Mapping[str, Any]) -> int:
        found = head.get("version")
        if not isinstance(found, int) or isinstance(found, bool) or found < 1:
            self._fail("[dialect] needs version, a number from 1 on")
        return found

    def _tables(self, found: object) -> Mapping[str, Mapping[str, Any]]:
        if not isinstance(found, dict) or not all(isinstance(one, dict) for one in found.values()):
            self._fail("pair needs tables", "[pair.NAME]")
        return found

    def _list(self, document: Mapping[str, Any], key: str) -> Sequence[Mapping[str, Any]]:
        found = document.get(key, [])
        if not isinstance(found, list) or not all(isinstance(one, dict) for one in found):
            self._fail(f"{key} needs a list of tables", f"[[{key}]]")
        return found

    def _attributes(self, table: Mapping[str, Any]) -> Mapping[str, tuple[str, ...]]:
        self._only(table, "[attributes]", tuple(CANONICAL))
        return MappingProxyType({**CANONICAL, **{key: self._words(table, key, "[attributes]") for key in table}})

    def _pair(self, name: str, table: Mapping[str, Any]) -> Pair:
        where = f"[pair.{name}]"
        self._only(table, where, ("family", "key", "open_if", "needs", "entered_by", "prefer", "uses"))
        return Pair(
            name=name,
            family=self._one_of(table, "family", where, FAMILIES),
            key=self._key(table, where),
            open_if=self._one_of(table, "open_if", where, OPEN_IF),
            needs=self._one_of(table, "needs", where, ("close_seen", "nothing")),
            entered_by=self._one_of(table, "entered_by", where, ("touch", "begin")),
            prefer=int(table.get("prefer", 0)),
            uses=str(table.get("uses", "")),
        )

    def _key(self, table: Mapping[str, Any], where: str) -> tuple[str, ...]:
        parts = self._words(table, "key", where)
        for part in parts:
            if part not in ("trace", "parent", "span", "connection") and not part.startswith(("attr:", "body:")):
                self._fail(f"{where} key has {part!r}", "one of trace, parent, span, connection, attr:NAME, body:REGEX")
            if part.startswith("body:"):
                self._regex(part.removeprefix("body:"), where)
        return parts

    def _rule(self, table: Mapping[str, Any], pairs: Mapping[str, Pair], scopes: tuple[str, ...]) -> Rule:
        where = f"[[signal]] {table.get('is', '?')}"
        self._only(table, where, _RULE_KEYS)
        source = self._one_of(table, "from", where, SOURCES)
        pair = self._one_of(table, "pair", where, tuple(pairs))
        return Rule(
            source=source,
            pair=pair,
            kind=SignalKind(self._one_of(table, "is", where, tuple(SignalKind))),
            role=Role(self._one_of(table, "role", where, tuple(Role))),
            at=self._at(table, where, source),
            key=self._key(table, where) if "key" in table else pairs[pair].key,
            where=self._predicates(table.get("where", {}), where, _SPAN_FIELDS if source == "spans" else _LOG_FIELDS),
            scopes=self._words(table, "scopes", where) if "scopes" in table else scopes,
            reason=str(table.get("reason", "")),
            pool=self._sources(table, "pool", where),
            connection=self._sources(table, "connection", where),
        )

    def _at(self, table: Mapping[str, Any], where: str, source: str) -> str:
        found = table.get("at", "end")
        if source == "spans" and isinstance(found, str) and found.startswith("event:"):
            return found
        return self._one_of({"at": found}, "at", where, ("start", "end"))

    def _sources(self, table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
        """Where this rule finds a thing that others find elsewhere: attributes, or the first group in a log's body."""
        found = self._words(table, key, where) if key in table else ()
        for one in found:
            if one.startswith("body:"):
                self._regex(one.removeprefix("body:"), where)
        return found

    def _series(self, table: Mapping[str, Any], scopes: tuple[str, ...]) -> Series:
        where = f"[[series]] {table.get('is', '?')}"
        self._only(table, where, ("from", "metric", "where", "is", "pool", "unit", "noise", "lies", "scopes"))
        return Series(
            source=self._one_of(table, "from", where, tuple(SERIES)),
            metrics=self._words(table, "metric", where),
            where=self._predicates(table.get("where", {}), where, ()),
            measure=self._one_of(table, "is", where, MEASURES),
            pool=self._pool(table, where),
            scopes=self._words(table, "scopes", where) if "scopes" in table else scopes,
            unit=float(table.get("unit", 1)),
            noise=float(table.get("noise", 0)),
            lies=str(table.get("lies", "")),
        )

    def _pool(self, table: Mapping[str, Any], where: str) -> tuple[str, ...]:
        """Which attributes name the pool; none where the numbers of one process only mean something together."""
        found = table.get("pool", list(CANONICAL["pool"]))
        return () if found == [] else self._words({"pool": found}, "pool", where)

    def _predicates(self, table: Mapping[str, Any], where: str, fields: Sequence[str]) -> tuple[Predicate, ...]:
        found = []
        for name, wanted in table.items():
            if name not in fields and not name.startswith("attr:"):
                self._fail(f"{where} asks for {name!r}", f"one of {', '.join((*fields, 'attr:NAME'))}")
            found.append(self._predicate(name, wanted, where))
        return tuple(found)

    def _predicate(self, name: str, wanted: Any, where: str) -> Predicate:  # noqa: ANN401 - whatever the file says
        if isinstance(wanted, str):
            return Predicate(name, "is", (wanted,))
        if not isinstance(wanted, dict) or len(wanted) != 1:
            self._fail(f"{where}: {name} needs a text or one of {{is, not, regex, exists, local}}")
        ((test, value),) = wanted.items()
        match test, value:
            case "is", list():
                return Predicate(name, "is", tuple(map(str, value)))
            case "not", str():
                return Predicate(name, "not", (value,))
            case "regex", str():
                self._regex(value, where)
                return Predicate(name, "regex", (value,))
            case "exists", bool():
                return Predicate(name, "exists", (str(value).lower(),))
            case "local", True if name == "parent":
                return Predicate(name, "local")
        return self._fail(
            f"{where}: {name} has {test} = {value!r}", "is = [texts], not = text, regex = text, exists = bool"
        )

    def _regex(self, text: str, where: str) -> None:
        # RE2, which the engine uses, has neither look-around nor back references.
        if re.search(r"\(\?[=!<]|\\[1-9]", text):
            self._fail(f"{where}: {text!r} is not an RE2 expression", "no look-around and no back references")
        try:
            re.compile(text)
        except re.error as error:
            self._fail(f"{where}: {text!r} is not a regular expression: {error}")

    def _closable(self, pairs: Mapping[str, Pair], rules: Iterable[Rule]) -> None:
        closed = {rule.pair for rule in rules if rule.role is Role.CLOSE}
        for name, pair in pairs.items():
            if pair.open_if != "never" and name not in closed:
                self._fail(f"[pair.{name}] has no signal with role close", 'add one, or say open_if = "never"')
            if pair.uses and (pair.uses not in pairs or pairs[pair.uses].key != pair.key):
                self._fail(f"[pair.{name}] uses {pair.uses!r}", "another pair of this file with the same key")

    def _table(self, document: Mapping[str, Any], key: str) -> Mapping[str, Any]:
        found = document.get(key)
        return found if isinstance(found, dict) else self._fail(f"[{key}] is missing")

    def _word(self, table: Mapping[str, Any], key: str, where: str) -> str:
        found = table.get(key)
        return found if isinstance(found, str) and found else self._fail(f"{where} needs {key}, a text")

    def _flag(self, table: Mapping[str, Any], key: str, where: str) -> bool:
        found = table.get(key, False)
        return found if isinstance(found, bool) else self._fail(f"{where} has {key} = {found!r}", "true or false")

    def _words(self, table: Mapping[str, Any], key: str, where: str) -> tuple[str, ...]:
        found = table.get(key)
        if not isinstance(found, list) or not found or not all(isinstance(one, str) for one in found):
            self._fail(f"{where} needs {key}, a list of texts")
        return tuple(found)

    def _one_of(self, table: Mapping[str, Any], key: str, where: str, allowed: Sequence[str]) -> str:
        found = table.get(key)
        if found not in allowed:
            self._fail(f"{where} has {key} = {found!r}", f"one of {', '.join(allowed)}")
        return str(found)

    def _only(self, table: Mapping[str, Any], where: str, allowed: Sequence[str]) -> None:
        for key in table:
            if key not in allowed:
                self._fail(f"{where} has the unknown key {key!r}", f"one of {', '.join(allowed)}")

    def _fail(self, what: str, right: str = "") -> NoReturn:
        raise DialectError(f"{self._file}: {what}", hint=right or "docs/dialects.md describes the file")
