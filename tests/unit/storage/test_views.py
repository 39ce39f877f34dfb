"""Which dialects the views have: those that somebody speaks, from the first word on."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pyarrow as pa
import pytest
from builders.dialects import head
from contract.receiver import ExportLogsServiceRequest, ExportTraceServiceRequest

from tracecollect.errors import StoreFull
from tracecollect.lifecycle.dialects import Dialect, parse
from tracecollect.ports import Batch, Telemetry
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.views import DialectViews
from tracecollect.wire.decode import decode

T0 = 1_800_000_000 * 10**9
TRACE = bytes([7]) * 16


def dialect(name: str, scope: str, *, source: str = "spans", version: int = 1, where: str = 'name = "take"') -> Dialect:
    signal = f"""
[[signal]]
from = "{source}"
pair = "borrow"
is = "acquired"
role = "open"
where = {{ {where} }}
"""
    return parse(head(name, scope, version=version) + signal, f"{name}.toml")


@contextmanager
def opened(directory: Path, *dialects: Dialect) -> Iterator[ClickHouseStore]:
    found = ClickHouseStore(f"chdb://{directory}/store", retention=20 * 365 * 86400, dialects=dialects)
    try:
        yield found
    finally:
        found.close()


def tell(store: ClickHouseStore, scope: str, number: int) -> None:
    request = ExportTraceServiceRequest()
    spans = request.resource_spans.add().scope_spans.add()
    spans.scope.name = scope
    spans.spans.add(
        trace_id=TRACE,
        span_id=number.to_bytes(8, "big"),
        name="take",
        start_time_unix_nano=T0 + number,
        end_time_unix_nano=T0 + number + 1,
    )
    write(store, Telemetry.TRACES, request.SerializeToString(), f"{scope} {number}")


def write(store: ClickHouseStore, telemetry: Telemetry, body: bytes, token: str) -> None:
    tables = decode(telemetry, [body], [T0])
    store.write(Batch(token, tables))


def said(store: ClickHouseStore) -> list[str]:
    return [one.dialect for one in store.signals_of_trace(TRACE.hex())]


def read_by(store: ClickHouseStore, view: str = "dialects_traces") -> Sequence[str]:
    texts = [row["text"] for row in store._engine.rows("table_texts") if row["name"] == view]
    return [name for name in ("one", "two", "three") if f"'{name}'" in "".join(texts)]


def test_a_dialect_is_read_from_the_first_span_that_speaks_it(tmp_path):
    with opened(tmp_path, dialect("one", "go"), dialect("two", "java")) as store:
        tell(store, "somebody else", 1)
        assert read_by(store) == []
        tell(store, "java", 2)
        assert (read_by(store), said(store)) == (["two"], ["two"])
        tell(store, "go", 3)
        assert (read_by(store), said(store)) == (["one", "two"], ["two", "one"])


def test_after_a_restart_those_that_were_spoken_before_are_read_and_nothing_is_read_twice(tmp_path):
    both = dialect("one", "go"), dialect("two", "java")
    with opened(tmp_path, *both) as store:
        tell(store, "go", 1)
    for number in (2, 3):
        with opened(tmp_path, *both) as store:
            assert read_by(store) == ["one"]
            tell(store, "go", number)
    with opened(tmp_path, *both) as store:
        counted = store._engine.select("SELECT count() AS rows FROM connection_signals").to_pylist()
        assert (said(store), counted) == (["one"] * 3, [{"rows": 3}])


def test_a_new_dialect_is_applied_to_what_its_library_said_before(tmp_path):
    with opened(tmp_path, dialect("one", "go")) as store:
        tell(store, "java", 1)
    with opened(tmp_path, dialect("one", "go"), dialect("two", "java"), dialect("three", "node")) as store:
        assert (read_by(store), said(store)) == (["two"], ["two"])


def test_a_dialect_that_changes_while_nobody_speaks_it_is_read_in_its_new_meaning(tmp_path):
    with opened(tmp_path, dialect("one", "go"), dialect("two", "java")) as store:
        tell(store, "go", 1)
    with opened(tmp_path, dialect("one", "go"), dialect("two", "java", version=2)) as store:
        tell(store, "java", 2)
        assert said(store) == ["one", "two"]


def test_a_logger_below_a_scope_and_any_scope_are_heard(tmp_path):
    below = dialect("one", "com.zaxxer.*", source="logs", where='body = "taken"')
    anywhere = dialect("two", "*", source="logs", where='event = "taken"')
    with opened(tmp_path, below, anywhere) as store:
        assert read_by(store, "dialects_logs") == ["two"]
        request = ExportLogsServiceRequest()
        records = request.resource_logs.add().scope_logs.add()
        records.scope.name = "com.zaxxer.hikari.pool"
        records.log_records.add(time_unix_nano=T0, trace_id=TRACE, span_id=b"s" * 8).body.string_value = "taken"
        write(store, Telemetry.LOGS, request.SerializeToString(), "logs")
        assert (read_by(store, "dialects_logs"), said(store)) == (["one", "two"], ["one"])


def test_a_view_that_could_not_be_made_is_made_when_the_batch_comes_again(tmp_path, monkeypatch):
    with opened(tmp_path, dialect("one", "go")) as store:
        command = store._engine.command

        def full(sql, parameters=None):
            raise StoreFull("no room")

        monkeypatch.setattr(store._engine, "command", full)
        with pytest.raises(StoreFull):
            tell(store, "go", 1)
        monkeypatch.setattr(store._engine, "command", command)
        tell(store, "go", 1)
        assert said(store) == ["one"]


def test_the_view_of_an_earlier_version_is_changed_by_the_first_who_speaks(tmp_path):
    with opened(tmp_path, dialect("one", "go")) as store:
        tell(store, "go", 1)
        store._engine.command("TRUNCATE TABLE instances")
    with opened(tmp_path, dialect("two", "java")) as store:
        tell(store, "java", 2)
        assert (read_by(store), said(store)) == (["two"], ["two"])


class _Server:
    """An engine that others write to as well: what it is told to do is kept."""

    embedded = False

    def __init__(self) -> None:
        self.told: list[str] = []

    def rows(self, name: str) -> list[dict[str, str]]:
        return []

    def command(self, sql: str, parameters: object = None) -> None:
        self.told.append(sql)


def test_a_server_to_which_others_write_too_has_every_dialect_at_once():
    server = _Server()
    views = DialectViews(server, [dialect("one", "go"), dialect("two", "java")])
    views.prepare()
    (made,) = [sql for sql in server.told if sql.startswith("CREATE MATERIALIZED VIEW")]
    assert "'go', 'java'" in made
    told = len(server.told)
    views.hear("otel_traces", pa.table({"ScopeName": ["go", "node"]}))
    assert len(server.told) == told


@pytest.mark.parametrize("scopes", [[], ["x"] * 3, [f"scope {number}" for number in range(2000)]])
def test_scopes_that_nobody_knows_change_nothing(tmp_path, scopes):
    with opened(tmp_path, dialect("one", "go")) as store:
        store._views.hear("otel_traces", pa.table({"ScopeName": pa.array(scopes, pa.string())}))
        assert read_by(store) == []
