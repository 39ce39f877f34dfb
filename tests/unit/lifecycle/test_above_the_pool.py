"""asyncpg's own pool and SQLAlchemy on asyncpg in one process, of which SQLAlchemy itself says nothing."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from builders.judged import END, judged
from builders.otlp import Process, World
from builders.shops import ASYNCPG, PLACE, RESET, Borrow, Shop, background, probed, shop
from captures import ACCUSING

from tracecollect.model import CoverageLevel, LeakReport


def spoken(process: Process, one: Borrow, statements: Iterable[str], *, resets: bool) -> None:
    """One after the other; the reset query only where the connection comes back to asyncpg's pool."""
    last = (RESET,) if resets and one.end is not None else ()
    for place, statement in enumerate((*statements, *last)):
        at = one.start + 0.001 * place
        process.span("SELECT", at, at + 0.0005, parent=one.owner, scope=ASYNCPG, db__statement=statement, **PLACE)


def pool(process: Process, one: Borrow) -> None:
    spoken(process, one, (one.statement,), resets=True)


def transaction(process: Process, one: Borrow) -> None:
    spoken(process, one, ("BEGIN;", one.statement, "COMMIT;"), resets=True)


def above(process: Process, one: Borrow) -> None:
    spoken(process, one, ("BEGIN;", one.statement, "ROLLBACK;"), resets=False)


def both(process: Process, one: Borrow) -> None:
    spoken(process, one, (one.statement, RESET, "BEGIN;", one.statement, "ROLLBACK;"), resets=False)


def world_of(words, path: str, leaks: Iterable[int] = ()) -> tuple[World, Shop]:
    """A shop that speaks so, beside requests of the same process that use the pool by itself."""
    world = World()
    one = shop(world, words)
    one.traffic(10, 500, path=path, leaks=leaks)
    Shop(pool, one.process).traffic(10.2, 500, path="GET /raw")
    background(one.process, 0, END)
    return world, one


def accused(report: LeakReport) -> set[str]:
    return {each.trace_id for one in report.findings if one.verdict in ACCUSING for each in one.instances}


@pytest.mark.parametrize("words", [above, both])
def test_what_a_library_above_gives_back_unseen_is_not_taken_for_forgotten(ask, words):
    world, _ = world_of(words, "GET /orm")
    assert not any(accused(report) for report in judged(ask, world, at=(60, 300)))


@pytest.mark.parametrize(("cut", "silent"), [(range(100, 900, 10), True), ((), False)])
def test_a_transaction_that_was_cancelled_is_told_from_one_that_was_forgotten_by_how_long_it_worked(ask, cut, silent):
    def session(process: Process, one: Borrow) -> None:
        number = int(one.hold.rpartition("-")[2]) - 1
        ends = one.end is not None and number not in cut
        lasts = 0.3 if number in cut else 0.002
        process.span("BEGIN;", one.start, one.start + 0.001, parent=one.owner, scope=ASYNCPG, db__statement="BEGIN;")
        began, ended = one.start + 0.002, one.start + 0.002 + lasts
        process.span("SELECT", began, ended, parent=one.owner, scope=ASYNCPG, db__statement=one.statement)
        if ends:
            process.span("COMMIT;", ended, ended + 0.001, parent=one.owner, scope=ASYNCPG, db__statement="COMMIT;")

    world = World()
    one = shop(world, session)
    one.traffic(10, 500, path="POST /pay", lasts=0.4, leaks=() if silent else range(100, 900, 100))
    background(one.process, 0, END)
    assert accused(judged(ask, world)[0]) == (set() if silent else one.leaked)


def test_what_has_no_pool_is_not_taken_for_a_pools(ask):
    def alone(process: Process, one: Borrow) -> None:
        spoken(process, one, (one.statement,), resets=False)

    world, _ = world_of(alone, "POST /report")
    assert not accused(judged(ask, world)[0])


def test_what_is_forgotten_after_its_transaction_is_found_where_others_of_its_operation_come_back(ask):
    world, one = world_of(transaction, "POST /pay", leaks=range(100, 900, 100))
    assert accused(judged(ask, world)[0]) == one.leaked


def test_the_probe_is_heard_alone_of_the_pools_that_it_tells_of(ask):
    def told(process: Process, one: Borrow) -> None:
        place = {"server__address": "db-1", "server__port": 5432, "db__namespace": "shop"}
        probed(process, one, **place)
        # In a transaction of nobody's: in SQLAlchemy's autocommit, nothing says that it came back.
        spoken(process, one, (one.statement,), resets=False)

    world, one = world_of(told, "GET /orm", leaks=range(100, 900, 100))
    report, _ = judged(ask, world)
    assert accused(report) == one.leaked
    assert {(each.pool, each.level) for each in report.coverage if each.pool == "orders-db"} == {
        ("orders-db", CoverageLevel.CERTAIN)
    }
