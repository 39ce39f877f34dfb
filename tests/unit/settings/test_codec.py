"""Nouns and values are spelled exactly, and read back exactly or not at all."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracecollect import codec, model
from tracecollect.model import Instant
from tracecollect.ports import Check, Status

INSTANTS = st.integers(-(2**62), 2**63 - 1).map(Instant)
TEXTS = st.text(max_size=20)
NOUNS = [
    model.LeakReport,
    model.Trace,
    model.Lifecycle,
    model.PoolReport,
    model.ServiceReport,
    model.CallEdge,
    model.TraceSummary,
    model.FindingChange,
    model.Signal,
    Status,
    Check,
]


def _register() -> None:
    st.register_type_strategy(Instant, INSTANTS)  # type: ignore[arg-type]


@given(INSTANTS)
def test_an_instant_survives_its_spelling(at):
    assert codec.read_instant(codec.spell_instant(at)) == at


@pytest.mark.parametrize(
    ("at", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
        (1_795_405_440_000_000_000, "2026-11-23T03:44:00Z"),
    ],
)
def test_an_instant_is_rfc_3339_in_utc(at, text):
    assert codec.spell_instant(Instant(at)) == text


@pytest.mark.parametrize("text", ["2026-11-23T04:44:00+01:00", "2026-11-23t03:44:00z", "2026-11-23T03:44:00.000Z"])
def test_other_spellings_of_the_same_instant_are_read(text):
    assert codec.read_instant(text) == 1_795_405_440_000_000_000


@pytest.mark.parametrize("text", ["", "yesterday", "2026-11-23", "2026-11-23T03:44:00", "2026-13-23T03:44:00Z"])
def test_what_is_no_time_with_a_zone_is_refused(text):
    with pytest.raises(ValueError, match=r"time|month"):
        codec.read_instant(text)


@given(st.integers(0, 2**63))
def test_a_duration_survives_its_spelling(nanos):
    assert codec.read_duration(codec.spell_duration(nanos)) == nanos


@given(st.integers(0, 2**63))
def test_a_size_survives_its_spelling(size):
    assert codec.read_size(codec.spell_size(size)) == size


@pytest.mark.parametrize(
    ("text", "nanos"),
    [("1h30m", 5400 * 10**9), ("200ms", 2 * 10**8), ("0", 0), ("1.5s", 15 * 10**8), ("7d", 604800 * 10**9)],
)
def test_durations_are_written_as_people_do(text, nanos):
    assert codec.read_duration(text) == nanos


@pytest.mark.parametrize("text", ["", "5", "s", "1x", "1s!", "-1s", "1 h"])
def test_a_duration_without_meaning_is_refused(text):
    with pytest.raises(ValueError, match="duration"):
        codec.read_duration(text)


@pytest.mark.parametrize("kind", NOUNS, ids=lambda kind: kind.__name__)
def test_every_noun_survives_json(kind):
    _register()

    @given(st.data())
    def survives(data):
        noun = data.draw(st.builds(kind))
        document = codec.dumps(noun)
        assert "NaN" not in document or '"NaN"' in document
        again = codec.loads(document, kind)
        assert again == noun or codec.dumps(again) == document  # NaN is not equal to itself

    survives()


def test_an_unknown_key_is_refused_by_name():
    with pytest.raises(ValueError, match="colour"):
        codec.loads('{"name": "a", "ok": true, "detail": "", "hint": "", "colour": 1}', Check)


def test_a_missing_key_is_refused_by_name():
    with pytest.raises(ValueError, match="detail"):
        codec.loads('{"name": "a", "ok": true}', Check)


@pytest.mark.parametrize(
    "document", ['{"name": 1, "ok": true, "detail": ""}', '{"name": "a", "ok": 1, "detail": ""}', "[]", "3"]
)
def test_a_value_of_another_kind_is_refused(document):
    with pytest.raises(ValueError, match="not a Check"):
        codec.loads(document, Check)


def test_a_number_that_json_does_not_have_is_a_word():
    sample = model.PoolSample("s", "i", "d", "p", "used", Instant(0), math.inf)
    assert json.loads(codec.dumps(sample))["value"] == "Infinity"
    assert codec.loads(codec.dumps(sample), model.PoolSample) == sample


def test_leaks_are_spelled_as_promised():
    hold = model.LeakedHold("4b", None, None, Instant(0), 41.2)
    evidence = model.Evidence(model.EvidenceKind.INFERRED, "no release")
    finding = model.Finding(
        "f_1", model.Verdict.LEAKED, 0.95, "B", "python-asyncpg", "orders", "i", "db", "POST /pay", None, None,
        45, Instant(0), Instant(1), 3600.0, None, 0, (evidence,), (hold,),
    )  # fmt: skip
    coverage = model.Coverage("orders", "i", "db", model.CoverageLevel.INFERRED, ("python-asyncpg",), "w", "h")
    document = json.loads(codec.dumps(model.LeakReport(Instant(0), (finding,), (coverage,))))
    assert list(document) == ["version", "as_of", "findings", "coverage"]
    assert document["version"] == 1
    assert document["findings"][0] == {
        "id": "f_1", "verdict": "leaked", "confidence": 0.95, "family": "B", "dialect": "python-asyncpg",
        "service": "orders", "instance": "i", "pool": "db", "entry": "POST /pay", "code": None, "statement": None,
        "leaked_count": 45, "first_at": "1970-01-01T00:00:00Z", "last_at": "1970-01-01T00:00:00.000000001Z",
        "per_hour": 3600.0, "exhausted_at": None, "starved_requests": 0,
        "evidence": [{"kind": "inferred", "text": "no release", "trace_id": "", "span_id": ""}],
        "instances": [{"trace_id": "4b", "span_id": None, "connection_id": None,
                       "acquired_at": "1970-01-01T00:00:00Z", "held_seconds": 41.2}],
        "impact": None, "suspects": [],
    }  # fmt: skip
    assert list(document["coverage"][0]) == ["service", "instance", "pool", "level", "dialects", "why", "hint"]


@given(
    st.builds(
        model.LeakQuery,
        since=st.none() | INSTANTS,
        as_of=st.none() | INSTANTS,
        grace=st.integers(0, 10**18),
        service=TEXTS,
        pool=TEXTS,
    )
)
def test_a_question_about_leaks_survives_the_way_to_a_server(query):
    assert codec.read_leak_parameters(codec.leak_parameters(query), grace=1, now=Instant(5)) == query


@given(
    st.builds(
        model.SearchQuery,
        window=st.builds(model.Window, INSTANTS.filter(lambda at: at < 2**62), st.just(Instant(2**62))),
        service=TEXTS,
        operation=TEXTS,
        min_duration=st.integers(0, 10**18),
        max_duration=st.none() | st.integers(0, 10**18),
        attributes=st.dictionaries(TEXTS.filter(lambda t: t and "=" not in t), TEXTS),
        error=st.booleans(),
        limit=st.integers(1, codec.MAX_FOUND),
    )
)
def test_a_search_survives_the_way_to_a_server(query):
    pairs = codec.search_parameters(query)
    attributes = [value for name, value in pairs if name == "attr"]
    assert codec.read_search_parameters(dict(pairs), attributes, now=Instant(5)) == query


def test_the_codec_costs_nothing_until_it_is_used():
    code = "import sys, tracecollect.codec; sys.exit('cattrs' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
