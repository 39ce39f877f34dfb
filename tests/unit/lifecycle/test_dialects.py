"""Dialect files: those that come with us have meaning; a mistake is named with its file and what is right."""

from __future__ import annotations

from importlib.resources import files

import pytest

from tracecollect.errors import DialectError
from tracecollect.lifecycle.dialects import check_together, parse, shipped
from tracecollect.lifecycle.facts import open_keys
from tracecollect.model import Instant
from tracecollect.ports import KeyTotals, OpenKey

GOOD = (files("tracecollect.lifecycle") / "dialects" / "python-asyncpg.toml").read_text("utf-8")


@pytest.mark.parametrize("dialect", shipped(), ids=lambda one: one.name)
def test_every_dialect_says_what_it_sees_and_what_it_does_not(dialect):
    assert dialect.why
    assert dialect.blind_to
    assert dialect.scopes
    assert dialect.rules or dialect.series or dialect.coverage == "blind"


@pytest.mark.parametrize(
    ("was", "becomes", "said"),
    [
        ("version  = 4", 'version = "x"', "version"),
        ("version  = 4", "version = [1]", "version"),
        ("version  = 4", "version = 0", "version"),
        ("version  = 4", "version = true", "version"),
        ("[dialect]", "[dialekt]", "dialekt"),
        ('coverage = "inferred"', 'coverage = "sure"', "sure"),
        ('family     = "B"', 'family = "Z"', "Z"),
        ('open_if    = "last"', 'open_if = "first"', "first"),
        ('key        = ["trace"]', 'key = ["trase"]', "trase"),
        ('uses       = "lease"', 'uses = "nothing"', "nothing"),
        ("where = { kind", "where = { kinde", "kinde"),
        ("(LISTEN|", "(?=LISTEN|", "RE2"),
        ('role  = "close"', 'role = "shut"', "shut"),
        ("[dialect]", "[dialect", "TOML"),
    ],
)
def test_a_mistake_is_named_with_the_file_and_what_would_be_right(was, becomes, said):
    assert was in GOOD
    with pytest.raises(DialectError) as raised:
        parse(GOOD.replace(was, becomes), "mine.toml")
    assert "mine.toml" in raised.value.message
    assert said in raised.value.message
    assert raised.value.hint


@pytest.mark.parametrize("key", ["pair", "signal", "series"])
def test_a_number_where_tables_belong_is_named(key):
    head = GOOD[GOOD.index("[dialect]") : GOOD.index("[pair.lease]")]
    with pytest.raises(DialectError, match=key):
        parse(f"{key} = 3\n{head}", "mine.toml")


def test_two_dialects_may_not_claim_one_scope():
    other = parse(GOOD.replace("python-asyncpg", "other"), "other.toml")
    with pytest.raises(DialectError, match="claimed"):
        check_together([*shipped(), other])


def test_an_open_key_accuses_where_one_was_seen_to_close_or_nothing_needs_to_be():
    total = KeyTotals("shop", "i", "python-asyncpg", "lease", "p", 1, 0, 0, 1, Instant(0), Instant(1), ("k",))
    free = GOOD.replace('needs      = "close_seen"', 'needs      = "nothing"', 1)
    found = {text: open_keys([total], (), {"python-asyncpg": parse(text, "my.toml")}) for text in (GOOD, free)}
    assert found == {GOOD: [], free: [OpenKey("i", "python-asyncpg", "lease", "k")]}
