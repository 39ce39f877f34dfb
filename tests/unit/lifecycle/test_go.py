"""Go libraries: recorded leaks named or counted, and what no recording shows, made by hand."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from captures import ACCUSING, Capture
from fixtures import golang
from fixtures.process import END, Say, forgotten, shop
from test_captures import GRACE, answers, at

from tracecollect.lifecycle.counted import ELIMINATED
from tracecollect.lifecycle.findings import lost
from tracecollect.model import CoverageLevel, Instant, LeakQuery, LeakReport, Signal
from tracecollect.ports import Batch
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.local import LocalAnswers
from tracecollect.wire.decode import decode

INFERRED, COUNTED, CERTAIN, BLIND = (CoverageLevel(one) for one in ("inferred", "counted", "certain", "blind"))
EVERYTHING = frozenset({"pay", "peek", "export"})
SEEN = {
    "go-xsam": (INFERRED, EVERYTHING),
    "go-xsam-0.42": (INFERRED, EVERYTHING),
    "go-otelpgx": (COUNTED, frozenset({"pay", "export"})),
    "go-uptrace": (COUNTED, frozenset({"pay"})),
    "go-nhatthm": (INFERRED, EVERYTHING),
    "go-gorm": (COUNTED, frozenset()),
    "go-redis": (COUNTED, frozenset()),
    "go-pgx-logs": (CERTAIN, EVERYTHING),
    "go-events": (CERTAIN, EVERYTHING),
    "go-events-pgx": (CERTAIN, EVERYTHING),
}
"""How well each library lets a pool be seen, and the routes whose leaks its signals name."""
LEAKING = [*(f"{library}-leak" for library in SEEN), "go-xsam-exhausted", "go-otelpgx-exhausted", "go-xsam-mixed"]


def library(sample: str) -> str:
    return sample.rpartition("-")[0]


def accused(report: LeakReport) -> Counter[str]:
    """The traces that a finding names."""
    findings = (one for one in report.findings if one.verdict in ACCUSING)
    return Counter({hold.trace_id for one in findings for hold in one.instances})


@pytest.mark.parametrize("sample", LEAKING)
def test_every_leak_is_named_where_it_can_be_and_counted_where_not(tmp_path, sample):
    one = Capture(sample)
    level, routes = SEEN[library(sample)]
    with answers(tmp_path, sample) as ask:
        report = ask.leaks(at(one.end))
    nameable = Counter(each["trace_id"] for each in one.labels["leaks"] if each["route"] in routes)
    assert not accused(report) - one.leaked()
    assert not nameable - accused(report)
    assert lost(each for each in report.findings if each.verdict in ACCUSING) == one.leaked().total()
    assert {each.level for each in report.coverage} == {level}


def test_what_spans_name_helps_to_name_what_they_do_not(tmp_path):
    one = Capture("go-otelpgx-leak")
    with answers(tmp_path, one.name) as ask:
        report = ask.leaks(at(one.end))
    left = {each["trace_id"] for each in one.labels["leaks"] if each["route"] == "peek"}
    eliminated = [hold.trace_id for each in report.findings if each.family == ELIMINATED for hold in each.instances]
    assert len(eliminated) >= 4
    assert set(eliminated) <= left


@pytest.mark.parametrize("sample", ["go-xsam-leak", "go-nhatthm-leak"])
def test_rows_that_database_sql_closes_when_the_request_is_over_are_not_leaked(tmp_path, sample):
    one = Capture(sample)
    healed = {each["trace_id"] for each in one.labels["forgotten_but_harmless"]}
    with answers(tmp_path, sample) as ask:
        moments = range(one.begin, one.end, 10 * 10**9)
        named = [trace for moment in moments for trace in accused(ask.leaks(at(moment)))]
    assert len(healed) >= 3
    assert not healed & set(named)


def test_events_from_go_say_which_line_took_the_connection(tmp_path):
    one = Capture("go-events-leak")
    with answers(tmp_path, one.name) as ask:
        report = ask.leaks(at(one.end))
    assert {each.code.partition(" in ")[2] for each in report.findings if each.code} == {
        "record/shop.(*SQL).Pay",
        "record/shop.(*SQL).Peek",
    }


def test_a_borrow_of_database_sql_says_whether_its_connection_is_new(tmp_path):
    one = Capture("go-xsam-healthy")
    with answers(tmp_path, one.name) as ask:
        traces = [each["trace_id"] for each in one.labels["all_leases"]]
        taken = [each for trace in traces for each in signals(ask, trace) if each.kind == "acquired"]
    assert len(taken) == len(traces)
    assert {each.reason for each in taken} == {"new", "reused"}


def test_an_acquire_of_pgx_shows_the_connection_that_was_opened_in_it(tmp_path):
    one = Capture("go-otelpgx-healthy")
    with answers(tmp_path, one.name) as ask:
        found = [each for lease in one.labels["all_leases"] for each in signals(ask, lease["trace_id"])]
    acquires = {each.span_id for each in found if each.kind == "acquired"}
    opened = {each.parent_id for each in found if each.kind == "opened"}
    assert opened
    assert opened < acquires


def signals(ask: LocalAnswers, trace_id: str) -> list[Signal]:
    return list(ask._store.signals_of_trace(trace_id))


SHOWN = [golang.xsam_child_rows, golang.xsam_skips, golang.pgx_before_012, golang.pgx_without_acquires, golang.sqlc]
UNSEEN = [golang.nhatthm_skips, golang.nhatthm_silent, golang.pgx_prepares, golang.listener]


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> LeakReport:
    return judged(tmp_path_factory.mktemp("leaking"), leaks=True)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> LeakReport:
    return judged(tmp_path_factory.mktemp("healthy"), leaks=False)


def judged(directory: Path, *, leaks: bool) -> LeakReport:
    """All shops at once, each a service of its own."""
    store = ClickHouseStore(f"chdb://{directory}/store", retention=20 * 365 * 86400)
    try:
        for say in (*SHOWN, *UNSEEN):
            for telemetry, message in shop(say, leaks=leaks, service=say.__name__).sent():
                tables = decode(telemetry, [message.SerializeToString()], [END])
                store.write(Batch(f"{say.__name__}-{telemetry}", tables))
        return LocalAnswers(store, grace=GRACE).leaks(LeakQuery(as_of=Instant(END), grace=GRACE))
    finally:
        store.close()


def of(report: LeakReport, say: Say) -> LeakReport:
    """What a report says of one shop."""
    return replace(
        report,
        findings=tuple(one for one in report.findings if one.service == say.__name__),
        coverage=tuple(one for one in report.coverage if one.service == say.__name__),
    )


@pytest.mark.parametrize("say", SHOWN, ids=lambda say: say.__name__)
def test_each_forgotten_connection_is_named_in_versions_and_with_options_that_were_not_recorded(leaking, say):
    report = of(leaking, say)
    assert set(accused(report)) == forgotten(say.__name__)
    # Without the pool's metric nobody says what else is out.
    assert {one.level for one in report.coverage} == {BLIND if say.__name__.startswith("pgx") else INFERRED}


@pytest.mark.parametrize("say", [*SHOWN, *UNSEEN], ids=lambda say: say.__name__)
def test_nobody_is_accused_who_gave_everything_back(healthy, say):
    report = of(healthy, say)
    assert report.coverage
    assert not [one for one in report.findings if one.verdict in ACCUSING]


def test_rows_that_are_never_said_to_be_closed_accuse_nobody(leaking):
    report = of(leaking, golang.nhatthm_silent)
    assert not accused(report)
    assert [one.level for one in report.coverage] == [CoverageLevel.BLIND]


def test_a_connection_that_listens_is_not_accused_of_being_kept(leaking):
    report = of(leaking, golang.listener)
    assert [one.level for one in report.coverage] == [CERTAIN]
    assert not [one for one in report.findings if one.verdict in ACCUSING]
