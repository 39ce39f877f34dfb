"""What Java's libraries and pools say, as recorded from real services, and what may be concluded from it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import pytest
from captures import NAMES, Capture, counted, named
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span
from test_captures import answers, at
from test_compile import ALL, T0, word

from tracecollect.lifecycle.dialects import shipped
from tracecollect.lifecycle.holds import open_runs
from tracecollect.model import SECOND, CoverageLevel, Role, Verdict, Window
from tracecollect.ports import Batch, OpenKey, Telemetry
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.wire.decode import decode

RECORDED = [name for name in NAMES if name.startswith("java-")]
LEAKING = [name for name in RECORDED if name.rsplit("-", 1)[1] in ("leak", "exhausted", "mixed")]
EVENTS = [name for name in LEAKING if "-events-" in name]
COUNTED = [f"java-{pool}-leak" for pool in ("tomcat", "c3p0", "dbcp", "druid")]
REPORTED = [name for name in RECORDED if name.startswith("java-agent")]


def open_keys(ask, one: Capture, dialect: str, pair: str) -> Sequence[OpenKey]:
    window = Window(one.begin, one.end)
    return [
        OpenKey(total.instance, dialect, pair, key)
        for total in ask._store.totals(window, grace=0)
        if (total.dialect, total.pair) == (dialect, pair)
        for key in total.open_keys
    ]


@pytest.mark.parametrize("name", [name for name in LEAKING if name.startswith("java-micrometer")])
def test_a_trace_whose_queries_came_without_their_connection_is_named(tmp_path, name):
    one = Capture(name)
    with answers(tmp_path, name) as ask:
        report = ask.leaks(at(one.end))
    assert named(report) == one.leaked()
    assert {each.level for each in report.coverage} == {CoverageLevel.INFERRED}


@pytest.mark.parametrize("name", COUNTED)
def test_every_pool_that_the_agent_knows_is_counted(tmp_path, name):
    one = Capture(name)
    with answers(tmp_path, name) as ask:
        report = ask.leaks(at(one.end))
    assert abs(counted(report) - one.leaked().total()) <= 1
    assert {each.level for each in report.coverage} == {CoverageLevel.COUNTED}


@pytest.mark.parametrize("name", [name for name in REPORTED if name in LEAKING])
def test_what_hikari_reports_is_named_by_its_trace_and_counted_once(tmp_path, name):
    one = Capture(name)
    with answers(tmp_path, name) as ask:
        report = ask.leaks(at(one.end))
    assert named(report) == one.leaked()
    assert counted(report) <= 1


@pytest.mark.parametrize("name", EVENTS)
def test_connection_events_name_every_leak_with_the_line_that_took_it(tmp_path, name):
    one = Capture(name)
    with answers(tmp_path, name) as ask:
        report = ask.leaks(at(one.end))
    said = [each for each in report.findings if each.dialect == "connection-events"]
    assert Counter(hold.trace_id for each in said for hold in each.instances) == one.leaked()
    places = {re.fullmatch(r"Shop\.java:\d+ in (\S+)", each.code or "") for each in said}
    assert {each and each[1] for each in places} <= {f"shop.Shop.{what}" for what in ("pay", "export", "peek")}
    assert CoverageLevel.CERTAIN in {each.level for each in report.coverage}


@pytest.mark.parametrize("name", REPORTED)
def test_hikari_reports_exactly_what_did_not_come_back_with_the_trace_that_took_it(tmp_path, name):
    one = Capture(name)
    with answers(tmp_path, name) as ask:
        keys = open_keys(ask, one, "java-hikari", "reported")
        said = ask._store.signals_of_keys(keys, Window(one.begin, one.end))
    last = {each.key: each for each in said if each.role is Role.OPEN}
    assert Counter(each.trace_id for each in last.values()) == one.leaked()
    assert all(each.code.startswith("shop.Shop.") for each in last.values())


@pytest.mark.parametrize("name", [name for name in RECORDED if name.startswith("java-tomcat")])
def test_tomcat_suspects_exactly_what_did_not_come_back_and_shows_the_code(tmp_path, name):
    one = Capture(name)
    with answers(tmp_path, name) as ask:
        keys = open_keys(ask, one, "java-tomcat", "reported")
        said = ask._store.signals_of_keys(keys, Window(one.begin, one.end))
    last = {each.key: each for each in said if each.role is Role.OPEN}
    places = Counter(each.code.split(":")[0].rsplit(".", 1)[1] for each in last.values())
    assert places == Counter(each["route"].rsplit("/", 1)[1] for each in one.labels["leaks"])


@pytest.mark.parametrize("pool", ["c3p0", "druid"])
def test_what_a_pool_took_back_is_recovered_and_not_leaked(tmp_path, pool):
    one = Capture(f"java-{pool}-leak")
    with answers(tmp_path, one.name) as ask:
        said = [each for each in ask.leaks(at(one.end)).findings if each.verdict is Verdict.RECOVERED]
    assert [each.dialect for each in said] == [f"java-{pool}"]
    assert said[0].leaked_count == len(one.labels["forgotten_but_harmless"])


def written(directory, telemetry: Telemetry, body) -> ClickHouseStore:
    store = ClickHouseStore(f"chdb://{directory}/store", retention=20 * 365 * 86400)
    tables = decode(telemetry, [body.SerializeToString()], [T0])
    store.write(Batch("0", tables))
    return store


def gauges(**values: str) -> ExportMetricsServiceRequest:
    request = ExportMetricsServiceRequest()
    resource = request.resource_metrics.add()
    resource.resource.attributes.extend([word("service.name", "shop"), word("service.instance.id", "i")])
    scope = resource.scope_metrics.add()
    for name, said in values.items():
        key, pool = said.split("=")
        point = scope.metrics.add(name=name.replace("_", ".")).gauge.data_points.add(time_unix_nano=T0, as_double=4)
        point.attributes.append(word(key, pool))
    return request


def test_spring_boots_own_count_of_a_pool_that_hikari_counts_is_passed_over(tmp_path):
    both = gauges(hikaricp_connections_active="pool=orders-db", jdbc_connections_active="name=dataSource")
    store = written(tmp_path, Telemetry.METRICS, both)
    assert [(one.dialect, one.pool) for one in store.samples(ALL)] == [("java-micrometer-pools", "orders-db")]
    store.close()


def test_spring_boots_own_count_stands_for_a_pool_that_nothing_else_counts(tmp_path):
    store = written(tmp_path, Telemetry.METRICS, gauges(jdbc_connections_active="name=dataSource"))
    assert [(one.dialect, one.pool, one.value) for one in store.samples(ALL)] == [
        ("java-spring-datasource", "dataSource", 4)
    ]
    store.close()


SIBLINGS = (
    ("connection", 0.0, 0.2),
    ("query", 0.1, 0.15),
    ("query", 0.3, 0.4),
    ("connection", 0.5, 0.7),
    ("query", 0.6, 0.65),
)


@pytest.mark.parametrize(("left_out", "leaked"), [((), [0.3]), ((2,), []), ((0,), [0.1, 0.3]), ((3,), [0.3, 0.6])])
def test_a_query_outside_the_time_of_every_connection_is_on_one_that_is_out(tmp_path, left_out, leaked):
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.extend([word("service.name", "shop"), word("service.instance.id", "i")])
    scope = resource.scope_spans.add()
    scope.scope.name = "org.springframework.boot"
    for number, (name, began, ended) in enumerate(SIBLINGS):
        if number not in left_out:
            made = scope.spans.add(
                name=name, trace_id=b"t" * 16, span_id=bytes([1] * 7 + [number]), kind=Span.SPAN_KIND_CLIENT
            )
            made.start_time_unix_nano, made.end_time_unix_nano = (T0 + int(at * SECOND) for at in (began, ended))
            made.attributes.append(word("jdbc.datasource.name", "orders-db"))
            if name == "connection":
                made.events.add(name="acquired", time_unix_nano=made.start_time_unix_nano)
    store = written(tmp_path, Telemetry.TRACES, request)
    keys = [key for total in store.totals(ALL, grace=0) if total.pair == "lease" for key in total.open_keys]
    pair = next(one for one in shipped() if one.name == "java-datasource-micrometer").pairs["lease"]
    said = [one for one in store.signals_of_trace((b"t" * 16).hex()) if one.pair == "lease"]
    store.close()
    assert bool(keys) == bool(leaked)
    assert [round((one.started - T0) / SECOND, 1) for run in open_runs(said, pair) for one in run] == leaked


def line(scope: str, body: str, stack: str = "") -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    resource = request.resource_logs.add()
    resource.resource.attributes.extend([word("service.name", "shop"), word("service.instance.id", "i")])
    said = resource.scope_logs.add()
    said.scope.name = scope
    record = said.log_records.add(time_unix_nano=T0, trace_id=b"t" * 16, severity_text="INFO")
    record.body.string_value = body
    if stack:
        record.attributes.append(word("exception.stacktrace", stack))
    return request


STACK = """java.lang.Exception: Apparent connection leak detected
\tat com.zaxxer.hikari.HikariDataSource.getConnection(HikariDataSource.java:127)
\tat org.springframework.jdbc.datasource.DataSourceUtils.fetchConnection(DataSourceUtils.java:160)
\tat app//com.acme.shop.Orders.lambda$pay$0(Orders.java:41)
\tat java.base/java.lang.Thread.run(Thread.java:840)
"""


@pytest.mark.parametrize(
    ("stack", "code"),
    [(STACK, "com.acme.shop.Orders.lambda$pay$0:41"), ("\n\tat java.base/java.lang.Thread.run(Thread.java:840)", "")],
)
def test_the_code_is_the_first_frame_of_a_stack_outside_libraries(tmp_path, stack, code):
    body = "Connection leak detection triggered for conn0: url=jdbc:h2:mem on thread main, stack trace follows"
    store = written(tmp_path, Telemetry.LOGS, line("com.zaxxer.hikari.pool.ProxyLeakTask", body, stack))
    (said,) = store.signals_of_trace((b"t" * 16).hex())
    assert (said.key, said.code) == ("conn0: url=jdbc:h2:mem", code)
    store.close()


def test_agroals_leak_line_is_kept_with_its_pool_and_accuses_nobody(tmp_path):
    body = "Datasource '<default>': Connection leak of org.postgresql.jdbc.PgConnection@1b2c"
    store = written(tmp_path, Telemetry.LOGS, line("io.agroal.pool", body))
    (said,) = store.signals_of_trace((b"t" * 16).hex())
    assert (said.pool, said.connection_id) == ("<default>", "org.postgresql.jdbc.PgConnection@1b2c")
    assert said.at == T0
    assert said.role is Role.NOTE
    assert not any(one.open_keys for one in store.totals(Window(ALL.since, ALL.until + SECOND), grace=0))
    store.close()
