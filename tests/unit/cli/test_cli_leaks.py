"""`leaks` and `explain`: what is said of a recording is what really happened in it."""

from __future__ import annotations

import json
import shlex
import shutil
from collections import Counter
from datetime import datetime

import jsonschema
import pytest
from recordings import labels

from tracecollect.cli.common import status_of
from tracecollect.model import Verdict

TIME = {"type": "string", "pattern": r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{9})?Z$"}
TEXT = {"type": "string"}
MAYBE_TEXT = {"type": ["string", "null"]}
TRACE_ID = {"type": "string", "pattern": "^([0-9a-f]{32})?$"}
SPAN_ID = {"type": ["string", "null"], "pattern": "^([0-9a-f]{16})?$"}


def exactly(**properties: dict) -> dict:
    """An object with these keys, all of them and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def many(items: dict) -> dict:
    return {"type": "array", "items": items}


NUMBER = {"type": "number", "minimum": 0}
MAYBE_NUMBER = {"type": ["number", "null"], "minimum": 0}
MAYBE_TIME = {"anyOf": [TIME, {"type": "null"}]}
IMPACT = exactly(
    per_hour_low=MAYBE_NUMBER,
    per_hour_high=MAYBE_NUMBER,
    pool_size=MAYBE_NUMBER,
    left=MAYBE_NUMBER,
    exhausted_from=MAYBE_TIME,
    exhausted_to=MAYBE_TIME,
    waits=NUMBER,
    starved=NUMBER,
    starved_seconds=NUMBER,
    timeouts=NUMBER,
)
VERSION_1 = exactly(
    version={"const": 1},
    as_of=TIME,
    findings=many(
        exactly(
            id={"type": "string", "pattern": "^f_[0-9a-f]{16}$"},
            verdict={
                "enum": ["leaked", "suspected", "held_long", "closed_late", "recovered", "pinned_by_design", "unknown"],
            },
            confidence={"type": "number", "minimum": 0, "maximum": 1},
            family={"enum": ["A", "B", "C", "D", "counted", "eliminated", "report"]},
            dialect=TEXT,
            service=TEXT,
            instance=TEXT,
            pool=TEXT,
            entry=TEXT,
            code=MAYBE_TEXT,
            statement=MAYBE_TEXT,
            leaked_count={"type": "integer", "minimum": 0},
            first_at=TIME,
            last_at=TIME,
            per_hour={"type": ["number", "null"], "exclusiveMinimum": 0},
            exhausted_at={"anyOf": [TIME, {"type": "null"}]},
            starved_requests={"type": "integer", "minimum": 0},
            evidence={
                **many(
                    exactly(
                        kind={"enum": ["observed", "inferred"]},
                        text={"type": "string", "minLength": 1},
                        trace_id=TRACE_ID,
                        span_id=SPAN_ID,
                    )
                ),
                "minItems": 1,
            },
            instances=many(
                exactly(
                    trace_id=TRACE_ID,
                    span_id=SPAN_ID,
                    connection_id=MAYBE_TEXT,
                    acquired_at=TIME,
                    held_seconds={"type": "number", "minimum": 0},
                )
            ),
            impact={"anyOf": [IMPACT, {"type": "null"}]},
            suspects=many(
                exactly(entry=TEXT, count=NUMBER, low=NUMBER, high=NUMBER, trace_ids=many(TRACE_ID)),
            ),
        )
    ),
    coverage=many(
        exactly(
            service=TEXT,
            instance=TEXT,
            pool=TEXT,
            level={"enum": ["certain", "inferred", "counted", "blind"]},
            dialects={**many(TEXT), "minItems": 1},
            why={"type": "string", "minLength": 1},
            hint=TEXT,
        )
    ),
)


@pytest.mark.parametrize("recording", ["asyncpg", "nodepg", "psycopg", "healthy"])
def test_the_json_of_leaks_is_exactly_version_1(ask, request, recording):
    told = ask("leaks", *request.getfixturevalue(recording).judged, "--json")
    document = json.loads(told.out)
    jsonschema.Draft202012Validator(VERSION_1).validate(document)
    assert next(iter(document)) == "version", "a reader decides by it"
    assert document["coverage"]
    assert (told.status, told.err) == (0, "")


def test_every_leaked_hold_is_named_by_the_trace_that_took_it_and_no_other(report):
    named = [hold["trace_id"] for one in json.loads(report.out)["findings"] for hold in one["instances"]]
    assert sorted(named) == sorted(one["trace_id"] for one in labels("asyncpg-leak")["leaks"])


def test_each_operation_is_one_finding_with_its_own_count(report):
    routes = {"GET /orders/{oid}/peek": "peek", "POST /orders/{oid}/pay": "pay", "GET /orders/export": "export"}
    found = {routes[one["entry"]]: one["leaked_count"] for one in json.loads(report.out)["findings"]}
    assert found == Counter(one["route"] for one in labels("asyncpg-leak")["leaks"])


def test_as_of_is_repeated_in_the_answer(report, asyncpg):
    assert json.loads(report.out)["as_of"] == asyncpg.at(300)


def test_a_leak_that_only_metrics_prove_has_a_count_and_no_instances(ask, nodepg):
    found = json.loads(ask("leaks", *nodepg.judged, "--json").out)["findings"]
    (finding,) = (one for one in found if one["family"] == "counted")
    assert finding["verdict"] == "leaked"
    assert finding["leaked_count"] == len(labels("nodepg-leak")["leaks"])
    assert finding["instances"] == []
    assert "counted by the pool's own numbers" in ask("leaks", *nodepg.judged).out


def test_a_pool_that_cannot_be_watched_is_called_blind_and_never_clean(ask, psycopg):
    told = ask("leaks", *psycopg.judged)
    assert told.out.startswith("cannot tell: every pool is blind")
    assert "BLIND" in told.out
    assert "to see more: " in told.out
    assert "no leak" not in told.out


def test_a_healthy_pool_is_said_to_be_healthy(ask, healthy):
    assert ask("leaks", *healthy.judged).out.startswith("no leak in 1 pool that can be watched, as of ")


def test_leaks_in_words_begins_with_how_many_and_ends_with_what_to_do_next(ask, served):
    lines = ask("leaks", *served.judged).out.splitlines()
    assert lines[0].startswith("45 connections not given back at 3 places, as of ")
    assert [line.partition(" ")[0] for line in lines[-2:]] == ["next:", "next:"]


def test_the_next_commands_can_be_pasted(ask, asyncpg):
    following = [line for line in ask("leaks", *asyncpg.judged).out.splitlines() if line.startswith("next: ")]
    explain, draw = (shlex.split(line.removeprefix("next: "))[1:] for line in following)
    assert "20 × GET /orders/{oid}/peek" in ask(*explain).out
    assert ask(*draw).err == "wrote leak.svg\n"


@pytest.mark.parametrize(
    ("recording", "fail_on", "status"),
    [
        ("served", "leaked", 1),
        ("served", "suspected", 1),
        ("healthy", "suspected", 0),
    ],
)
def test_fail_on_turns_findings_into_exit_status_1(ask, served, healthy, recording, fail_on, status):
    # Both by name: a server that started inside the test would count as left behind.
    judged = {"served": served, "healthy": healthy}[recording].judged
    assert ask("leaks", *judged, "--fail-on", fail_on).status == status


@pytest.mark.parametrize(
    ("verdict", "fail_on", "status"),
    [
        (Verdict.LEAKED, None, 0),
        (Verdict.LEAKED, "suspected", 1),
        (Verdict.SUSPECTED, "leaked", 0),
        (Verdict.SUSPECTED, "suspected", 1),
        (Verdict.UNKNOWN, "suspected", 0),
        (Verdict.CLOSED_LATE, "suspected", 0),
    ],
)
def test_only_what_is_as_bad_as_asked_for_fails(verdict, fail_on, status):
    assert status_of([verdict], fail_on) == status


def test_a_service_that_does_not_leak_has_no_findings(ask, served):
    told = ask("leaks", *served.judged, "--service", "gateway", "--json", "--fail-on", "leaked")
    assert json.loads(told.out)["findings"] == []
    assert told.status == 0


def test_another_pool_has_no_findings(ask, served):
    told = ask("leaks", *served.judged, "--pool", "elsewhere", "--json")
    assert json.loads(told.out)["findings"] == []


def test_since_leaves_out_what_began_before_it(ask, served):
    middle = served.at(-30)
    findings = json.loads(ask("leaks", *served.judged, "--since", middle, "--json").out)["findings"]
    taken = [hold["acquired_at"] for one in findings for hold in one["instances"]]
    assert 0 < len(taken) < 45
    assert min(map(datetime.fromisoformat, taken)) >= datetime.fromisoformat(middle)


def test_nobody_is_accused_within_the_grace(ask, served):
    at = ("--as-of", served.at(0), "--grace", "10m")
    told = ask("leaks", *served.here, *at, "--json", "--fail-on", "suspected")
    assert (json.loads(told.out)["findings"], told.status) == ([], 0)


# --- explain --------------------------------------------------------------------------------------------


@pytest.fixture
def finding(report):
    """The finding with the fewest holds."""
    return min(json.loads(report.out)["findings"], key=lambda one: one["leaked_count"])


def test_explain_has_every_hold_and_every_piece_of_evidence(ask, served, finding):
    out = ask("explain", finding["id"], *served.judged).out
    words = " ".join(out.split())
    assert [hold["trace_id"] for hold in finding["instances"] if hold["trace_id"] not in out] == []
    assert [one["text"] for one in finding["evidence"] if one["text"] not in words] == []
    assert "and 4 more" not in out


@pytest.mark.parametrize("shortened", [slice(0, 8), slice(2, 8)], ids=["with f_", "without f_"])
def test_a_finding_may_be_shortened(ask, asyncpg, finding, shortened):
    told = ask("explain", finding["id"][shortened], *asyncpg.judged, "--json")
    document = json.loads(told.out)
    assert document.keys() == {"finding", "history"}
    assert document["finding"] == finding


def test_an_ambiguous_finding_lists_the_candidates(ask, served, report):
    told = ask("explain", "f_", *served.judged)
    ids = [one["id"] for one in json.loads(report.out)["findings"]]
    assert (told.status, told.out) == (2, "")
    assert sorted(line.strip() for line in told.err.splitlines()[1:-1]) == sorted(ids)
    assert told.err.splitlines()[-1].startswith("hint: type more characters")


def test_a_finding_that_does_not_exist_is_an_error_with_a_hint(ask, served):
    told = ask("explain", "f_0000000000000000", *served.judged)
    assert (told.status, told.out) == (2, "")
    assert told.err == (
        "error: there is no finding f_0000000000000000\n"
        "hint: tracecollect leaks lists what there is; one that it told with --grace or --as-of needs the same here\n"
    )


def test_what_was_said_before_is_explained_after_it_was_taken_back(ask, tmp_path, monkeypatch, asyncpg):
    # In a copy: what the plain question remembers would be there for the other tests.
    here = ("--data-dir", str(tmp_path / "copy"))
    shutil.copytree(asyncpg.directory, tmp_path / "copy", symlinks=True)
    monkeypatch.setenv("TRACECOLLECT_GRACE", "5s")
    first = json.loads(ask("leaks", *here, "--json").out)["findings"][0]
    assert first["verdict"] == "leaked"
    # The recording goes on for 14 s after its last request, so nobody can tell with a minute of grace.
    monkeypatch.setenv("TRACECOLLECT_GRACE", "60s")
    told = json.loads(ask("explain", first["id"], *here, "--json").out)
    assert [one["verdict"] for one in told["history"]][-2:] == ["leaked", "unknown"]
    assert told["finding"]["verdict"] == "unknown"
    words = ask("explain", first["id"], *here).out
    assert any(line.split() == ["when", "verdict", "count", "why"] for line in words.splitlines())
    assert "was not heard of afterwards" in " ".join(words.split())
