"""Python's libraries: recordings of real pools, and by hand what could not be recorded or only looks like a leak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from captures import ACCUSING, Capture, counted, named
from fixtures import python as say
from fixtures.process import END, FORGETS, REQUESTS, Say, forgotten, shop
from test_captures import answers, at

from tracecollect.model import SECOND, CoverageLevel, Instant, LeakQuery, LeakReport, Verdict
from tracecollect.ports import Batch
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.local import LocalAnswers
from tracecollect.wire.decode import decode

NAMED = {
    "asyncpg-fastapi-leak": CoverageLevel.INFERRED,
    "asyncpg-fastapi-exhausted": CoverageLevel.INFERRED,
    "sqlalchemy-asyncpg-leak": CoverageLevel.INFERRED,
    "sqlalchemy-asyncpg-mixed": CoverageLevel.INFERRED,
    "sqlalchemy-log-leak": CoverageLevel.CERTAIN,
    "psycopg-pool-leak": CoverageLevel.INFERRED,
    "psycopg-pool-exhausted": CoverageLevel.INFERRED,
    "pymongo-leak": CoverageLevel.CERTAIN,
}
GRACE = 5 * SECOND
COUNTED = ("sqlalchemy-flask-leak", "sqlalchemy-flask-mixed", "redis-py-leak")


@pytest.mark.parametrize("name", NAMED)
def test_every_leak_of_a_recording_is_named_and_nobody_else(tmp_path, name):
    one = Capture(name)
    with answers(tmp_path, name) as ask:
        report = ask.leaks(at(one.end))
    assert (named(report) & one.leaked()).total() >= 0.98 * one.leaked().total()
    assert not named(report) - one.forgotten()
    assert counted(report) == 0
    assert {each.level for each in report.coverage} == {NAMED[name]}


@pytest.mark.parametrize("name", COUNTED)
def test_every_leak_of_a_recording_is_counted_where_only_a_metric_knows(tmp_path, name):
    one = Capture(name)
    with answers(tmp_path, name) as ask:
        report = ask.leaks(at(one.end))
    assert abs(counted(report) - one.leaked().total()) <= 1
    assert not named(report) - one.forgotten()
    assert {each.verdict for each in report.findings} == {Verdict.LEAKED}
    assert {each.level for each in report.coverage} == {CoverageLevel.COUNTED}


def test_statements_alone_show_nothing_and_that_is_said(tmp_path):
    one = Capture("psycopg2-pool-leak")
    with answers(tmp_path, one.name) as ask:
        report = ask.leaks(at(one.end))
    assert not report.findings
    (coverage,) = report.coverage
    assert coverage.level is CoverageLevel.BLIND
    assert "tracecollect[probe]" in coverage.hint


TOLD = [say.asyncpg, say.psycopg, say.cmap_java, say.cmap_go, say.cmap_dotnet]
ODD = [say.asyncpg_lost, say.asyncpg_background, say.asyncpg_beside_sqlalchemy, say.psycopg_handed_on]
SILENT = {say.pymysql: "python-dbapi", say.sqlite3: "python-sqlite3", say.psycopg2: "python-psycopg2"}
each_told = pytest.mark.parametrize("one", TOLD, ids=lambda one: one.__name__)


def judged(directory: Path, shops: Iterable[Say], *, leaks: bool) -> LeakReport:
    """All shops at once, each a service of its own."""
    store = ClickHouseStore(f"chdb://{directory}/store", retention=20 * 365 * 86400)
    try:
        for one in shops:
            for telemetry, message in shop(one, leaks=leaks, service=one.__name__).sent():
                tables = decode(telemetry, [message.SerializeToString()], [END])
                store.write(Batch(f"{one.__name__}-{telemetry}", tables))
        return LocalAnswers(store, grace=GRACE).leaks(LeakQuery(as_of=Instant(END), grace=GRACE))
    finally:
        store.close()


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> LeakReport:
    return judged(tmp_path_factory.mktemp("leaking"), [*TOLD, *SILENT], leaks=True)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> LeakReport:
    return judged(tmp_path_factory.mktemp("healthy"), [*TOLD, *ODD], leaks=False)


def of(report: LeakReport, one: Say) -> LeakReport:
    return replace(
        report,
        findings=tuple(each for each in report.findings if each.service == one.__name__),
        coverage=tuple(each for each in report.coverage if each.service == one.__name__),
    )


@each_told
def test_what_was_forgotten_is_named(leaking, one):
    assert named(of(leaking, one)) == Counter(forgotten(one.__name__))


@each_told
def test_the_healthy_twin_is_left_alone(healthy, one):
    assert not of(healthy, one).findings


def test_a_connection_that_died_under_its_user_is_not_leaked(healthy):
    assert not of(healthy, say.asyncpg_lost).findings


def test_a_pool_beside_sqlalchemy_in_one_process_is_judged_without_it(healthy):
    assert not of(healthy, say.asyncpg_beside_sqlalchemy).findings


def test_a_transaction_in_which_work_goes_on_is_in_use(healthy):
    assert not [one for one in of(healthy, say.asyncpg_background).findings if one.verdict in ACCUSING]


def test_what_another_thread_gave_back_is_called_leaked_by_nobody(healthy):
    found = of(healthy, say.psycopg_handed_on).findings
    assert not [one for one in found if one.verdict is Verdict.LEAKED]
    assert sum(one.leaked_count for one in found) <= REQUESTS // FORGETS


@pytest.mark.parametrize("one", SILENT, ids=lambda one: one.__name__)
def test_a_library_that_traces_statements_only_is_blind_and_says_what_would_help(leaking, one):
    found = of(leaking, one)
    assert not found.findings
    (coverage,) = found.coverage
    assert coverage.level is CoverageLevel.BLIND
    assert coverage.dialects == (SILENT[one],)
    assert coverage.hint
