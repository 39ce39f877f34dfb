"""What the engine does not need is not kept in memory: its code that nobody runs, and what an insert took."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import psutil
import pytest
from contract.receiver import trace_request

from tracecollect.ports import Batch, Telemetry
from tracecollect.storage import clickhouse, pages
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.wire.decode import decode

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/smaps is Linux's")

MAPS = """\
7f00-7f10 r--p 00000000 fe:00 1 /site-packages/chdb/_chdb.abi3.so
Rss: 64 kB
Anonymous:             0 kB
7f10-7f20 r-xp 00000000 fe:00 1 /site-packages/chdb/_chdb.abi3.so
Anonymous:             0 kB
7f20-7f30 r--p 00000000 fe:00 1 /site-packages/chdb/_chdb.abi3.so
Anonymous:             4 kB
7f30-7f40 rw-p 00000000 fe:00 1 /site-packages/chdb/_chdb.abi3.so
Anonymous:             0 kB
7f40-7f50 r-xp 00000000 fe:00 2 /usr/lib/libc.so.6
Anonymous:             0 kB
"""


def resident_megabytes() -> float:
    held, counts = 0, False
    for line in Path("/proc/self/smaps").read_text().splitlines():
        if "-" in line.split(" ", 1)[0]:
            counts = "/_chdb" in line
        elif counts and line.startswith("Rss:"):
            held += int(line.split()[1])
    return held / 1024


def test_what_the_engine_answers_is_the_same_after_its_pages_were_given_back(tmp_path: Path) -> None:
    store = ClickHouseStore(f"chdb://{tmp_path / 'store'}")
    try:
        store.record_settings({"grace": "30s"}, {}, "1")
        before = resident_megabytes()
        pages.give_back()
        assert resident_megabytes() < before / 2
        assert store.record_settings({"grace": "40s"}, {}, "1") == {"grace": ("30s", "40s")}
    finally:
        store.close()


def test_only_the_engines_own_pages_that_were_never_written_are_given_back(tmp_path: Path) -> None:
    (tmp_path / "smaps").write_text(MAPS)
    assert list(pages._unwritten(tmp_path / "smaps")) == [(0x7F00, 0x7F10), (0x7F10, 0x7F20)]


def test_where_the_kernel_tells_no_mappings_nothing_is_given_back(tmp_path: Path) -> None:
    assert list(pages._unwritten(tmp_path / "none")) == []


def test_what_is_in_memory_is_what_the_system_says() -> None:
    assert pages.resident() == pytest.approx(psutil.Process().memory_info().rss, rel=0.1)


def test_what_a_batch_took_is_given_back_when_much_is_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spans = [(number.to_bytes(16, "big"), number.to_bytes(8, "big"), f"{number:0200}") for number in range(1, 50_001)]
    tables = decode(Telemetry.TRACES, [trace_request(*spans)], [time.time_ns()])
    store = ClickHouseStore(f"chdb://{tmp_path / 'store'}")

    def kept(token: str, plenty: int) -> float:
        monkeypatch.setattr(clickhouse, "_PLENTY", plenty)
        store._engine.give_back()
        before = pages.resident()
        store.write(Batch(token, tables))
        return (pages.resident() - before) / 1e6

    try:
        kept("what only a first insert needs", 0)
        assert kept("a", 1 << 60) > 30 + kept("b", 0)
    finally:
        store.close()
