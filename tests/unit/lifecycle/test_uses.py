"""What a connection was used for is stored with one pair of its dialect and told of the others, too."""

from __future__ import annotations

from tracecollect.lifecycle.dialects import shipped
from tracecollect.lifecycle.holds import follow
from tracecollect.lifecycle.uses import telling, with_uses
from tracecollect.model import Instant, Role, Signal, SignalKind
from tracecollect.ports import OpenKey

DIALECTS = {one.name: one for one in shipped()}
USED, BEGAN = SignalKind.USED, SignalKind.TX_BEGAN


def said(pair: str, kind: SignalKind, role: Role, at: int, span: str, key: str = "t") -> Signal:
    return Signal(
        service="shop",
        instance="i",
        dialect="python-asyncpg",
        pair=pair,
        kind=kind,
        role=role,
        key=key,
        at=Instant(at),
        started=Instant(at - 1),
        trace_id=key,
        span_id=span,
        statement=span,
    )


def test_the_statements_of_a_transaction_are_told_by_the_pair_that_sees_every_statement():
    signals = [
        said("lease", USED, Role.OPEN, 10, "BEGIN"),
        said("tx", BEGAN, Role.OPEN, 10, "BEGIN"),
        said("lease", USED, Role.OPEN, 20, "UPDATE"),
        said("lease", USED, Role.PIN, 30, "LISTEN"),
    ]
    notes = [one for one in with_uses(signals, DIALECTS) if one.pair == "tx" and one.role is Role.NOTE]
    assert [(one.span_id, one.at) for one in notes] == [("UPDATE", 20)]


def test_what_another_request_did_is_no_use_of_this_one():
    signals = [said("tx", BEGAN, Role.OPEN, 10, "BEGIN"), said("lease", USED, Role.OPEN, 20, "UPDATE", key="u")]
    assert list(with_uses(signals, DIALECTS)) == signals


def test_where_a_pair_opened_nothing_nobody_elses_uses_are_told_of_it():
    signals = [said("lease", USED, Role.OPEN, 20, "SELECT")]
    assert list(with_uses(signals, DIALECTS)) == signals


def test_the_keys_whose_uses_another_pair_tells_are_asked_there():
    mine = OpenKey("i", "python-asyncpg", "tx", "t")
    assert telling([mine, OpenKey("i", "python-asyncpg", "lease", "u")], DIALECTS) == {
        OpenKey("i", "python-asyncpg", "lease", "t")
    }


def test_a_hold_of_a_transaction_shows_its_last_statement():
    signals = [
        said("lease", USED, Role.PIN, 5, "sqlalchemy"),
        said("lease", USED, Role.OPEN, 10, "BEGIN"),
        said("tx", BEGAN, Role.OPEN, 10, "BEGIN"),
        said("lease", USED, Role.OPEN, 20, "UPDATE"),
        said("lease", USED, Role.PIN, 21, "sqlalchemy too"),
    ]
    (hold,) = follow(signals, (), DIALECTS)
    assert (hold.pair, hold.statement, hold.last_used_at) == ("tx", "UPDATE", 20)
