"""What was written, as plain rows: every table a list, every row a dict, every time an integer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from tracecollect.lifecycle.compile import SAMPLES
from tracecollect.storage.rows import instance_of

if TYPE_CHECKING:
    import pyarrow as pa

Row = Mapping[str, Any]
LOCALITY, LOCAL, REMOTE = 0x300, 0x100, 0x300
"""The bits of a span's flags that say where its parent ran, and what they say."""


def rows_of(table: pa.Table) -> list[Row]:
    """Columns as rows. Times are nanoseconds since 1970, maps are dicts; of two equal keys the first one counts."""
    import pyarrow as pa

    def kind(one: pa.DataType) -> pa.DataType:
        if pa.types.is_timestamp(one):
            return pa.int64()
        return pa.list_(kind(one.value_type)) if pa.types.is_list(one) else one

    def value(one: pa.DataType, said: Any) -> Any:  # noqa: ANN401 - whatever the column holds
        if pa.types.is_map(one):
            return dict(reversed(said))
        return [value(one.value_type, item) for item in said] if pa.types.is_list(one) else said

    schema = pa.schema([pa.field(one.name, kind(one.type)) for one in table.schema])
    kinds = {one.name: one.type for one in schema}
    return [{name: value(kinds[name], said) for name, said in row.items()} for row in table.cast(schema).to_pylist()]


class Tables:
    """The telemetry tables, each a list of rows in the order in which they came."""

    def __init__(self) -> None:
        self.spans: list[Row] = []
        self.logs: list[Row] = []
        self.points: dict[str, list[Row]] = {name: [] for name in SAMPLES}

    def of(self, name: str) -> list[Row]:
        """The rows of the table of that name. Raises `KeyError` where there is none."""
        return {"otel_traces": self.spans, "otel_logs": self.logs, **self.points}[name]

    def owners(self) -> Iterator[Row]:
        """The entry spans that have ended: one that is told while it runs has not let go of anything."""
        return (one for one in self.entries() if one["SpanAttributes"].get("tracecollect.open") != "true")

    def entries(self) -> Iterator[Row]:
        """The entry spans: server, consumer, root, or called from another process."""
        return (one for one in self.spans if is_entry(one))


def is_entry(span: Row) -> bool:
    """Does it begin a request or a job? A client span without a parent is a statement: it owns nothing."""
    if span["SpanKind"] in ("Client", "Producer"):
        return False
    called = span["ParentSpanId"] == "" or span["Flags"] & LOCALITY == REMOTE
    return called or span["SpanKind"] in ("Server", "Consumer")


def instance(row: Row) -> str:
    """Which process sent it."""
    return instance_of(row["ResourceAttributes"])


def end(span: Row) -> int:
    """When a span ended."""
    return int(span["Timestamp"] + span["Duration"])
