"""A process in which no connection has come back yet: what the probe's word is worth, and what others' is not."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from builders.judged import END, judged
from builders.otlp import Item, Process, World
from builders.shops import PLACE, PSYCOPG, Borrow, Shop, Words, background, events, probed, shop
from captures import ACCUSING
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord

from tracecollect.lifecycle.facts import PROBE
from tracecollect.model import CoverageLevel, LeakReport, Verdict


def forgetful(words: Words, times: int) -> tuple[World, Shop]:
    """Each of the first requests forgets its connection; then the pool has none left, and the work goes on without."""
    world = World()
    one = shop(world, words)
    one.traffic(10, 10 + 2 * times, every=2.0, leaks=range(times))
    background(one.process, 0, END)
    return world, one


def measured(one: Shop) -> None:
    """What the probe reads off the pool."""
    for moment in range(0, int(END), 5):
        about = {"db__client__connection__state": "used", "db__client__connection__pool__name": "orders-db"}
        one.process.level("db.client.connection.count", one.used(moment), moment, scope=PROBE, **about)


def named(report: LeakReport, *verdicts: Verdict) -> set[str]:
    return {each.trace_id for one in report.findings if one.verdict in verdicts for each in one.instances}


def test_a_pool_that_was_empty_after_its_first_requests_is_told_of(ask):
    world, one = forgetful(probed, 5)
    measured(one)
    for report in judged(ask, world, at=(200,)):
        assert named(report, Verdict.LEAKED) == one.leaked
        assert [each.level for each in report.coverage] == [CoverageLevel.CERTAIN]
        assert "none of 5 holds came back" in report.findings[0].evidence[1].text


@pytest.mark.parametrize("place", ["db-1", "db-2"])
def test_a_library_that_knows_only_where_a_pool_leads_is_not_called_blind_beside_its_events(ask, place):
    def told(process: Process, one: Borrow) -> None:
        probed(process, one, server__address=place, server__port=5432, db__namespace="shop")
        process.span("SELECT", one.start, one.start + 0.1, parent=one.owner, scope=PSYCOPG, **PLACE)

    world = World()
    shop(world, told).traffic(10, 50, every=2.0)
    for report in judged(ask, world):
        levels = {one.pool: one.level for one in report.coverage}
        blind = {"db-1:5432/shop": CoverageLevel.BLIND} if place != "db-1" else {}
        assert levels == {"orders-db": CoverageLevel.CERTAIN, **blind}


def test_few_that_nothing_counts_may_be_kept_by_threads(ask):
    world, _ = forgetful(probed, 9)
    for report in judged(ask, world):
        assert named(report, *ACCUSING) == set()
        assert [each.level for each in report.coverage] == [CoverageLevel.BLIND]


def test_many_that_nothing_counts_are_told_of(ask):
    world, one = forgetful(probed, 12)
    for report in judged(ask, world):
        assert named(report, *ACCUSING) == one.leaked


def test_of_events_of_ones_own_a_return_must_have_been_seen(ask):
    world, _ = forgetful(events, 12)
    assert not any(named(report, *ACCUSING) for report in judged(ask, world))


@pytest.mark.parametrize("count", [True, False])
def test_where_every_return_was_lost_the_pool_speaks_for_the_accused(ask, count):
    world = World()
    one = shop(world, probed)
    one.traffic(10, 50, every=2.0)
    background(one.process, 0, END)
    if count:
        measured(one)

    def unsaid(items: Sequence[Item]) -> list[Item]:
        return [each for each in items if not _released(each)]

    for report in judged(ask, world, unsaid):
        assert not named(report, Verdict.LEAKED), "twenty lost returns in a row"
        assert bool(named(report, Verdict.SUSPECTED)) is not count


def _released(one: Item) -> bool:
    return isinstance(one.what, LogRecord) and one.what.event_name.endswith("released")
