"""A trace that is longer than what is read at once is read a stretch at a time, each with the spans that it lies in."""

from __future__ import annotations

from pathlib import Path

import pytest
from builders.otlp import Sent, World
from contract.store_world import DIALECTS, tell, world

from tracecollect.errors import NotFound
from tracecollect.model import SECOND
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.local import LocalAnswers

_ = world


@pytest.fixture
def answers(tmp_path: Path):
    store = ClickHouseStore(f"chdb://{tmp_path}/store", retention=20 * 365 * 86400, dialects=DIALECTS)
    asked = LocalAnswers(store, grace=5 * SECOND)
    yield asked, store
    asked.close()
    store.close()


def nested(world: World, depth: int) -> tuple[Sent, list[str]]:
    """One request, and calls in calls in calls, each of which begins a little later."""
    shop = world.process("shop", "i")
    entry = parent = shop.entry("GET /", 0, 1000)
    names = [f"call {number}" for number in range(1, depth)]
    for number, name in enumerate(names, 1):
        parent = shop.span(name, number, 1000 - number, parent=parent)
    return entry, ["GET /", *names]


def test_a_later_stretch_comes_with_the_spans_above_it_and_says_what_lies_beside(answers, world: World) -> None:
    asked, store = answers
    entry, names = nested(world, 50)
    tell(store, world.items)
    found = asked.trace(entry.trace_id, 10, 30)
    assert [one.name for one in found.spans] == names[:40]
    assert (found.earlier, found.omitted, found.duplicates) == (30, 10, 0)
    last = asked.trace(entry.trace_id, 10, 40)
    assert (last.earlier, last.omitted) == (40, 0)


def test_behind_the_last_span_there_is_nothing_and_that_is_said(answers, world: World) -> None:
    asked, store = answers
    entry, _ = nested(world, 3)
    tell(store, world.items)
    with pytest.raises(NotFound, match="no more than 3 spans"):
        asked.trace(entry.trace_id, 10, 3)


def test_a_chain_of_parents_that_is_too_long_is_cut_and_not_followed_for_ever(answers, world: World) -> None:
    asked, store = answers
    entry, names = nested(world, 150)
    tell(store, world.items)
    found = asked.trace(entry.trace_id, 10, 140)
    assert [one.name for one in found.spans] == names[40:]
