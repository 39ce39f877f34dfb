"""What the dialects say about single rows, rule by rule: the meaning that `lifecycle/compile.py` puts into SQL."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

from tracecollect.lifecycle.compile import LIBRARIES, candidates, in_scope
from tracecollect.lifecycle.dialects import Dialect, Predicate, Rule, Series
from tracecollect.model import Instant, Signal
from tracecollect.storage.memory.tables import LOCAL, LOCALITY, Row, end, instance

_STATEMENT = 200
_OF_THE_TRACE = {"trace": "TraceId", "parent": "ParentSpanId", "span": "SpanId"}
_COLUMNS = {"gauge": "Value", "sum": "Value", "histogram.sum": "Sum", "histogram.max": "Max"}


@dataclass(frozen=True, slots=True)
class Point:
    """One data point under its canonical measure. `series` tells apart what shares a pool's name."""

    service: str
    instance: str
    dialect: str
    pool: str
    measure: str
    at: Instant
    since: Instant
    value: float
    delta: bool
    series: object
    trace_ids: tuple[str, ...]


class Reading:
    """Reads spans, log records and data points as some dialects understand them."""

    def __init__(self, dialects: Sequence[Dialect]) -> None:
        self._dialects = dialects

    def of_span(self, row: Row) -> Iterator[Signal]:
        """What a span says, at most one thing a pair."""
        return self._signals("spans", row, self._span_fields(row))

    def of_log(self, row: Row) -> Iterator[Signal]:
        """What a log record says, at most one thing a pair."""
        return self._signals("logs", row, self._log_fields(row))

    def of_point(self, kind: str, row: Row) -> Iterator[Point]:
        """What a data point of a table `otel_metrics_<kind>` says: the first series that is meant speaks."""
        for dialect in self._dialects:
            for series in dialect.series:
                if series.table == kind and _is_point_of(series, row):
                    yield _point(dialect, series, row)
                    return

    # --- signals ------------------------------------------------------------------------------------

    def _signals(self, source: str, row: Row, fields: Mapping[str, str]) -> Iterator[Signal]:
        """Within a pair the first rule that fits speaks."""
        for dialect in self._dialects:
            for pair in dialect.pairs:
                rules = [one for one in dialect.rules if one.source == source and one.pair == pair]
                fits = (
                    one for one in rules if in_scope(row["ScopeName"], one.scopes) and _holds(one.where, row, fields)
                )
                rule = next(fits, None)
                if rule is not None:
                    yield self._signal(dialect, rule, row, fields)

    def _signal(self, dialect: Dialect, rule: Rule, row: Row, fields: Mapping[str, str]) -> Signal:
        return Signal(
            service=row["ServiceName"],
            instance=instance(row),
            dialect=dialect.name,
            pair=rule.pair,
            kind=rule.kind,
            role=rule.role,
            key=_key(rule.key, row, fields),
            at=_moment(rule.at, row),
            started=Instant(row["Timestamp"]),
            trace_id=row["TraceId"],
            span_id=row["SpanId"],
            parent_id=row.get("ParentSpanId", ""),
            pool=_first(rule.pool, row, fields) if rule.pool else fields[" pool"],
            connection_id=_first(rule.connection, row, fields) if rule.connection else fields[" connection"],
            name=fields["name"],
            statement=fields["statement"][:_STATEMENT],
            code=fields[" code"],
            reason=fields[" reason"] or rule.reason,
            arrived=Instant(row["Arrived"]),
        )

    # --- what rules may ask for: columns by the names that dialects use, attributes as attr:NAME ---------

    def _span_fields(self, row: Row) -> dict[str, str]:
        failures = [
            attributes.get("exception.message", "")
            for name, attributes in zip(row["Events.Name"], row["Events.Attributes"], strict=True)
            if name == "exception"
        ]
        return self._fields(row["SpanAttributes"]) | {
            "name": row["SpanName"],
            "kind": row["SpanKind"],
            "status": row["StatusCode"],
            "parent": row["ParentSpanId"],
            "exception": failures[0] if failures else "",
        }

    def _log_fields(self, row: Row) -> dict[str, str]:
        attributes = row["LogAttributes"]
        event = row["EventName"] or attributes.get("event.name", "")
        fields = self._fields(attributes)
        # The code that wrote an event took the connection; the code that wrote any other line is the library's own.
        if not event or not fields[" code"]:
            fields[" code"] = _own_frame(row["Body"] + attributes.get("exception.stacktrace", ""))
        return fields | {"name": event, "event": event, "body": row["Body"], "severity": row["SeverityText"]}

    def _fields(self, attributes: Mapping[str, str]) -> dict[str, str]:
        """What everybody says in attributes; a name that begins with a blank is no field that a rule can ask for."""

        def said(kind: str) -> str:
            return next((attributes[one] for one in candidates(self._dialects, kind) if attributes.get(one)), "")

        place = said("address") + _behind(":", said("port")) + _behind("/", said("namespace"))
        return {f"attr:{name}": value for name, value in attributes.items()} | {
            "statement": said("statement"),
            " pool": said("pool") or place,
            " connection": said("connection"),
            " reason": said("reason"),
            " code": _code(said("function"), said("file"), said("line")),
        }


def _holds(where: Sequence[Predicate], row: Row, fields: Mapping[str, str]) -> bool:
    return all(_is_met(one, row, fields) for one in where)


def _is_met(one: Predicate, row: Row, fields: Mapping[str, str]) -> bool:
    if one.field == "span_event":
        happened = any(name in row["Events.Name"] for name in one.values)
        return happened != (one.test == "not")
    said = fields.get(one.field, "")
    match one.test:
        case "is":
            return said in one.values
        case "not":
            return said != one.values[0]
        case "regex":
            return _expression(one.values[0]).search(said) is not None
        case "exists":
            return (said != "") == (one.values[0] == "true")
        case _:  # local: the exporter says that the parent ran in this process
            return bool(row["Flags"] & LOCALITY == LOCAL)


def _said(name: str, row: Row, fields: Mapping[str, str]) -> str:
    """A field, an attribute with or without `attr:`, or the first group of an expression in a log record's body."""
    if name.startswith("body:"):
        found = _expression(name.removeprefix("body:")).search(row["Body"])
        return (found[1 if found.re.groups else 0] or "") if found else ""
    return fields.get(name, "") or fields.get(f"attr:{name}", "")


def _first(names: Sequence[str], row: Row, fields: Mapping[str, str]) -> str:
    return next(filter(None, (_said(one, row, fields) for one in names)), "")


def _key(parts: Sequence[str], row: Row, fields: Mapping[str, str]) -> str:
    """What joins openers and closers. What is no id of the trace is its process's own, and forked ones share a name."""

    def part(name: str) -> str:
        if name in _OF_THE_TRACE:
            return str(row.get(_OF_THE_TRACE[name], ""))
        return fields[" connection"] if name == "connection" else _said(name, row, fields)

    key = ":".join(map(part, parts))
    pid = row["ResourceAttributes"].get("process.pid", "")
    return key if all(one in _OF_THE_TRACE for one in parts) else key + _behind(":", pid)


def _moment(at: str, row: Row) -> Instant:
    """A log record is a moment. An event that a span does not have leaves its end."""
    if at == "start" or "Duration" not in row:
        return Instant(row["Timestamp"])
    happened = zip(row["Events.Name"], row["Events.Timestamp"], strict=True)
    moments = [moment for name, moment in happened if f"event:{name}" == at]
    return Instant(moments[0] if moments else end(row))


def _behind(mark: str, text: str) -> str:
    return mark + text if text else ""


def _code(function: str, file: str, line: str) -> str:
    """`shop/pay.py:41 in shop.pay`, or `shop.pay:41` where no file is said."""
    if file:
        return file + _behind(":", line) + _behind(" in ", function)
    return function + _behind(":", line) if function else ""


def _own_frame(stack: str) -> str:
    """The first frame of a Java stack trace that is no library's: `shop.Shop.pay:47`."""
    for module, frame, place in re.findall(r"\n\s+at ((?:[\w.@-]*/)*)([\w.$<>]+)\(([^()]*)\)", stack):
        del module
        if not re.match(LIBRARIES, frame):
            line = re.match(r"\w*", place.partition(":")[2] if ":" in place else place)
            return f"{frame}:{line[0] if line else ''}"
    return ""


@cache
def _expression(text: str) -> re.Pattern[str]:
    """An RE2 expression as Python reads it: a dot is any character, `$` the very end."""
    ends = re.sub(r"\\.|\[(?:\\.|[^\]\\])*\]|\$", lambda one: r"\Z" if one[0] == "$" else one[0], text)
    return re.compile(ends, re.DOTALL | re.ASCII)


# --- samples --------------------------------------------------------------------------------------------


def _is_point_of(series: Series, row: Row) -> bool:
    fields = {f"attr:{name}": value for name, value in row["Attributes"].items()}
    return (
        in_scope(row["ScopeName"], series.scopes)
        and row["MetricName"] in series.metrics
        and _holds(series.where, row, fields)
    )


def _point(dialect: Dialect, series: Series, row: Row) -> Point:
    attributes = row["Attributes"]
    return Point(
        service=row["ServiceName"],
        instance=instance(row),
        dialect=dialect.name,
        pool=next((attributes[one] for one in series.pool if attributes.get(one)), ""),
        measure=series.measure,
        at=Instant(row["TimeUnix"]),
        since=Instant(row["StartTimeUnix"]),
        value=float(row[_COLUMNS.get(series.source, "Count")]) * series.unit,
        delta=row.get("AggregationTemporality") == 1,
        series=(row["ScopeName"], row["MetricName"], tuple(sorted(attributes.items()))),
        trace_ids=tuple(row.get("Exemplars.TraceId", ())),
    )
