"""Secrets are cut out of every column that can hold one; everything else stays as it was."""

from __future__ import annotations

import pytest
from contract.receiver import trace_request
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tracecollect.errors import SettingsError
from tracecollect.ports import Telemetry
from tracecollect.redact import REDACTED, Redactor, scrub
from tracecollect.wire.decode import decode, distinct, plain


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("postgresql://me:s3cret@db/x", f"postgresql://me:{REDACTED}@db/x"),
        ("postgres://u:p@ss@h:1/x?sslmode=1", f"postgres://u:{REDACTED}@h:1/x?sslmode=1"),
        ("https://h/x?api_key=abc&b=1#f", f"https://h/x?api_key={REDACTED}&b=1#f"),
        ("host=a password='a b' user=x", f"host=a password={REDACTED} user=x"),
        ("Server=h;Password=abc;Uid=1", f"Server=h;Password={REDACTED};Uid=1"),
        ("https://h/cb?access_token=abc", f"https://h/cb?access_token={REDACTED}"),
        ("paid with 4111 1111 1111 1111 today", f"paid with {REDACTED} today"),
        ("5555-5555-5555-4444", REDACTED),
        ("378282246310005", REDACTED),
    ],
)
def test_a_secret_is_cut_out_of_its_text(text: str, clean: str) -> None:
    assert scrub(text)[0] == clean
    assert scrub(clean)[0] == clean


@pytest.mark.parametrize(
    "text",
    [
        "SELECT * FROM users WHERE password = $1 AND token = %s",
        "1700000000000000000",
        "4111111111111112",
        "0af7651916cd43dd8448eb211c80319c",
        "passport=abc",
        "http://example.com:8080/a@b",
        "https://h/x?page=2&sort=name",
        "3.4028234663852886",
        "user:pw@host",
        "",
    ],
)
def test_what_only_looks_like_a_secret_stays(text: str) -> None:
    assert scrub(text) == (text, ())


def _request() -> ExportTraceServiceRequest:
    request = ExportTraceServiceRequest.FromString(trace_request((b"t" * 16, b"s" * 8, "GET /?token=abc")))
    request.resource_spans[0].resource.attributes.add(key="app.dsn").value.string_value = "pg://a:b@c/d"
    span = request.resource_spans[0].scope_spans[0].spans[0]
    for key, value in {
        "http.request.header.authorization": "Bearer abc",
        "http.request.header.x_api_key": "abc",
        "Cookie": "session=1",
        "db.connection_string": "Server=h;Password=abc",
        "http.route": "/pay",
    }.items():
        span.attributes.add(key=key).value.string_value = value
    span.attributes.add(key="http.request.header.cookie").value.array_value.values.add().string_value = "a=b"
    span.start_time_unix_nano, span.end_time_unix_nano = 4, 5
    span.status.message = "cannot reach amqp://u:p@mq"
    span.events.add(name="x").attributes.add(key="card").value.string_value = "4111111111111111"
    return request


def test_every_column_of_a_span_is_cleaned() -> None:
    body = _request().SerializeToString()
    redact = Redactor()
    table = decode(Telemetry.TRACES, [body], [1])["otel_traces"]
    (row,) = plain(redact(table)).to_pylist()
    assert row["SpanName"] == f"GET /?token={REDACTED}"
    assert row["StatusMessage"] == f"cannot reach amqp://u:{REDACTED}@mq"
    assert row["ResourceAttributes"] == [("app.dsn", f"pg://a:{REDACTED}@c/d")]
    assert dict(row["SpanAttributes"]) == {
        "http.request.header.authorization": REDACTED,
        "http.request.header.x_api_key": REDACTED,
        "http.request.header.cookie": REDACTED,
        "Cookie": REDACTED,
        "db.connection_string": f"Server=h;Password={REDACTED}",
        "http.route": "/pay",
    }
    assert row["Events.Attributes"] == [[("card", REDACTED)]]
    assert redact.counters() == {"key": 4, "password": 4, "card": 1}


def test_plain_tables_are_cleaned_like_encoded_ones() -> None:
    table = decode(Telemetry.TRACES, [_request().SerializeToString()], [1])["otel_traces"]
    assert Redactor()(plain(table)).equals(plain(Redactor()(table)))


def test_words_that_became_equal_are_one_word_for_the_store() -> None:
    requests = [_with({f"token{n}": f"s{n}", "a": f"password=s{n}", "b": f"password=s{n + 1}"}) for n in range(9)]
    table = Redactor()(decode(Telemetry.TRACES, requests, [1] * 9)["otel_traces"])
    told = distinct(table)
    (items,) = [chunk.items.dictionary.to_pylist() for chunk in told["SpanAttributes"].chunks]
    assert sorted(items) == sorted(set(items))
    assert len(table["SpanAttributes"].chunk(0).items.dictionary) > len(items)
    assert plain(told).equals(plain(table))
    assert told.schema.equals(table.schema)


def test_bodies_of_logs_are_cleaned() -> None:
    request = ExportLogsServiceRequest()
    record = request.resource_logs.add().scope_logs.add().log_records.add()
    record.body.string_value = "login with password=hunter2 failed"
    table = Redactor()(decode(Telemetry.LOGS, [request.SerializeToString()], [1])["otel_logs"])
    assert table.column("Body").to_pylist() == [f"login with password={REDACTED} failed"]


def test_clean_tables_come_back_equal() -> None:
    body = trace_request(*((bytes([n]) * 16, b"s" * 8, f"GET /{n}") for n in range(1, 9)))
    table = decode(Telemetry.TRACES, [body], [1])["otel_traces"]
    redact = Redactor()
    assert redact(table).equals(table)
    assert redact.counters() == {}


def _with(attributes: dict[str, str]) -> bytes:
    request = ExportTraceServiceRequest.FromString(trace_request((b"t" * 16, b"s" * 8, "x")))
    span = request.resource_spans[0].scope_spans[0].spans[0]
    span.start_time_unix_nano, span.end_time_unix_nano = 4, 5
    for key, value in attributes.items():
        span.attributes.add(key=key).value.string_value = value
    return request.SerializeToString()


def _cleaned(redact: Redactor, attributes: dict[str, str]) -> dict[str, str]:
    (row,) = plain(redact(decode(Telemetry.TRACES, [_with(attributes)], [1])["otel_traces"])).to_pylist()
    return dict(row["SpanAttributes"])


def test_own_keys_and_patterns_are_cut_beside_the_usual_ones() -> None:
    redact = Redactor(keys=[r"customer\.mail$"], patterns=[r"EMP-\d{6}"])
    said = {"Customer.Mail": "a@b", "note": "EMP-123456 paid, password=x", "employee": "EMP-12"}
    assert _cleaned(redact, said) == {
        "Customer.Mail": REDACTED,
        "note": f"{REDACTED} paid, password={REDACTED}",
        "employee": "EMP-12",
    }
    assert redact.counters() == {"key": 1, "own": 1, "password": 1}


@pytest.mark.parametrize(
    ("statement", "bare"),
    [
        (
            "SELECT * FROM t WHERE a = 'it''s' AND b = 12.5 AND c = $1",
            "SELECT * FROM t WHERE a = ? AND b = ? AND c = $1",
        ),
        ("SELECT $tag$secret$tag$, x2 FROM t1", "SELECT ?, x2 FROM t1"),
        ("SELECT pg_advisory_unlock_all(); CLOSE ALL;", "SELECT pg_advisory_unlock_all(); CLOSE ALL;"),
    ],
)
def test_literals_of_statements_are_cut_when_asked_for(statement: str, bare: str) -> None:
    said = {"db.query.text": statement, "other": "12 'x'"}
    assert _cleaned(Redactor(literals=True), said) == {"db.query.text": bare, "other": "12 'x'"}
    assert _cleaned(Redactor(), said) == said


@pytest.mark.parametrize("pattern", [r"(?=x)", r"(a)\1", "("])
def test_a_pattern_that_cannot_be_used_is_a_settings_error_with_a_hint(pattern: str) -> None:
    with pytest.raises(SettingsError) as error:
        Redactor(patterns=[pattern])
    assert error.value.hint
