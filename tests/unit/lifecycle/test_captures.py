"""Real telemetry of real libraries, with the truth beside it: what is named, what is counted, who is left alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from captures import ACCUSING, NAMES, QUIET, Capture, counted, named

from tracecollect.journal import JournalReader, JournalWriter
from tracecollect.model import SECOND, CoverageLevel, Instant, LeakQuery, Verdict
from tracecollect.pipeline import Pipeline
from tracecollect.receivers.files import import_file
from tracecollect.receivers.intake import Intake
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.local import LocalAnswers

GRACE = 5 * SECOND
LATER = [0, 300 * SECOND, 6 * 3600 * SECOND]


@contextmanager
def answers(directory: Path, *names: str) -> Iterator[LocalAnswers]:
    """Captures through journal, pipeline and engine. Recordings are old: nothing may expire."""
    store = ClickHouseStore(f"chdb://{directory}/store", retention=20 * 365 * 86400)
    writer = JournalWriter(directory / "journal.db")
    for name in names:
        import_file(Capture(name).path, Intake(writer, max_body=64 << 20))
    writer.close()
    backlog = JournalReader(directory / "journal.db")
    pipeline = Pipeline(backlog, store, linger=0.0)
    pipeline.start()
    assert pipeline.stop(60)
    backlog.close()
    try:
        found = LocalAnswers(store, grace=GRACE)
        yield found
        found.close()
    finally:
        store.close()


def at(moment: int) -> LeakQuery:
    return LeakQuery(as_of=Instant(moment), grace=GRACE)


def test_what_is_read_out_of_telemetry_is_kept_as_long_as_the_telemetry(tmp_path):
    years = 20 * 365 * 86400
    store = ClickHouseStore(f"chdb://{tmp_path}/store", retention=86400)
    store.close()
    store = ClickHouseStore(f"chdb://{tmp_path}/store", retention=years)
    texts = {row["name"]: row["text"] for row in store._engine.rows("table_texts")}
    store.close()
    for name in ("otel_traces", "connection_signals", "pool_samples", "instances"):
        assert f"toIntervalSecond({years})" in texts[name]


def test_asyncpg_leaks_are_named_and_nobody_else(tmp_path):
    one = Capture("asyncpg-leak")
    with answers(tmp_path, one.name) as ask:
        for later in LATER:
            said = named(ask.leaks(at(one.end + later)))
            assert not said - one.forgotten()
            assert (said & one.leaked()).total() >= 0.98 * one.leaked().total()


def test_a_capture_that_is_delivered_twice_says_the_same(tmp_path):
    one = Capture("asyncpg-leak")
    with answers(tmp_path, one.name) as ask:
        once = named(ask.leaks(at(one.end)))
        import_again(tmp_path, ask, one)
        assert named(ask.leaks(at(one.end))) == once


def import_again(directory: Path, ask: LocalAnswers, one: Capture) -> None:
    # Another journal: within one, the very same bytes are known to be a retry.
    writer = JournalWriter(directory / "again.db")
    import_file(one.path, Intake(writer, max_body=64 << 20))
    writer.close()
    backlog = JournalReader(directory / "again.db")
    pipeline = Pipeline(backlog, ask._store, linger=0.0)
    pipeline.start()
    assert pipeline.stop(60)
    backlog.close()


def test_a_process_that_went_silent_leaves_unknown_and_not_health(tmp_path):
    one = Capture("asyncpg-leak")
    with answers(tmp_path, one.name) as ask:
        report = ask.leaks(LeakQuery(as_of=Instant(one.end + 3600 * SECOND), grace=1800 * SECOND))
    assert {each.verdict for each in report.findings} == {Verdict.UNKNOWN}
    assert sum(each.leaked_count for each in report.findings) == one.leaked().total()


@pytest.mark.parametrize("name", ["nodepg-leak", "sqlalchemy-leak"])
def test_libraries_that_never_say_released_are_counted(tmp_path, name):
    one = Capture(name)
    with answers(tmp_path, name) as ask:
        for later in LATER:
            report = ask.leaks(at(one.end + later))
            assert abs(counted(report) - one.leaked().total()) <= 3
            assert not named(report) - one.forgotten()
            assert {each.level for each in report.coverage} == {CoverageLevel.COUNTED}


def test_a_blind_pool_is_called_blind_and_told_what_would_help(tmp_path):
    one = Capture("psycopg3pool-leak")
    with answers(tmp_path, one.name) as ask:
        report = ask.leaks(at(one.end))
    assert not named(report)
    assert report.coverage
    for each in report.coverage:
        assert each.level in (CoverageLevel.BLIND, CoverageLevel.COUNTED)
        assert each.hint


@pytest.mark.parametrize("name", QUIET)
def test_healthy_and_slow_traffic_is_accused_at_no_moment(tmp_path, name):
    one = Capture(name)
    with answers(tmp_path, name) as ask:
        moments = [*range(one.begin, one.end, 10 * SECOND), *(one.end + later for later in LATER)]
        accused = [each for moment in moments for each in ask.leaks(at(moment)).findings if each.verdict in ACCUSING]
    assert not accused


def test_no_innocent_is_named_at_any_moment_of_a_leaking_run(tmp_path):
    one = Capture("asyncpg-leak")
    with answers(tmp_path, one.name) as ask:
        for moment in range(one.begin, one.end, 10 * SECOND):
            assert not named(ask.leaks(at(moment))) - one.forgotten()


def test_all_services_together_are_judged_as_each_alone(tmp_path):
    with answers(tmp_path, *NAMES) as ask:
        for name in ("asyncpg-leak", "nodepg-leak"):
            one = Capture(name)
            report = ask.leaks(at(one.end))
            if name == "asyncpg-leak":
                assert (named(report) & one.leaked()).total() >= 0.98 * one.leaked().total()
            truth = sum((Capture(each).forgotten() for each in NAMES), one.forgotten())
            assert not named(report) - truth
