"""The SQL of the store, one object or one question a file, found and rendered."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

_DURABLE = (
    "fsync_after_insert = 1, fsync_part_directory = 1, min_rows_to_fsync_after_merge = 1, "
    "min_compressed_bytes_to_fsync_after_merge = 1"
)
# The journal writes a batch again after a crash, hours later at worst: a thousand inserts remember far more.
_DEDUPLICATION = "non_replicated_deduplication_window = 1000"
EMBEDDED = ("merge_selector_base = 8", "min_columns_to_activate_adaptive_write_buffer = 1")
"""Settings of the embedded engine's tables: parts are merged when together they are so many times the largest, because
merging costs most of all; columns are written through buffers that grow when they must (docs/adr/0014)."""
_REPLICA = "'/clickhouse/tables/{shard}/{database}/{table}', '{replica}'"

TABLES = (
    "otel_traces",
    "otel_logs",
    "otel_metrics_gauge",
    "otel_metrics_sum",
    "otel_metrics_histogram",
    "otel_metrics_exponential_histogram",
    "otel_metrics_summary",
    "connection_signals",
    "connection_keys",
    "pool_samples",
    "instances",
    "dialect_views",
    "findings",
    "config_audit",
)
"""Every table of ours, in the order in which they are made."""

VIEWS = (
    "connection_keys_signals",
    "instances_traces",
    "instances_logs",
    "instances_metrics_gauge",
    "instances_metrics_sum",
    "instances_metrics_histogram",
    "instances_metrics_exponential_histogram",
    "instances_metrics_summary",
)
"""The views whose text never changes; those of the dialects are compiled."""

TELEMETRY = tuple(name for name in TABLES if name.startswith("otel_"))
"""The tables that hold what was received, kept for as long as the retention says."""


DERIVED = {"connection_signals": "at", "connection_keys": "minute", "pool_samples": "at", "instances": "minute"}
"""The tables that views fill, each with its time."""
ADDED = {"Instance": TELEMETRY, "Open": ("otel_traces",)}
"""The columns that tables lack which were made by earlier versions, and of which tables."""
FRAGMENTS = ("instance", "entry_span", "key_minutes", "key_id", "stored_after")
"""What several texts share: which process it was, where a request begins, what a minute says of a key, what is new."""
_MONTH = 30 * 86400


def derived(retention: int) -> int:
    """How many seconds signals, samples and instances are kept: a month, and never less than what they come from."""
    return max(retention, _MONTH)


@cache
def query(name: str) -> str:
    """The question `queries/<name>.sql`; its holes are bound, but for those that a fragment fills."""
    return _filled((files(__package__) / "queries" / f"{name}.sql").read_text("utf-8"))


def _schema(name: str) -> str:
    return _filled((files(__package__) / "schema" / f"{name}.sql").read_text("utf-8"))


def _filled(text: str) -> str:
    """With the pieces of SQL that several texts share."""
    for name in FRAGMENTS:
        text = text.replace(f"{{{name}}}", fragment(name))
    return text


@cache
def fragment(name: str) -> str:
    """A piece of SQL that several texts share, without its comments: `schema/fragments/<name>.sql`."""
    text = (files(__package__) / "schema" / "fragments" / f"{name}.sql").read_text("utf-8")
    return "\n".join(line for line in text.splitlines() if not line.startswith("--")).strip()


def table(name: str, *, retention: int, cluster: str = "") -> list[str]:
    """The statements that make one table; on a cluster its shards' table `<name>_local` and the table over them.

    `retention` in seconds applies to received telemetry, `derived(retention)` to what the views read out of it.
    """
    text = _schema(name)
    if not cluster:
        return [_render(text, "", f"{_DURABLE}, {_DEDUPLICATION}", retention)]
    local = text.replace(f"EXISTS {name}\n", f"EXISTS {name}_local ON CLUSTER '{cluster}'\n")
    over = (
        f"CREATE TABLE IF NOT EXISTS {name} ON CLUSTER '{cluster}' AS {name}_local\n"
        f"ENGINE = Distributed('{cluster}', currentDatabase(), {name}_local, {_sharding(name)})"
    )
    return [_render(local, "Replicated", _DURABLE, retention), over]


def added(name: str, column: str, *, cluster: str = "") -> list[str]:
    """The statements that give an older table a column of `ADDED`; what is stored gets it in the background."""
    text = _schema(name)
    (defined,) = re.findall(rf"^ +({column} .*?),?$(?=\n(?:    \w|\)))", text, flags=re.M | re.S)
    tables = (f"{name}_local ON CLUSTER '{cluster}'", f"{name} ON CLUSTER '{cluster}'") if cluster else (name,)
    add = [f"ALTER TABLE {one} ADD COLUMN IF NOT EXISTS {defined}" for one in tables]
    return [*add, f"ALTER TABLE {tables[0]} MATERIALIZE COLUMN {column}"]


def view(name: str, *, cluster: str = "") -> str:
    """The statement that makes one view; on a cluster it reads and feeds the shards' own tables."""
    text = _schema(name)
    if not cluster:
        return text
    text = re.sub(rf"EXISTS {name} TO (\w+)", rf"EXISTS {name} ON CLUSTER '{cluster}' TO \1_local", text)
    return re.sub(r"FROM (otel_\w+|connection_signals)", r"FROM \1_local", text)


def columns_of(select: str) -> str:
    """The names that a SELECT of ours gives its columns, for an INSERT that must not depend on their order."""
    return ", ".join(re.findall(r" AS (\w+)(?=,|\nFROM)", select.partition("\nFROM")[0] + "\nFROM"))


def _render(text: str, prefix: str, durable: str, retention: int) -> str:
    arguments = f"({_REPLICA})" if prefix else ""
    return (
        text.replace("{engine}", f"{prefix}MergeTree{arguments}")
        .replace("{aggregating_engine}", f"{prefix}AggregatingMergeTree{arguments}")
        .replace("{retention}", str(retention))
        .replace("{derived}", str(derived(retention)))
        .replace("{durable}", durable)
    )


def _sharding(name: str) -> str:
    """What must lie on one shard: a trace's spans, an instance's signals and samples."""
    if name == "otel_traces":
        return "cityHash64(TraceId)"
    return "cityHash64(instance)" if name in DERIVED else "rand()"
