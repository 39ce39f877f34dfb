"""The engine under the store: chDB in this process or a ClickHouse server, through one client and one SQL."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import urlsplit

from tracecollect.errors import SettingsError, StoreError, StoreFull, StoreLocked, StoreTimeout
from tracecollect.ports import asking
from tracecollect.storage import pages, texts

if TYPE_CHECKING:
    import pyarrow as pa
    from clickhouse_connect.driver.client import Client

# A view that throws would fail an insert whose rows are already stored, and a replayed batch would run the views
# again: both measured, hence these three.
_SESSION: dict[str, Any] = {
    "insert_deduplicate": 1,
    "deduplicate_blocks_in_dependent_materialized_views": 1,
    "materialized_views_ignore_errors": 1,
    "session_timezone": "UTC",
}
# The questions name their tables in the order that is best; looking for a better one made one thrice as long. Only the
# embedded engine's version is ours: a server may not know the word.
_EMBEDDED: dict[str, Any] = {"query_plan_optimize_join_order_limit": 0}
# Rows that are mappings at a time.
_AT_ONCE = 1000
_Purpose = Literal["read", "write"]
_CODES: Mapping[int, type[StoreError]] = {
    243: StoreFull,
    76: StoreLocked,
    159: StoreTimeout,
    160: StoreTimeout,
    394: StoreTimeout,
}
_HINTS: Mapping[type[StoreError], str] = {
    StoreFull: "free some space; what was acknowledged waits in the journal and is stored then",
    StoreLocked: "one process owns a data directory: ask the running server (--server URL), or stop it",
    StoreTimeout: "ask for a shorter window with --since",
}


class Engine:
    """One open engine. Safe from any thread: each thread has clients of its own, because clients serialise.

    A thread has one client for questions and one for changes: settings that bound a question belong to its session.
    Given with every question they cost three statements around each, more than the question (clickhouse-connect 1.1).
    """

    def __init__(
        self,
        url: str,
        *,
        options: Mapping[str, str] | None = None,
        max_seconds: float = 30,
        max_query_memory: int = 2 << 30,
    ) -> None:
        """Open `chdb:///DIR` or `clickhouse://…`. Raises `StoreLocked`, `StoreError` or `SettingsError`."""
        self.url = _checked(url)
        self._options: dict[str, Any] = {"chdb_options": dict(options or {})} if self.embedded else {}
        bounds = {"max_execution_time": max_seconds, "max_memory_usage": max_query_memory}
        question = _SESSION | bounds | (_EMBEDDED if self.embedded else {})
        self._settings: Mapping[_Purpose, Mapping[str, Any]] = {"read": question, "write": _SESSION}
        self._local = threading.local()
        self._clients: list[Client] = []
        self._lock = threading.Lock()
        self._closed = False
        self._client("write")

    @property
    def embedded(self) -> bool:
        """Does the engine run in this process?"""
        return self.url.startswith("chdb:")

    def rows(self, name: str, /, **parameters: object) -> Sequence[Mapping[str, Any]]:
        """The answer to `queries/<name>.sql`, a mapping a row."""
        return self.arrow(name, **parameters).to_pylist()

    def each(self, name: str, /, **parameters: object) -> Iterator[Mapping[str, Any]]:
        """The same row by row, of questions with thousands of them: a mapping takes ten times the room of its row."""
        for batch in self.arrow(name, **parameters).to_batches(max_chunksize=_AT_ONCE):
            yield from batch.to_pylist()

    def arrow(self, name: str, /, **parameters: object) -> pa.Table:
        """The answer to `queries/<name>.sql` as columns."""
        return self.select(texts.query(name), parameters)

    def select(self, sql: str, parameters: Mapping[str, object] | None = None) -> pa.Table:
        """The answer to a question whose text was made elsewhere (a compiled dialect)."""
        asked = asking.get()
        if asked is not None:
            if asked.gone.is_set():
                raise StoreError("nobody waits for this answer any more")
            sql = f"/* {_mark(asked.name)} */ {sql}"
        with _translated():
            return self._client("read").query_arrow(sql, parameters=dict(parameters or {}))

    def stop(self, name: str) -> None:
        """End what runs for the question of that name; its thread gets a `StoreError`."""
        # Its own text contains the mark as well, but begins otherwise.
        self.command("KILL QUERY WHERE startsWith(query, {mark:String}) ASYNC", {"mark": f"/* {_mark(name)} */"})

    def command(self, sql: str, parameters: Mapping[str, object] | None = None) -> None:
        """Run a statement that is not a question; not bounded in time, DDL must finish."""
        with _translated():
            self._client("write").command(sql, parameters=dict(parameters or {}))

    def insert(self, table: str, columns: pa.Table, token: str = "") -> None:
        """Append columns. The same token on the same table a second time changes nothing."""
        from tracecollect.wire.decode import distinct, plain  # not at the top: who only asks never needs it

        settings = {"insert_deduplication_token": token} if token else {}
        with _translated():
            if self.embedded:
                _read_in_place(self._client("write"), table, distinct(columns.combine_chunks()), settings)
            else:
                self._client("write").insert_arrow(table, plain(columns).combine_chunks(), settings=settings)

    def give_back(self, *, beyond: int = 0) -> None:
        """Let the system have what an embedded engine keeps for later, if so many bytes are in memory."""
        if self.embedded and pages.resident() >= beyond:
            with contextlib.suppress(StoreError):  # built without that allocator, it keeps nothing
                self.command("SYSTEM JEMALLOC PURGE")

    def close(self) -> None:
        """Close every thread's client; the last one closes an embedded engine. Idempotent."""
        with self._lock:
            self._closed, clients = True, self._clients
            self._clients = []
        for client in clients:
            client.close()

    def _client(self, purpose: _Purpose) -> Client:
        client: Client | None = getattr(self._local, purpose, None)
        if self._closed:
            raise StoreError("the store is closed")
        if client is None:
            client = self._connect(purpose)
            setattr(self._local, purpose, client)
            with self._lock:
                self._clients.append(client)
        return client

    def _connect(self, purpose: _Purpose) -> Client:
        import clickhouse_connect  # not at the top: a client command that asks a server never needs it

        with _translated():
            return clickhouse_connect.create_client(  # type: ignore[attr-defined]  # not in its __all__
                dsn=self.url, settings=dict(self._settings[purpose]), **self._options
            )


def _read_in_place(client: Client, table: str, columns: pa.Table, settings: Mapping[str, str]) -> None:
    """Let the embedded engine read the columns where they are: it finds them by the name that they have here.

    Columns in one piece and one thread: a batch that is stored again is recognised by the blocks that are read, which
    end where a piece ends. Dictionaries with distinct words: chDB 26.9 refuses others. The client would write the
    columns to a file and have that parsed, which takes twice the processor (docs/adr/0014).
    """
    columns_in_place = columns  # noqa: F841  # read by the engine
    names = ", ".join(f"`{name}`" for name in columns.column_names)
    said = ", ".join(f"{name} = '{value}'" for name, value in ({"max_threads": "1"} | dict(settings)).items())
    insert = f"INSERT INTO {table} ({names}) SELECT {names} FROM Python(columns_in_place)"  # noqa: S608  # our own names
    client.command(f"{insert} SETTINGS {said}")


def _mark(name: str) -> str:
    """How a question is told from others in the engine's list of what runs."""
    return f"asked as {int(name, 16):x}"


def directory_of(url: str) -> Path | None:
    """The directory of an embedded store, None for a server."""
    parts = urlsplit(url)
    return Path(parts.path) if parts.scheme == "chdb" else None


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.scheme == "chdb" and parts.path:
        return url
    if parts.scheme in ("clickhouse", "clickhouses") and parts.hostname:
        return url
    raise SettingsError(
        f"{url!r} is not a store",
        hint="chdb:///DIRECTORY for the embedded engine, clickhouse://USER@HOST:8123/DATABASE for a server",
    )


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    """The client's errors as ours, with the engine's code and name."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    try:
        yield
    except ClickHouseError as error:
        raise _translate(error) from error


def _translate(error: Exception) -> StoreError:
    text = str(error)
    code = getattr(error, "code", None) or _code_in(text)
    kind = _CODES.get(code or 0, StoreError)
    if code == 76 and "lock file" not in text:
        kind = StoreError
    what = {
        StoreLocked: "another process has the store open",
        StoreFull: "no room on the disk of the store",
        StoreTimeout: "the question took longer than its limit and was cancelled",
    }.get(kind, "the store could not do this")
    hint = _HINTS.get(kind, "tracecollect doctor shows the state of the store")
    return kind(f"{what} ({getattr(error, 'name', None) or 'engine'} {code or ''}: {text[:300]})", hint=hint)


def _code_in(text: str) -> int | None:
    _, found, rest = text.partition("Code: ")
    digits = rest.split(".", 1)[0]
    return int(digits) if found and digits.isdigit() else None
