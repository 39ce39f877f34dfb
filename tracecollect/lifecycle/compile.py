"""Dialects to SQL: one compact SELECT per source table that yields connection signals or pool samples.

Pure text. The scheme is one view per table with an array of rule numbers per row, because the cost of a view is
paid per INSERT for planning it: eight dialects in one compact view cost 20 ms, a view each twice that
(docs/adr/0003). Only total functions are used: a view that throws would fail the insert it hangs on.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from tracecollect.lifecycle.dialects import ANY_SCOPE, CANONICAL, SERIES, Dialect, Predicate, Rule, Series

SIGNALS = ("otel_traces", "otel_logs")
"""Source tables of `connection_signals`."""
SAMPLES = tuple(dict.fromkeys(f"otel_metrics_{source.split('.', 1)[0]}" for source in SERIES))
"""Source tables of `pool_samples`."""
_STATEMENT = 200


def view_name(source: str) -> str:
    """The materialised view that reads this table."""
    return source.replace("otel_", "dialects_", 1)


def target(source: str) -> str:
    """The table that this source's signals or samples go to."""
    return "connection_signals" if source in SIGNALS else "pool_samples"


def digest(sql: str) -> str:
    """What tells one compiled text from another."""
    return hashlib.sha256(sql.encode()).hexdigest()


def compiled(source: str, dialects: Sequence[Dialect], known: Sequence[Dialect] = ()) -> str | None:
    """The SELECT for one source table; None when no dialect reads it.

    `known`: every dialect there is, where `dialects` are some of them. What an attribute means depends on all of them.
    """
    if source == "otel_traces":
        return _spans(dialects, known or dialects)
    if source == "otel_logs":
        return _logs(dialects, known or dialects)
    return _samples(source.removeprefix("otel_metrics_"), dialects)


def scopes_of(source: str, dialect: Dialect) -> tuple[str, ...]:
    """The scopes whose rows of a source table a dialect reads."""
    if source in SIGNALS:
        kind = "spans" if source == "otel_traces" else "logs"
        return tuple(dict.fromkeys(scope for one in dialect.rules if one.source == kind for scope in one.scopes))
    mine = (one for one in dialect.series if one.table == source.removeprefix("otel_metrics_"))
    return tuple(dict.fromkeys(scope for one in mine for scope in one.scopes))


def in_scope(scope: str, scopes: Iterable[str]) -> bool:
    """Is it one of these? A scope that ends with `.*` stands for all below it, as loggers are named."""
    return any(
        one in (scope, ANY_SCOPE) or (one.endswith(".*") and scope.startswith(one.removesuffix("*"))) for one in scopes
    )


def candidates(dialects: Iterable[Dialect], kind: str) -> tuple[str, ...]:
    """The attributes that may say a thing: what the dialects add, before what everybody says."""
    added = [name for one in dialects for name in one.attributes[kind] if name not in CANONICAL[kind]]
    return tuple(dict.fromkeys((*added, *CANONICAL[kind])))


@dataclass(frozen=True, slots=True)
class _Numbered:
    dialect: Dialect
    rule: Rule


def _spans(dialects: Sequence[Dialect], known: Sequence[Dialect]) -> str | None:
    rules = [_Numbered(one, rule) for one in dialects for rule in one.rules if rule.source == "spans"]
    if not rules:
        return None
    scopes = sorted({scope for one in rules for scope in one.rule.scopes})
    columns = _canonical(known, "SpanAttributes")
    inner = (
        f"SELECT ServiceName, Instance AS instance_, {_PROCESS} AS process_,\n"
        f"       TraceId, SpanId, ParentSpanId, SpanName, SpanKind,\n"
        f"       StatusCode, SpanAttributes, Flags, ScopeName, Arrived, Timestamp AS started_,\n"
        f"       Events.Name AS event_names_, Events.Timestamp AS event_times_,\n"
        f"       Events.Attributes AS event_attributes_,\n"
        f"       Timestamp + toIntervalNanosecond(Duration) AS ended_, {columns}\n"
        f"  FROM otel_traces WHERE {_scope_test(scopes)}"
    )
    return _sparing("SpanAttributes", "otel_traces", _select(rules, inner, "SpanName", _span_field))


def _logs(dialects: Sequence[Dialect], known: Sequence[Dialect]) -> str | None:
    rules = [_Numbered(one, rule) for one in dialects for rule in one.rules if rule.source == "logs"]
    if not rules:
        return None
    scopes = sorted({scope for one in rules for scope in one.rule.scopes} - {ANY_SCOPE})
    asked = [_scope_test(scopes)] if scopes else []
    # Rules for any scope must say an event or a whole body: without one of these every record would be read closely.
    for field, column in (("event", "event_"), ("body", "Body")):
        texts = _asked(rules, field)
        asked += [f"{column} IN ({_texts(texts)})"] if texts else []
    # The code that wrote an event took the connection; the code that wrote any other line is the library's own.
    event = "if(EventName != '', EventName, LogAttributes['event.name'])"
    stack = "concat(Body, LogAttributes['exception.stacktrace'])"
    columns = _canonical(known, "LogAttributes", stack=stack, own_code=f"{event} != ''")
    inner = (
        f"SELECT ServiceName, Instance AS instance_, {_PROCESS} AS process_,\n"
        f"       TraceId, SpanId, '' AS ParentSpanId, Body, SeverityText,\n"
        f"       LogAttributes, Timestamp AS started_, Timestamp AS ended_, ScopeName, Arrived,\n"
        f"       {event} AS event_, {columns}\n"
        f"  FROM otel_logs WHERE {' OR '.join(asked)}"
    )
    return _sparing("LogAttributes", "otel_logs", _select(rules, inner, "event_", _log_field))


def _sparing(attributes: str, table: str, sql: str) -> str:
    """With only the attributes that the text asks for: a look-up costs by the size of the map, and there are thirty."""
    asked = sorted(set(re.findall(attributes + r"\[('(?:[^'\\]|\\.)*')\]", sql)))
    fewer = f"mapFilter((k, v) -> k IN ({', '.join(asked)}), {attributes}) AS {attributes}"
    source = f"(SELECT * EXCEPT ({attributes}), {fewer} FROM {table})"
    return sql.replace(f"FROM {table} WHERE", f"FROM {source} WHERE")


def _asked(rules: Sequence[_Numbered], field: str) -> Sequence[str]:
    """The texts of a field that rules for any scope ask for."""
    conditions = [condition for one in rules if ANY_SCOPE in one.rule.scopes for condition in one.rule.where]
    return sorted({text for one in conditions if (one.field, one.test) == (field, "is") for text in one.values})


def _select(rules: Sequence[_Numbered], inner: str, name: str, field: Callable[[str], str]) -> str:
    keys = list(dict.fromkeys(one.rule.key for one in rules))
    number = {id(one): position for position, one in enumerate(rules, 1)}
    groups: dict[tuple[str, ...], dict[str, list[_Numbered]]] = {}
    for one in rules:
        groups.setdefault(one.rule.scopes, {}).setdefault(f"{one.dialect.name}/{one.rule.pair}", []).append(one)
    arrays = ",\n    ".join(
        f"if({_scope_test(scopes)}, [{', '.join(_first(pair, number, field) for pair in pairs.values())}], [])"
        for scopes, pairs in groups.items()
    )
    pick = _picker(rules)
    key = ", ".join(
        f"{_array([keys.index(one.rule.key) + 1 for one in rules])}[s] = {n}, {_key(parts, field)}"
        for n, parts in enumerate(keys, 1)
    )
    return (
        f"SELECT ServiceName AS service, instance_ AS instance, {pick(lambda o: o.dialect.name)} AS dialect,\n"
        f"  toUInt16({_array([o.dialect.version for o in rules])}[s]) AS version,\n"
        f"  {pick(lambda o: o.rule.pair)} AS pair, {pick(lambda o: o.rule.kind.value)} AS signal,\n"
        f"  {pick(lambda o: o.rule.role.value)} AS role,\n"
        f"  multiIf({key}, '') AS key,\n"
        f"  {_at(rules)} AS at,\n"
        f"  started_ AS started, TraceId AS trace_id, SpanId AS span_id, ParentSpanId AS parent_id,\n"
        f"  {_own(rules, lambda o: o.rule.pool, 'pool_', field)} AS pool,\n"
        f"  {_own(rules, lambda o: o.rule.connection, 'connection_', field)} AS connection_id,\n"
        f"  {name} AS name, substringUTF8(statement_, 1, {_STATEMENT}) AS statement,\n"
        f"  code_ AS code, if(reason_ != '', reason_, {pick(lambda o: o.rule.reason)}) AS reason, Arrived AS arrived\n"
        f"FROM (\n  {inner}\n)\n"
        f"ARRAY JOIN arrayFilter(x -> x > 0, arrayConcat(\n    {arrays}\n  )) AS s"
    )


def _at(rules: Sequence[_Numbered]) -> str:
    """The moment of the fact. An event that a span does not have leaves its end."""
    moments = list(dict.fromkeys(one.rule.at for one in rules))
    named = {at: position for position, at in enumerate(moments, 1)}
    pick = f"{_array([named[one.rule.at] for one in rules])}[s]"
    cases = ", ".join(f"{pick} = {number}, {_moment(at)}" for at, number in named.items() if at != "end")
    return f"multiIf({cases}, ended_)" if cases else "ended_"


def _moment(at: str) -> str:
    if at == "start":
        return "started_"
    name = _text(at.removeprefix("event:"))
    return f"if(has(event_names_, {name}), arrayFirst((t, n) -> n = {name}, event_times_, event_names_), ended_)"


def _own(
    rules: Sequence[_Numbered],
    of: Callable[[_Numbered], tuple[str, ...]],
    usual: str,
    field: Callable[[str], str],
) -> str:
    """A column that some rules find in a place of their own and all others where everybody says it."""
    places = [one for one in dict.fromkeys(map(of, rules)) if one]
    if not places:
        return usual
    pick = f"{_array([places.index(of(one)) + 1 if of(one) else 0 for one in rules])}[s]"
    cases = ", ".join(
        f"{pick} = {number}, {_either([field(name) for name in place])}" for number, place in enumerate(places, 1)
    )
    return f"multiIf({cases}, {usual})"


def _first(rules: Sequence[_Numbered], number: Mapping[int, int], field: Callable[[str], str]) -> str:
    """Within a pair the first matching rule speaks."""
    cases = ", ".join(f"{_all(one.rule.where, field)}, {number[id(one)]}" for one in rules)
    return f"multiIf({cases}, 0)"


def _scope_test(scopes: Sequence[str]) -> str:
    """Is it one of these? A scope that ends with `.*` stands for all below it, as loggers are named."""
    if ANY_SCOPE in scopes:
        return "1"
    above = [one.removesuffix("*") for one in scopes if one.endswith(".*")]
    whole = [one for one in scopes if not one.endswith(".*")]
    tests = [f"ScopeName IN ({_texts(whole)})"] if whole else []
    tests += [f"startsWith(ScopeName, {_text(one)})" for one in above]
    return tests[0] if len(tests) == 1 else f"({' OR '.join(tests)})"


def _samples(kind: str, dialects: Sequence[Dialect]) -> str | None:
    series = [(one, each) for one in dialects for each in one.series if each.table == kind]
    if not series:
        return None
    tests = ", ".join(
        f"{_scope_test(each.scopes)} AND MetricName IN ({_texts(each.metrics)})"
        f" AND {_all(each.where, _point_field)}, {number}"
        for number, (_, each) in enumerate(series, 1)
    )
    pools = ", ".join(
        f"s = {number}, {_coalesce(each.pool, 'Attributes') if each.pool else _text('')}"
        for number, (_, each) in enumerate(series, 1)
    )
    values = list(dict.fromkeys(SERIES[each.source] for _, each in series))
    picked = f"{_array([values.index(SERIES[each.source]) + 1 for _, each in series])}[s]"
    value = ", ".join(f"{picked} = {number}, {column}" for number, column in enumerate(values, 1))
    temporality = "0" if kind in ("gauge", "summary") else "AggregationTemporality"
    exemplars = "[]" if kind == "summary" else "Exemplars.TraceId"
    metrics = sorted({name for _, each in series for name in each.metrics})

    def pick(of: Callable[[Dialect, Series], str]) -> str:
        return f"{_array([of(one, each) for one, each in series])}[s]"

    return (
        f"SELECT ServiceName AS service, Instance AS instance, {pick(lambda d, _: d.name)} AS dialect,\n"
        f"  toUInt16({_array([one.version for one, _ in series])}[s]) AS version, multiIf({pools}, '') AS pool,\n"
        f"  {pick(lambda _, e: e.measure)} AS measure, TimeUnix AS at, StartTimeUnix AS since,\n"
        f"  multiIf({value}, 0.) * {_array([each.unit for _, each in series])}[s] AS value,\n"
        f"  toInt8({temporality}) AS temporality, cityHash64(ScopeName, MetricName, toString(Attributes)) AS series,\n"
        f"  {exemplars} AS trace_ids, Arrived AS arrived\n"
        f"FROM (\n  SELECT *, multiIf({tests}, 0) AS s FROM otel_metrics_{kind}\n"
        f"  WHERE MetricName IN ({_texts(metrics)})\n)\nWHERE s > 0"
    )


def _canonical(dialects: Sequence[Dialect], attributes: str, stack: str = "''", own_code: str = "1") -> str:
    """What everybody says, computed once a row: statement_ pool_ connection_ code_ reason_.

    `stack` may hold a Java stack trace: its first frame outside libraries is the code where nothing else says it.
    `own_code` is the condition under which the attributes say code of the application.
    """

    def said(kind: str) -> str:
        return _coalesce(candidates(dialects, kind), attributes)

    place = (
        f"concat({said('address')}, if({said('port')} != '', concat(':', {said('port')}), ''),"
        f" if({said('namespace')} != '', concat('/', {said('namespace')}), ''))"
    )
    # As people and terminals read it: `shop/pay.py:41 in shop.pay`; `shop.pay:41` where no file is said.
    line = f"if({said('line')} != '', concat(':', {said('line')}), '')"
    named = f"concat({said('function')}, {line})"
    filed = f"concat({said('file')}, {line}, if({said('function')} != '', concat(' in ', {said('function')}), ''))"
    nowhere = f"({said('function')} = '' AND {said('file')} = '') OR NOT ({own_code})"
    code = f"multiIf({nowhere}, {_frame(stack)}, {said('file')} != '', {filed}, {named})"
    return (
        f"{said('statement')} AS statement_, if({said('pool')} != '', {said('pool')}, {place}) AS pool_,\n"
        f"       {said('connection')} AS connection_, {code} AS code_, {said('reason')} AS reason_"
    )


def _frame(stack: str) -> str:
    """The first frame of a Java stack trace that is the application's own: `shop.Shop.pay:47`."""
    frames = f"extractAll({stack}, {_text(_FRAME)})"
    own = f"arrayFirst(f -> NOT match(f, {_text(LIBRARIES)}), {frames})"
    return f"replaceRegexpOne({own}, {_text(_PLACE)}, {_text(_NAMED)})" if stack != "''" else "''"


_FRAME = r"\n\s+at (?:[\w.@-]*/)*([\w.$<>]+\([^()]*\))"
_PLACE, _NAMED = r"\((?:[^():]*:)?(\w*)[^()]*\)$", r":\1"
LIBRARIES = (
    r"^(?:java|javax|jakarta|jdk|sun|com\.sun|kotlin|kotlinx|scala|groovy|clojure|oracle|liquibase|reactor"
    r"|org\.(?:apache|eclipse|flywaydb|hibernate|jboss|jooq|mariadb|mybatis|postgresql|springframework|vibur)"
    r"|com\.(?:alibaba\.druid|fasterxml|google|ibm|mchange|microsoft|mysql|querydsl|zaxxer)"
    r"|io\.(?:agroal|helidon|javalin|ktor|micrometer|micronaut|netty|opentelemetry|quarkus|r2dbc|undertow|vertx)"
    r"|net\.(?:bytebuddy|ttddyy))\."
)
"""Packages that a stack trace passes through between the application and its pool."""


def _coalesce(names: Sequence[str], attributes: str) -> str:
    return _either([f"{attributes}[{_text(name)}]" for name in names])


def _either(texts: Sequence[str]) -> str:
    """The first of these that is not empty."""
    cases = "".join(f"{one} != '', {one}, " for one in texts[:-1])
    return f"multiIf({cases}{texts[-1]})" if cases else texts[-1]


def _all(where: Sequence[Predicate], field: Callable[[str], str]) -> str:
    return " AND ".join(f"({_test(one, field)})" for one in where) or "1"


def _test(one: Predicate, field: Callable[[str], str]) -> str:
    if one.field == "span_event":
        return f"{'NOT ' * (one.test == 'not')}hasAny(event_names_, {_array(one.values)})"
    subject = field(one.field)
    match one.test:
        case "is":
            return f"{subject} IN ({_texts(one.values)})"
        case "not":
            return f"{subject} != {_text(one.values[0])}"
        case "regex":
            return f"match({subject}, {_text(one.values[0])})"
        case "exists":
            return f"{subject} != ''" if one.values[0] == "true" else f"{subject} = ''"
        case _:  # local: the exporter says that the parent ran in this process
            return "bitAnd(Flags, 768) = 256"


def _key(parts: Sequence[str], field: Callable[[str], str]) -> str:
    """What joins openers and closers. Ids are their process's own, and forked processes share a name."""
    spelled = [_KEYS[part] if part in _KEYS else field(part) for part in parts]
    joined = f", {_text(':')}, ".join(spelled)
    if not _TRACED.issuperset(parts):
        return f"concat({joined}, process_)"
    return joined if len(spelled) == 1 else f"concat({joined})"


_PROCESS = "if(ResourceAttributes['process.pid'] = '', '', concat(':', ResourceAttributes['process.pid']))"
_TRACED = frozenset(("trace", "parent", "span"))
_KEYS = {"trace": "TraceId", "parent": "ParentSpanId", "span": "SpanId", "connection": "connection_"}
_SPAN = {
    "name": "SpanName",
    "kind": "SpanKind",
    "status": "StatusCode",
    "statement": "statement_",
    "parent": "ParentSpanId",
    "exception": "arrayFirst((a, n) -> n = 'exception', event_attributes_, event_names_)['exception.message']",
}
_LOG = {"event": "event_", "body": "Body", "severity": "SeverityText"}


def _span_field(name: str) -> str:
    return _SPAN.get(name) or f"SpanAttributes[{_text(name.removeprefix('attr:'))}]"


def _log_field(name: str) -> str:
    if name.startswith("body:"):
        return f"extract(Body, {_text(name.removeprefix('body:'))})"
    return _LOG.get(name) or f"LogAttributes[{_text(name.removeprefix('attr:'))}]"


def _point_field(name: str) -> str:
    return f"Attributes[{_text(name.removeprefix('attr:'))}]"


def _picker(rules: Sequence[_Numbered]) -> Callable[[Callable[[_Numbered], str]], str]:
    return lambda of: f"{_array([of(one) for one in rules])}[s]"


def _array(values: Sequence[str | int | float]) -> str:
    return "[" + ", ".join(_text(one) if isinstance(one, str) else str(one) for one in values) + "]"


def _texts(values: Iterable[str]) -> str:
    return ", ".join(map(_text, values))


def _text(value: str) -> str:
    """A string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"
