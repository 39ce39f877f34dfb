"""Libraries that cannot run here: each leaking shop beside its healthy twin, judged by the real engine."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from captures import ACCUSING, counted, named
from fixtures import libraries as say
from fixtures.process import END, FORGETS, REQUESTS, Count, Say, forgotten, shop

from tracecollect.model import SECOND, CoverageLevel, Instant, LeakQuery, LeakReport
from tracecollect.ports import Batch
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.local import LocalAnswers
from tracecollect.wire.decode import decode

GRACE = 5 * SECOND
LEAKS = REQUESTS // FORGETS


@dataclass(frozen=True)
class Library:
    """What is said, what can be seen of a leak in it, and how well the pool can be seen by it at best."""

    dialect: str
    say: Say
    sees: str  # names, counts or nothing
    level: CoverageLevel
    count: Count | None = None

    @property
    def service(self) -> str:
        return self.say.__name__


LIBRARIES = [
    Library("node-mysql2", say.mysql2, "names", CoverageLevel.BLIND),
    Library("node-mysql", say.mysql, "counts", CoverageLevel.COUNTED, say.mysql_count),
    Library("node-oracledb", say.oracledb, "names", CoverageLevel.INFERRED),
    Library("node-knex", say.knex, "nothing", CoverageLevel.BLIND),
    Library("node-prisma", say.prisma, "nothing", CoverageLevel.BLIND),
    Library("node-mongodb", say.mongodb, "nothing", CoverageLevel.BLIND, say.mongodb_count),
    Library("dotnet-npgsql", say.npgsql, "counts", CoverageLevel.COUNTED, say.npgsql_count),
    Library("dotnet-npgsql", say.npgsql_logged, "names", CoverageLevel.CERTAIN),
    Library("dotnet-mysqlconnector", say.mysqlconnector, "counts", CoverageLevel.COUNTED, say.mysqlconnector_count),
    Library("dotnet-mysqlconnector", say.mysqlconnector_logged, "names", CoverageLevel.CERTAIN),
    Library("dotnet-sqlclient", say.sqlclient, "counts", CoverageLevel.COUNTED, say.sqlclient_count),
    Library("dotnet-efcore", say.efcore, "names", CoverageLevel.INFERRED),
    Library("ruby-pg", say.ruby_pg, "names", CoverageLevel.BLIND),
    Library("ruby-mysql", say.ruby_trilogy, "names", CoverageLevel.BLIND),
    Library("ruby-active-record", say.active_record, "nothing", CoverageLevel.BLIND),
    Library("php-sql", say.php, "nothing", CoverageLevel.BLIND),
    Library("elixir-ecto", say.ecto, "nothing", CoverageLevel.BLIND),
    Library("rust-sqlx", say.sqlx, "nothing", CoverageLevel.BLIND),
]
each_library = pytest.mark.parametrize("one", LIBRARIES, ids=lambda one: one.service)


def judged(directory: Path, *, leaks: bool) -> LeakReport:
    """All shops at once, each a service of its own."""
    store = ClickHouseStore(f"chdb://{directory}/store", retention=20 * 365 * 86400)
    try:
        for one in LIBRARIES:
            for telemetry, message in shop(one.say, one.count, leaks=leaks, service=one.service).sent():
                tables = decode(telemetry, [message.SerializeToString()], [END])
                store.write(Batch(f"{one.service}-{telemetry}", tables))
        return LocalAnswers(store, grace=GRACE).leaks(LeakQuery(as_of=Instant(END), grace=GRACE))
    finally:
        store.close()


@pytest.fixture(scope="module")
def leaking(tmp_path_factory: pytest.TempPathFactory) -> LeakReport:
    return judged(tmp_path_factory.mktemp("leaking"), leaks=True)


@pytest.fixture(scope="module")
def healthy(tmp_path_factory: pytest.TempPathFactory) -> LeakReport:
    return judged(tmp_path_factory.mktemp("healthy"), leaks=False)


def of(report: LeakReport, one: Library) -> LeakReport:
    return replace(
        report,
        findings=tuple(each for each in report.findings if each.service == one.service),
        coverage=tuple(each for each in report.coverage if each.service == one.service),
    )


@each_library
def test_a_leak_is_named_or_counted_as_far_as_the_library_tells(leaking, one):
    found = of(leaking, one)
    assert named(found) == (Counter(forgotten(one.service)) if one.sees == "names" else Counter())
    assert counted(found) == (LEAKS if one.sees == "counts" else 0)


@each_library
def test_its_healthy_twin_is_accused_of_nothing(healthy, one):
    assert not [each for each in of(healthy, one).findings if each.verdict in ACCUSING]


@each_library
def test_its_coverage_says_how_much_it_lets_us_see(leaking, one):
    found = of(leaking, one).coverage
    assert found
    best = min(found, key=lambda each: list(CoverageLevel).index(each.level))
    assert best.level is one.level
    assert one.dialect in best.dialects
    assert best.level is CoverageLevel.CERTAIN or best.hint
