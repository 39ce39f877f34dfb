"""A pipeline in a process of its own, to be killed: journal to a store, until stdin ends.

    python pipeline_process.py DIRECTORY sqlite|chdb SECONDS

The SQLite store keeps the promise of `SpanWriter` in the plainest way: rows and token in one transaction.
"""

from __future__ import annotations

import sqlite3
import sys
from pathlib import Path

from tracecollect.journal import JournalReader
from tracecollect.pipeline import Pipeline
from tracecollect.ports import Batch


class SqliteStore:
    """Span ids of every batch, each token once."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.executescript(
            "CREATE TABLE IF NOT EXISTS tokens (token TEXT PRIMARY KEY); CREATE TABLE IF NOT EXISTS spans (id TEXT);"
        )

    def write(self, batch: Batch) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            self._connection.execute("INSERT INTO tokens VALUES (?)", (batch.token,))
        except sqlite3.IntegrityError:
            self._connection.execute("ROLLBACK")
            return
        ids = batch.tables["otel_traces"].column("SpanId").to_pylist()
        self._connection.executemany("INSERT INTO spans VALUES (?)", [(one,) for one in ids])
        self._connection.execute("COMMIT")

    def close(self) -> None:
        self._connection.close()


def main(directory: Path, kind: str, patience: float) -> None:
    if kind == "chdb":
        from tracecollect.storage.clickhouse import ClickHouseStore

        store: SqliteStore | ClickHouseStore = ClickHouseStore(f"chdb://{directory}/store")
    else:
        store = SqliteStore(directory / "store.db")
    backlog = JournalReader(directory / "journal.db")
    pipeline = Pipeline(backlog, store, linger=0.01, batch_items=200)
    pipeline.start()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.read()
    drained = pipeline.stop(patience)
    backlog.close()
    store.close()
    sys.exit(0 if drained else 1)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], float(sys.argv[3]))
