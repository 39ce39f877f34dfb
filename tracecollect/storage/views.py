"""The views that read signals and samples out of what comes, of the dialects that are spoken here."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tracecollect.lifecycle import compile as compiler
from tracecollect.lifecycle.dialects import ANY_SCOPE, Dialect
from tracecollect.storage import texts
from tracecollect.storage.engine import Engine

if TYPE_CHECKING:
    import pyarrow as pa

    Scopes = pa.ChunkedArray[pa.StringScalar]

_log = logging.getLogger(__name__)
_SOURCES = (*compiler.SIGNALS, *compiler.SAMPLES)


class DialectViews:
    """Makes a view say what the dialects say now, and only those that somebody speaks.

    A view is planned anew for every insert, which takes the longer the more it says (docs/adr/0014). Who writes past us
    to a server's tables is not heard, so that there each view has all dialects.
    """

    def __init__(self, engine: Engine, dialects: Sequence[Dialect]) -> None:
        self._engine = engine
        self._dialects = dialects
        readers = {source: [one for one in dialects if compiler.scopes_of(source, one)] for source in _SOURCES}
        self._awaited: dict[str, list[Dialect]] = readers
        self._spoken: dict[str, list[Dialect]] = {source: [] for source in _SOURCES}
        self._existing: set[str] = set()

    def prepare(self) -> None:
        """Bring every view up to date; apply new and raised dialects to what is stored already."""
        heard = self._heard()
        applied = {row["source"]: row for row in self._engine.rows("dialect_views_latest")}
        self._existing = {row["name"] for row in self._engine.rows("table_texts")}
        for source in _SOURCES:
            self._take(source, self._fitting(source, heard.get(source)))
            sql, before = compiler.compiled(source, self._spoken[source], self._dialects), applied.get(source)
            known = set(before["dialects"]) if before else set()
            exists = compiler.view_name(source) in self._existing
            if sql is None or (exists and before is not None and before["sha256"] == compiler.digest(sql)):
                continue
            self._make(source, sql)
            self._backfill(source, known)
            self._note(source, sql)

    def hear(self, source: str, columns: pa.Table) -> None:
        """Before these rows of a table are stored: begin to read the dialects that they are the first to speak."""
        if not self._awaited.get(source):
            return
        new = self._fitting(source, columns["ScopeName"])
        if not new:
            return
        spoken = self._with(source, new)
        if sql := compiler.compiled(source, spoken, self._dialects):
            _log.debug("%s speaks %s for the first time", source, ", ".join(one.name for one in new))
            self._make(source, sql)
        # Only now: a batch whose view could not be made is stored again, and must find them awaited.
        self._take(source, new)
        if sql:
            self._note(source, sql)

    def _heard(self) -> Mapping[str, Scopes]:
        """The scopes that were heard of by table; none of a server: all dialects stand there."""
        if not self._engine.embedded:
            return {}
        import pyarrow as pa
        import pyarrow.compute as pc

        found = self._engine.arrow("scopes_heard")
        of = {
            kind: found["scope"].filter(pc.equal(found["source"], pa.scalar(kind)))
            for kind in ("traces", "logs", "metrics")
        }
        kinds = {"otel_traces": "traces", "otel_logs": "logs"}
        return {source: of[kinds.get(source, "metrics")] for source in _SOURCES}

    def _fitting(self, source: str, scopes: Scopes | None) -> list[Dialect]:
        """The awaited dialects that these scopes belong to. In columns: there may be as many scopes as rows."""
        awaited = self._awaited[source]
        if scopes is None or not awaited:
            return list(awaited)
        import pyarrow as pa
        import pyarrow.compute as pc

        patterns = {scope for one in awaited for scope in compiler.scopes_of(source, one)}
        named = pc.unique(scopes.cast(pa.string()))
        whole = pa.array(sorted(one for one in patterns if not one.endswith("*")), pa.string())
        heard = set(named.filter(pc.is_in(named, value_set=whole)).to_pylist())
        above = [one for one in patterns if one.endswith(".*")]
        heard |= {one for one in above if pc.any(pc.starts_with(named, one.removesuffix("*"))).as_py()}
        return [one for one in awaited if heard.union((ANY_SCOPE,)).intersection(compiler.scopes_of(source, one))]

    def _with(self, source: str, new: Sequence[Dialect]) -> list[Dialect]:
        return [one for one in self._dialects if one in new or one in self._spoken[source]]

    def _take(self, source: str, new: Sequence[Dialect]) -> None:
        self._spoken[source] = self._with(source, new)
        self._awaited[source] = [one for one in self._awaited[source] if one not in new]

    def _make(self, source: str, sql: str) -> None:
        view = compiler.view_name(source)
        if view in self._existing:
            self._engine.command(f"ALTER TABLE {view} MODIFY QUERY {sql}")
        else:
            self._engine.command(f"CREATE MATERIALIZED VIEW {view} TO {compiler.target(source)} AS {sql}")
            self._existing.add(view)

    def _backfill(self, source: str, known: set[str]) -> None:
        """Rows may come twice when a dialect's text changed and its version did not: readers count facts once."""
        new = [one for one in self._spoken[source] if _version(one) not in known]
        sql = compiler.compiled(source, new, self._dialects) if new else None
        if sql is None:
            return
        _log.debug("reading what is stored with the dialects %s", ", ".join(one.name for one in new))
        columns = texts.columns_of(sql)
        self._engine.command(f"INSERT INTO {compiler.target(source)} ({columns}) {sql}")

    def _note(self, source: str, sql: str) -> None:
        self._engine.command(
            "INSERT INTO dialect_views (source, sha256, dialects)"
            " VALUES ({source:String}, {sha:String}, {dialects:Array(String)})",
            {
                "source": source,
                "sha": compiler.digest(sql),
                "dialects": [_version(one) for one in self._spoken[source]],
            },
        )


def _version(dialect: Dialect) -> str:
    return f"{dialect.name}/{dialect.version}"
