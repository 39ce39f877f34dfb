"""What Node's libraries and the emitter say, as recorded from real services, and what may be concluded from it."""

from __future__ import annotations

import pytest
from captures import Capture, counted, named
from test_captures import answers, at

from tracecollect.model import CoverageLevel, Finding, LeakReport


def by_transaction(report: LeakReport) -> list[Finding]:
    return [one for one in report.findings if one.family == "C"]


@pytest.mark.parametrize("name", ["nodepg2-leak", "nodepg2-exhausted", "nodepg2-mixed", "nodemysql-leak"])
def test_open_transactions_are_named_and_all_leaks_are_counted(tmp_path, name):
    one = Capture(name)
    with answers(tmp_path, name) as ask:
        report = ask.leaks(at(one.end))
    forgot = {each["trace_id"] for each in one.labels["leaks"] if each["route"] == "pay"}
    assert {hold.trace_id for each in by_transaction(report) for hold in each.instances} == forgot
    assert not named(report) - one.leaked()
    assert abs(counted(report) - one.leaked().total()) <= 1


def test_pools_that_share_a_counter_are_never_counted_too_high(tmp_path):
    one = Capture("nodepg2pools-leak")
    with answers(tmp_path, one.name) as ask:
        for moment in range(one.begin, one.end, (one.end - one.begin) // 5):
            report = ask.leaks(at(moment))
            assert counted(report) <= one.leaked().total()
            assert not named(report) - one.leaked()
        report = ask.leaks(at(one.end))
    assert {each.level for each in report.coverage} == {CoverageLevel.COUNTED}
    assert len(report.coverage) == 2


def test_a_transaction_is_named_where_nothing_else_is_told(tmp_path):
    one = Capture("nodemysql2-leak")
    with answers(tmp_path, one.name) as ask:
        report = ask.leaks(at(one.end))
    assert set(named(report)) == {each["trace_id"] for each in one.labels["leaks"] if each["route"] == "pay"}
    assert {each.level for each in report.coverage} == {CoverageLevel.BLIND}


def test_the_driver_under_knex_names_its_transactions(tmp_path):
    one = Capture("nodeknex-leak")
    with answers(tmp_path, one.name) as ask:
        report = ask.leaks(at(one.end))
    assert set(named(report)) == {each["trace_id"] for each in one.labels["leaks"] if each["route"] == "pay"}
    (pool,) = report.coverage
    assert set(pool.dialects) == {"node-knex", "node-pg"}
    assert pool.level is CoverageLevel.BLIND
    assert pool.hint


@pytest.mark.parametrize("name", ["node-events-leak", "node-events-exhausted"])
def test_the_emitter_names_every_leak_with_the_line_that_took_it(tmp_path, name):
    one = Capture(name)
    with answers(tmp_path, name) as ask:
        report = ask.leaks(at(one.end))
    assert named(report) == one.leaked()
    assert not counted(report)
    assert {each.code for each in report.findings} == {"/app/_node/pg.js:14 in take"}
    assert {each.level for each in report.coverage} == {CoverageLevel.CERTAIN}
