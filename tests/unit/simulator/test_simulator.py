"""The simulator is trusted as far as this: one seed is one world, and its columns are what the wire would be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from builders.otlp import EPOCH as WIRE_EPOCH
from builders.otlp import requests
from simulator.columns import EPOCH
from simulator.history import NEVER, PATHS, START, Scenario, simulate
from simulator.scenarios import ALL
from simulator.wire import items
from simulator.words import _WORDS, telemetry

from tracecollect.ports import Telemetry
from tracecollect.wire.decode import decode, plain

SMALL = Scenario("small", hours=0.1, rate=3.0, stall=False, restart=False)


def test_the_same_seed_is_the_same_world():
    one, other = (telemetry(simulate(SMALL, 7), 7) for _ in range(2))
    assert one.trace_ids == other.trace_ids
    assert all(one.tables[name].equals(other.tables[name]) for name in one.tables)
    assert telemetry(simulate(SMALL, 8), 8).trace_ids != one.trace_ids


@pytest.mark.parametrize("words", _WORDS)
def test_columns_are_what_the_decoder_makes_of_the_same_telemetry_on_the_wire(words):
    assert EPOCH == WIRE_EPOCH
    tables = telemetry(simulate(replace(SMALL, words=words, hours=0.02), 3), 3).tables
    for telemetry_, name in (
        (Telemetry.TRACES, "otel_traces"),
        (Telemetry.LOGS, "otel_logs"),
        (Telemetry.METRICS, "otel_metrics_sum"),
    ):
        if name not in tables:
            continue
        mine = plain(tables[name]).drop_columns("Arrived").to_pylist()
        sent = requests(items(telemetry_, tables[name]))
        decoded = decode(telemetry_, [one.body for one in sent], [one.arrived for one in sent])[name]
        assert len(mine) == decoded.num_rows > 0
        theirs = plain(decoded).select(list(mine[0])).to_pylist()
        assert sorted(map(_spelled, mine)) == sorted(map(_spelled, theirs))


def _spelled(row: dict) -> str:
    return str({key: sorted(value) if isinstance(value, list) else value for key, value in sorted(row.items())})


def test_a_connection_is_lent_to_one_at_a_time():
    history = simulate(replace(SMALL, hours=0.5, rate=20.0), 5)
    got = history.acquire < NEVER
    for connection in np.unique(history.connection[got]):
        mine = np.flatnonzero(got & (history.connection == connection))
        mine = mine[np.argsort(history.acquire[mine])]
        assert (history.release[mine][:-1] <= history.acquire[mine][1:] + 1e-9).all()


def test_a_pool_lends_no_more_than_it_has():
    history = simulate(replace(SMALL, hours=0.5, rate=20.0, pool=5), 5)
    assert len(np.unique(history.connection[history.acquire < NEVER])) <= 5
    assert history.failed[history.acquire == NEVER].all()


def test_only_leaks_and_listeners_never_come_back():
    history = simulate(replace(SMALL, hours=1.0, stall=True, restart=True), 2)
    held = (history.release == NEVER) & (history.acquire < NEVER)
    assert (history.leaked[held] | (history.path[held] == START)).all()
    assert history.leaked.any()


def test_what_is_lost_is_as_much_as_was_asked_for():
    kept = [
        telemetry(simulate(replace(SMALL, hours=1.0, batch=False, loss=loss), 4), 4).tables["otel_traces"].num_rows
        for loss in (0.0, 0.05)
    ]
    assert kept[1] / kept[0] == pytest.approx(0.95, abs=0.01)


def test_the_worlds_that_are_scored_are_of_every_kind():
    assert {one.words for one in ALL} == set(_WORDS)
    assert {one.held_out for one in ALL} == {True, False}
    assert {bool(one.leaks) for one in ALL} == {True, False}
    assert len({one.name for one in ALL}) == len(ALL)
    leaking = {leak.path for one in ALL for leak in one.leaks}
    assert len(leaking & set(range(len(PATHS)))) >= 2
