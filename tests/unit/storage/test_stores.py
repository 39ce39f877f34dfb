"""The stores keep the same promises, and say the same of the same telemetry."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from contract.store import DIALECTS, StoreContract, world

from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.memory import MemoryStore
from tracecollect.storage.texts import TABLES

_KEPT = ("dialect_views", "config_audit")
_ = world


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClickHouseStore]:
    directory = tmp_path_factory.mktemp("store")
    one = ClickHouseStore(f"chdb://{directory}/store", retention=20 * 365 * 86400, dialects=DIALECTS)
    yield one
    one.close()


@pytest.fixture
def emptied(engine: ClickHouseStore) -> ClickHouseStore:
    for name in TABLES:
        if name not in _KEPT:
            engine._engine.command(f"TRUNCATE TABLE {name}")
    return engine


class TestMemory(StoreContract):
    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore(DIALECTS)


class TestClickHouse(StoreContract):
    @pytest.fixture
    def store(self, emptied: ClickHouseStore) -> ClickHouseStore:
        return emptied
