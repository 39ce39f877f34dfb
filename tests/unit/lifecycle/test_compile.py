"""What a dialect can ask of spans, logs and metrics, tried on the engine that answers it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from builders.dialects import head
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import AggregationTemporality
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tracecollect.lifecycle.dialects import parse
from tracecollect.model import SECOND, Instant, Signal, Window
from tracecollect.ports import Batch, Telemetry
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.wire.decode import decode

T0 = 1_800_000_000 * SECOND
ALL = Window(Instant(T0 - 3600 * SECOND), Instant(T0 + 3600 * SECOND))


@contextmanager
def store(directory: Path, text: str, *bodies: tuple[Telemetry, Message]) -> Iterator[ClickHouseStore]:
    found = ClickHouseStore(f"chdb://{directory}/store", retention=20 * 365 * 86400, dialects=[parse(text, "one.toml")])
    try:
        for number, (telemetry, body) in enumerate(bodies):
            tables = decode(telemetry, [body.SerializeToString()], [T0])
            found.write(Batch(str(number), tables))
        yield found
    finally:
        found.close()


def word(key: str, value: str) -> KeyValue:
    said = KeyValue(key=key)
    said.value.string_value = value
    return said


def spans(*made: Span) -> tuple[Telemetry, Message]:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.extend([word("service.name", "shop"), word("service.instance.id", "i")])
    scope = resource.scope_spans.add()
    scope.scope.name = "one"
    scope.spans.extend(made)
    return Telemetry.TRACES, request


def span(name: str, number: int, statement: str = "", second: float = 0) -> Span:
    at = T0 + int(second * SECOND)
    made = Span(name=name, trace_id=b"t" * 16, span_id=number.to_bytes(8, "big"), parent_span_id=b"p" * 8)
    made.kind = Span.SPAN_KIND_CLIENT
    made.start_time_unix_nano, made.end_time_unix_nano = at, at + SECOND // 100
    if statement:
        made.attributes.append(word("db.query.text", statement))
    return made


def signals(found: ClickHouseStore) -> list[Signal]:
    return list(found.signals_of_trace((b"t" * 16).hex()))


def test_a_span_event_gives_the_moment_and_its_exception_the_condition(tmp_path):
    text = (
        head(open_if="never")
        + """
[[signal]]
from = "spans"
pair = "borrow"
is = "failed"
role = "note"
where = { exception = { regex = "timed out" } }

[[signal]]
from = "spans"
pair = "borrow"
is = "acquired"
role = "open"
at = "event:acquired"
where = { span_event = "acquired" }
"""
    )
    taken, refused = span("connection", 1), span("connection", 2, second=1)
    event = taken.events.add(name="acquired", time_unix_nano=T0 + 5_000_000)
    event.attributes.append(word("by", "me"))
    thrown = refused.events.add(name="exception", time_unix_nano=T0)
    thrown.attributes.append(word("exception.message", "request timed out after 30000ms"))
    with store(tmp_path, text, spans(taken, refused, span("connection", 3))) as found:
        said = [(one.kind, one.at - T0) for one in signals(found)]
    assert said == [("acquired", 5_000_000), ("failed", SECOND + SECOND // 100)]


def test_an_excuse_answers_the_statement_it_names_and_no_other(tmp_path):
    text = head(open_if="count") + "".join(
        f"""
[[signal]]
from = "spans"
pair = "borrow"
is = "{kind}"
role = "{role}"
reason = "{reason}"
where = {{ name = {name} }}
"""
        for kind, role, name, reason in (
            ("rows_opened", "open", '{ is = ["conn.query", "stmt.query"] }', ""),
            ("rows_closed", "close", '"rows"', ""),
            ("failed", "excuse", '"prepare"', "conn.query"),
        )
    )
    skipped = [span("conn.query", 1, "SELECT 1"), span("prepare", 2, "SELECT 1", 0.1)]
    read = [span("stmt.query", 3, "SELECT 1", 0.2), span("rows", 4, second=0.3)]
    with store(tmp_path, text, spans(*skipped, *read)) as found:
        assert [one.open_keys for one in found.totals(ALL, grace=0) if one.keys] == [()]
        tables = decode(*spans_again(span("conn.query", 5, "SELECT 2", 0.4)))
        found.write(Batch("more", tables))
        assert [len(one.open_keys) for one in found.totals(ALL, grace=0) if one.keys] == [1]


def spans_again(*made: Span) -> tuple[Telemetry, list[bytes], list[int]]:
    telemetry, request = spans(*made)
    return telemetry, [request.SerializeToString()], [T0]


def test_a_log_line_gives_key_connection_and_pool_by_the_first_group_of_an_expression(tmp_path):
    text = (
        head(open_if="never")
        + """
[[signal]]
from = "logs"
pair = "borrow"
is = "acquired"
role = "open"
key = ['body:connection (\\w+)']
connection = ['body:connection (\\w+)']
pool = ['attr:logger', 'body:^(\\w+)']
where = { body = { regex = "taken" } }
"""
    )
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.append(word("service.instance.id", "i"))
    scope = resource.scope_logs.add()
    scope.scope.name = "one"
    for body in ("main: connection c7 was taken", "nothing"):
        record = scope.log_records.add(time_unix_nano=T0, trace_id=b"t" * 16)
        record.body.string_value = body
    with store(tmp_path, text, (Telemetry.LOGS, request)) as found:
        (said,) = signals(found)
    assert (said.key, said.connection_id, said.pool) == ("c7", "c7", "main")


def metrics(fill: Callable[[Message], None], scope: str) -> tuple[Telemetry, Message]:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.append(word("service.instance.id", "i"))
    found = resource.scope_metrics.add()
    found.scope.name = scope
    fill(found)
    return Telemetry.METRICS, request


def test_series_read_sums_of_deltas_counts_and_maxima_from_scopes_that_others_use_too(tmp_path):
    text = head(open_if="never") + "".join(
        f"""
[[series]]
from = "{source}"
metric = ["{metric}"]
is = "{measure}"
scopes = [""]
unit = {unit}
"""
        for source, metric, measure, unit in (
            ("sum", "taken", "acquires", 1),
            ("histogram", "open", "used", 1),
            ("histogram.max", "age", "idle", 0.001),
        )
    )

    def fill(scope: Message) -> None:
        for second, value in ((10, 5), (20, 3)):
            taken = scope.metrics.add(name="taken")
            taken.sum.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
            taken.sum.data_points.add(time_unix_nano=T0 + second * SECOND, as_int=value)
        opened = scope.metrics.add(name="open")
        opened.histogram.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        opened.histogram.data_points.add(time_unix_nano=T0, count=4, sum=9.0)
        age = scope.metrics.add(name="age")
        age.histogram.aggregation_temporality = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
        age.histogram.data_points.add(time_unix_nano=T0, count=1, sum=9000.0, max=7000.0)

    with store(tmp_path, text, metrics(fill, "")) as found:
        said = {(one.measure, (one.at - T0) // SECOND): one.value for one in found.samples(ALL)}
    assert said == {("acquires", 10): 5, ("acquires", 20): 8, ("used", 0): 4, ("idle", 0): 7}
