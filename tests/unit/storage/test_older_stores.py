"""A data directory that an earlier version wrote is taken over with everything in it."""

from __future__ import annotations

from pathlib import Path

from builders.otlp import World
from contract.store_world import ALL, DIALECTS, SCOPE, tell, world

from tracecollect.model import SECOND
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.texts import EMBEDDED

_ = world


def test_keys_of_a_store_from_before_there_was_a_table_of_them_are_read_once(tmp_path: Path, world: World) -> None:
    shop = world.process("shop", "i")
    shop.span("none.close", 0, 1, scope=SCOPE, hold="stray")
    for earlier in (True, False, False):
        store = ClickHouseStore(f"chdb://{tmp_path}/store", retention=20 * 365 * 86400, dialects=DIALECTS)
        try:
            if earlier:
                tell(store, world.items)
                store._engine.command("DROP TABLE connection_keys_signals")
                store._engine.command("DROP TABLE connection_keys")
            else:
                assert [one.stray_closes for one in store.totals(ALL, grace=SECOND)] == [1]
        finally:
            store.close()


def test_spans_of_a_store_from_before_processes_had_a_column_keep_their_process(tmp_path: Path, world: World) -> None:
    shop = world.process("shop", "i")
    shop.span("GET /", 0, 1, scope=SCOPE)
    asked: list[list[str]] = []
    for earlier in (True, False, False):
        store = ClickHouseStore(f"chdb://{tmp_path}/store", retention=20 * 365 * 86400, dialects=DIALECTS)
        try:
            if earlier:
                tell(store, world.items)
                for view in ("instances_traces", "dialects_traces"):
                    store._engine.command(f"DROP TABLE IF EXISTS {view}")
                store._engine.command("ALTER TABLE otel_traces DROP COLUMN Instance, DROP COLUMN Open")
            else:
                asked.append([one.instance for one in store.versions("shop", ALL)])
        finally:
            store.close()
    assert asked == [["i"], ["i"]]


def test_tables_of_a_store_from_before_they_were_tuned_are_tuned_at_the_start(tmp_path: Path) -> None:
    told: list[str] = []
    for earlier in (True, False):
        store = ClickHouseStore(f"chdb://{tmp_path}/store", dialects=DIALECTS)
        try:
            if earlier:
                names = ", ".join(setting.partition(" ")[0] for setting in EMBEDDED)
                store._engine.command(f"ALTER TABLE otel_traces RESET SETTING {names}")
            told += [row["text"] for row in store._engine.rows("table_texts") if row["name"] == "otel_traces"]
        finally:
            store.close()
    assert [[setting in text for setting in EMBEDDED] for text in told] == [[False, False], [True, True]]
