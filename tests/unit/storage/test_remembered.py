"""What was asked before is read again only as far as it changed, and told as if all of it had been read."""

from __future__ import annotations

import random
from collections.abc import Collection, Mapping

import pytest
from builders.otlp import World
from contract.store_world import DIALECTS, SCOPE, instant, tell, world

from tracecollect.model import SECOND, Instant, Window
from tracecollect.ports import OpenKey
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.remembered import Remembered

_ = world


class Table:
    """Rows (name, at) in numbered blocks, and how many rows were read."""

    def __init__(self) -> None:
        self.blocks: list[list[tuple[str, int]]] = []
        self.read = 0
        self.now = 0.0
        self.memory = Remembered(
            self.ask, joined=lambda told, more: told + more, newest=lambda: len(self.blocks),
            lasting=lambda told: "passing" not in told, clock=lambda: self.now,
        )  # fmt: skip

    def ask(self, names: Collection[str], window: Window, after: int) -> Mapping[str, tuple[object, ...]]:
        found: dict[str, tuple[object, ...]] = {}
        for block in self.blocks[after:]:
            for name, at in block:
                if name in names and window.since <= at <= window.until:
                    found[name] = (*found.get(name, ()), at)
                    self.read += 1
        return found

    def of(self, *names: str, since: int = 0, until: int = 100) -> Mapping[str, tuple[object, ...]]:
        return self.memory.of(names, Window(Instant(since), Instant(until)))


@pytest.fixture
def table() -> Table:
    one = Table()
    one.blocks.append([("a", 1), ("a", 2), ("b", 3)])
    return one


def test_only_what_was_stored_since_is_read_again(table):
    assert table.of("a", "b") == {"a": (1, 2), "b": (3,)}
    assert (table.of("a", "b"), table.read) == ({"a": (1, 2), "b": (3,)}, 3)
    table.blocks.append([("a", 4), ("c", 5)])
    assert (table.of("a", "c"), table.read) == ({"a": (1, 2, 4), "c": (5,)}, 5)


def test_a_name_of_which_nothing_was_known_is_told_when_something_comes(table):
    assert table.of("d") == {}
    table.blocks.append([("d", 6)])
    assert table.of("d") == {"d": (6,)}


def test_a_window_that_begins_or_ends_earlier_is_read_anew(table):
    table.of("a", since=2)
    assert table.of("a", since=1) == {"a": (1, 2)}
    assert table.of("a", since=1, until=1) == {"a": (1,)}


def test_after_half_an_hour_everything_is_read_anew(table):
    table.of("a")
    table.now = 2000.0
    table.of("a")
    assert table.read == 4


def test_a_table_without_numbers_is_read_each_time(table):
    table.memory._newest = lambda: 0
    table.of("a")
    table.of("a")
    assert table.read == 4


@pytest.mark.parametrize("seed", range(4))
def test_a_store_that_was_asked_before_answers_like_one_that_was_not(tmp_path, world: World, seed: int) -> None:
    dice = random.Random(seed)
    shop = world.process("shop", "i")
    for number in range(40):
        entry = shop.entry("GET /", number, number + 1)
        for _ in range(dice.randrange(4)):
            role = dice.choice(("open", "close"))
            at = number + dice.randrange(60)
            shop.span(f"last.{role}", at, at + 1, parent=entry, scope=SCOPE, hold=f"h{dice.randrange(5)}")
    keys = [OpenKey("i", one.name, "last", f"h{n}") for one in DIALECTS for n in range(5)]
    dice.shuffle(world.items)
    store = ClickHouseStore(f"chdb://{tmp_path}/store", retention=20 * 365 * 86400, dialects=DIALECTS)
    try:
        for first in range(0, len(world.items), 20):
            tell(store, world.items[first : first + 20])
            until = instant(first + 3600)
            window, longer = (Window(Instant(until - hours * 3600 * SECOND), until) for hours in (24, 48))
            traces = store.trace_ids("", 1000)
            assert set(store.signals_of_keys(keys, window)) == set(store.signals_of_keys(keys, longer)) != set()
            told, whole = store.lived(traces, window), store.lived(traces, longer)
            assert (list(told.owners), told.active) == (list(whole.owners), whole.active)
            if dice.random() < 0.5:
                store._engine.command("OPTIMIZE TABLE connection_signals FINAL")
                store._engine.command("OPTIMIZE TABLE otel_traces FINAL")
    finally:
        store.close()
