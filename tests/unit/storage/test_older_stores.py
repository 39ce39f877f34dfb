"""A data directory that an earlier version wrote is taken over with everything in it."""

from __future__ import annotations

from pathlib import Path

from builders.otlp import World
from contract.store_world import ALL, DIALECTS, SCOPE, tell, world

from tracecollect.model import SECOND
from tracecollect.storage.clickhouse import ClickHouseStore

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
