"""The real store: ClickHouse SQL on an embedded chDB or a server, written in columns, read as nouns."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence

from tracecollect import codec
from tracecollect.errors import StoreError
from tracecollect.lifecycle.dialects import Dialect
from tracecollect.model import (
    CallEdge,
    Finding,
    FindingChange,
    Instant,
    LogRecord,
    SearchQuery,
    ServiceReport,
    Span,
    TraceSummary,
    Verdict,
    Window,
)
from tracecollect.ports import MOST_SPANS, Batch, TableUsage
from tracecollect.storage import rows, texts
from tracecollect.storage.engine import Engine, directory_of
from tracecollect.storage.holds import StoredHolds
from tracecollect.storage.settle import settle

_log = logging.getLogger(__name__)
WEEK = 7 * 86400
_MOST_LOGS = 100_000
_MOST_EDGES = 10_000
_FOREVER = 2**64 - 1
# Bytes in memory beyond which the engine keeps none for later: giving it back after each batch costs 0.5 µs a span.
_PLENTY = 900_000_000
# Caches sized for one machine that has other work to do: the defaults take gigabytes.
_OPTIONS = {"mark_cache_size": str(256 << 20), "index_mark_cache_size": str(64 << 20), "uncompressed_cache_size": "0"}


class ClickHouseStore(StoredHolds):
    """Implements `ports.Store` on an engine; the connection half is `StoredHolds`."""

    def __init__(
        self,
        url: str,
        *,
        retention: int = WEEK,
        cluster: str = "",
        max_seconds: float = 30,
        dialects: Sequence[Dialect] | None = None,
    ) -> None:
        """Open the store and bring its tables up to date. `retention` in seconds; `dialects` None: those that ship.

        Raises `StoreLocked`, `StoreFull`, `StoreError`.
        """
        directory = directory_of(url)
        if directory is not None:
            try:
                directory.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise StoreError(
                    f"cannot make the store directory {directory}: {error.strerror}",
                    hint="choose another with --data-dir",
                ) from error
            settle(directory)
        super().__init__(Engine(url, options=_OPTIONS, max_seconds=max_seconds), dialects)
        try:
            self._prepare(retention, cluster)
        except StoreError:
            self._engine.close()
            raise

    def _prepare(self, retention: int, cluster: str) -> None:
        for name in texts.TABLES:
            for statement in texts.table(name, retention=retention, cluster=cluster):
                self._engine.command(statement)
        made = {row["name"]: row["text"] for row in self._engine.rows("table_texts")}
        for column, tables in texts.ADDED.items():
            for name in tables:
                if f"`{column}`" not in made[name]:
                    for statement in texts.added(name, column, cluster=cluster):
                        self._engine.command(statement)
        if "connection_keys_signals" not in made:
            # A store from before: what it holds is read once, anew where an earlier start was cut off before the view.
            self._engine.command("TRUNCATE TABLE connection_keys")
            self._engine.command(texts.query("keys_backfill"))
        for name in texts.VIEWS:
            self._engine.command(texts.view(name))
        self._tune(made)
        self._keep_for(retention, cluster)
        self._views.prepare()
        for part in self.broken_parts():
            _log.error("stored data could not be read and was moved away: %s", part)

    def _tune(self, made: Mapping[str, str]) -> None:
        """Say how parts are written and merged. Not to a server: it has its own administrator, or lacks the setting."""
        for name in (*texts.TELEMETRY, *texts.DERIVED) if self._engine.embedded else ():
            missing = ", ".join(one for one in texts.EMBEDDED if one not in made[name])
            if missing:
                self._engine.command(f"ALTER TABLE {name} MODIFY SETTING {missing}")

    def _keep_for(self, retention: int, cluster: str) -> None:
        """Change the retention of tables that were made with another."""
        if cluster:
            return
        for row in self._engine.rows("table_texts"):
            name, kept = row["name"], retention
            if name in texts.DERIVED:
                time, kept = texts.DERIVED[name], texts.derived(retention)
            elif name in texts.TELEMETRY:
                time = "Timestamp" if name in ("otel_traces", "otel_logs") else "TimeUnix"
            else:
                continue
            if f"toIntervalSecond({kept})" not in row["text"]:
                self._engine.command(f"ALTER TABLE {name} MODIFY TTL toDateTime({time}) + toIntervalSecond({kept})")

    def broken_parts(self) -> Sequence[str]:
        """What the engine could not read at start and moved away, one text each."""
        return [f"{row['table']} {row['name']} ({row['reason']})" for row in self._engine.rows("broken_parts")]

    # --- writing ------------------------------------------------------------------------------------

    def write(self, batch: Batch) -> None:
        """Store a batch; the same token again changes nothing, in the tables and in what is derived from them."""
        for table, columns in batch.tables.items():
            if columns.num_rows:
                self._views.hear(table, columns)
                self._engine.insert(table, columns, f"{batch.token}:{table}")
        self._engine.give_back(beyond=_PLENTY)

    # --- traces -------------------------------------------------------------------------------------

    def spans(self, trace_id: str, most: int = MOST_SPANS, skip: int = 0) -> Sequence[Span]:
        """Stored copies of a trace's spans, in order of start: `most` of them after the first `skip`."""
        asked = {"trace_id": trace_id, "named": [], "limit": most, "skip": skip}
        return [rows.span(row) for row in self._engine.each("trace_spans", **asked)]

    def spans_named(self, trace_id: str, span_ids: Iterable[str]) -> Sequence[Span]:
        """The stored copies of some spans of a trace, in order of start."""
        asked = {"trace_id": trace_id, "named": sorted(set(span_ids)), "limit": MOST_SPANS, "skip": 0}
        return [rows.span(row) for row in self._engine.each("trace_spans", **asked)] if asked["named"] else []

    def span_count(self, trace_id: str) -> int:
        """How many copies of spans are stored of a trace."""
        return sum(row["spans"] for row in self._engine.rows("trace_size", trace_id=trace_id))

    def logs(self, trace_id: str) -> Sequence[LogRecord]:
        """The trace's log records in order of time."""
        return [rows.log_record(row) for row in self._engine.each("trace_logs", trace_id=trace_id, limit=_MOST_LOGS)]

    def trace_ids(self, prefix: str, limit: int) -> Sequence[str]:
        """Trace ids that begin with the prefix, newest first."""
        # 'g' follows 'f': every id with the prefix sorts below prefix + 'g'.
        found = self._engine.rows("trace_ids", prefix=prefix, beyond=prefix + "g", limit=limit)
        return [row["trace_id"] for row in found]

    def search(self, query: SearchQuery) -> Sequence[TraceSummary]:
        """Traces with a span that meets every condition, newest first."""
        asked = {
            "service": query.service,
            "operation": query.operation,
            "min_duration": query.min_duration,
            "max_duration": _FOREVER if query.max_duration is None else query.max_duration,
            "error": query.error,
            "keys": list(query.attributes),
            "values": list(query.attributes.values()),
        }
        found: list[str] = []
        # Whoever searches wants the newest, and the newest minutes lie in a few small parts.
        for window in query.window.newest_first():
            wanted = {"since": window.since, "until": window.until, "known": found, "limit": query.limit - len(found)}
            found += [row["trace_id"] for row in self._engine.rows("search_hits", **asked, **wanted)]
            if len(found) >= query.limit:
                break
        whole = {"since": query.window.since, "until": query.window.until, "found": found}
        return [rows.trace_summary(row) for row in self._engine.rows("search", **whole)] if found else []

    def services(self, window: Window) -> Sequence[ServiceReport]:
        """Every instance heard of in the window."""
        found = self._engine.rows("services", since=window.since, until=window.until)
        return [rows.service_report(row) for row in found]

    def calls(self, window: Window, service: str = "") -> Sequence[CallEdge]:
        """The operations of a window and who called them, the busiest ten thousand."""
        found = self._engine.rows("calls", since=window.since, until=window.until, service=service, limit=_MOST_EDGES)
        return [rows.call_edge(row) for row in found]

    # --- findings -----------------------------------------------------------------------------------

    def findings(self) -> Sequence[Finding]:
        """The latest state of every finding."""
        return [codec.loads(row["finding"], Finding) for row in self._engine.rows("findings_latest")]

    def record(self, findings: Iterable[Finding], at: Instant, reasons: Mapping[str, str]) -> None:
        """Append what is now said of these findings."""
        columns = rows.finding_columns(findings, at, reasons)
        if columns.num_rows:
            self._engine.insert("findings", columns)

    def history(self, finding_id: str) -> Sequence[FindingChange]:
        """What was said of a finding, oldest first."""
        return [
            FindingChange(Instant(row["at_ns"]), Verdict(row["verdict"]), row["leaked_count"], row["reason"])
            for row in self._engine.rows("findings_history", id=finding_id)
        ]

    # --- settings -----------------------------------------------------------------------------------

    def record_settings(
        self, values: Mapping[str, str], origins: Mapping[str, str], version: str
    ) -> Mapping[str, tuple[str, str]]:
        """Keep the settings of this start; what changed since the last one, by setting: before and now."""
        before = {row["setting"]: row["value"] for row in self._engine.rows("config_latest")}
        self._engine.insert("config_audit", rows.setting_columns(values, origins, version))
        return {name: (before[name], now) for name, now in values.items() if before.get(name, now) != now}

    # --- the rest -----------------------------------------------------------------------------------

    def usage(self) -> Sequence[TableUsage]:
        """What each table takes, the largest first."""
        names = ("table", "rows", "bytes", "unpacked", "first_day", "last_day")
        return [TableUsage(**{name: row[name] for name in names}) for row in self._engine.rows("usage")]

    def keep_within(self, most: int) -> Sequence[str]:
        """Drop whole days, the oldest first, until the telemetry takes `most` bytes; which were dropped.

        The newest day stays, however large it is.
        """
        days = self._engine.rows("days")
        size, dropped = sum(row["bytes"] for row in days), []
        for row in days[:-1]:
            if size <= most:
                break
            for table in row["tables"]:
                self._engine.command(f"ALTER TABLE `{table}` DROP PARTITION '{row['day']}'")
            size -= row["bytes"]
            dropped.append(row["day"])
        return dropped

    def stats(self) -> Mapping[str, int]:
        """Rows and bytes on disk by table."""
        found: dict[str, int] = {}
        for row in self._engine.rows("stats"):
            found[f"{row['table']}.rows"] = row["rows"]
            found[f"{row['table']}.bytes"] = row["bytes"]
        return found

    def stop(self, name: str) -> None:
        """Give up what a question runs."""
        self._engine.stop(name)

    def close(self) -> None:
        """Let go of the engine. Idempotent."""
        self._engine.close()
