"""`diff`: builds of a service out of files and out of a server, traces, and what is not two sides."""

from __future__ import annotations

import json
import tempfile

import pytest
from recordings import SAMPLES, labels

HEALTHY, LEAKING = (str(SAMPLES / f"asyncpg-{name}.jsonl.gz") for name in ("healthy", "leak"))
BUILDS = ("diff", "--service", "orders", "--grace", "5s")


@pytest.fixture
def scratch(tmp_path, monkeypatch):
    """Where temporary files go."""
    place = tmp_path / "scratch"
    place.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place))
    return place


# --- files ----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_new_leak_sites_between_two_files_fail_the_gate_and_nothing_is_left_behind(ask, scratch):
    told = ask(*BUILDS, "--fail-on", "leaked", f"{HEALTHY}..{LEAKING}")
    lines = told.out.splitlines()
    assert (told.status, told.err) == (1, "")
    assert lines[0] == "leak sites of orders: 3 new, 0 still there, 0 vanished"
    assert [line.split()[1:4] for line in lines[-3:]] == [["LEAKED", n, "×"] for n in ("20", "18", "7")]
    assert max(map(len, lines)) <= 80
    every = lines.index(next(line for line in lines if line.startswith("all ")))
    assert lines[every].split()[:3] == ["all", "320", "1"]
    assert lines[every + 1].split()[:3] == ["after", "320", "1"]
    assert list(scratch.iterdir()) == []


@pytest.mark.slow
def test_leak_sites_that_vanished_do_not_fail_the_gate(ask, scratch):
    told = ask(*BUILDS, "--fail-on", "suspected", "--json", LEAKING, HEALTHY)
    diff = json.loads(told.out)
    assert (told.status, diff["new"], diff["still"]) == (0, [], [])
    assert sum(one["leaked_count"] for one in diff["vanished"]) == 45
    assert diff["whole"]["before"]["requests"] == diff["whole"]["after"]["requests"] == 320


def test_a_file_that_is_none_is_a_clear_error_and_leaves_nothing_behind(ask, scratch, tmp_path):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"resourceSpans": "nonsense"}\n')
    told = ask(*BUILDS, f"{bad}..{LEAKING}")
    assert (told.status, told.out) == (2, "")
    assert "bad.jsonl:1" in told.err
    assert list(scratch.iterdir()) == []


# --- a server -------------------------------------------------------------------------------------------


def test_a_version_beside_itself_has_the_same_leak_sites_still(ask, served):
    told = ask(*BUILDS, *served.here, "1.0.0..1.0.0", "--fail-on", "suspected")
    assert told.out.splitlines()[0] == "leak sites of orders: 0 new, 3 still there, 0 vanished"
    assert told.status == 0
    assert "version 1.0.0" in told.out


def test_what_cannot_be_judged_is_said_beside_the_data(ask, served):
    told = ask("diff", "--service", "orders", *served.here, "1.0.0..1.0.0")
    assert told.out.startswith("leak sites of orders: 0 new, 0 still there, 0 vanished\n")
    assert told.err.count("cannot tell what became of 45 connections") == 2


def test_two_windows_are_compared_by_what_began_in_them(ask, served):
    windows = f"{served.at(-120)}/{served.at(-35)}..{served.at(-35)}/{served.at(10)}"
    told = ask(*BUILDS, *served.here, "--json", windows)
    assert told.status == 0, told.err
    diff = json.loads(told.out)
    before, after = (diff["whole"][side]["requests"] for side in ("before", "after"))
    assert before + after == 320
    assert min(before, after) > 0
    assert diff["before"]["window"] == {"since": served.at(-120), "until": served.at(-35)}


def test_a_version_that_never_ran_says_which_did(ask, served):
    told = ask(*BUILDS, *served.here, "1.0.0..1.1.0")
    assert told.status == 2
    assert "there is no version 1.1.0 of orders" in told.err
    assert "hint: seen: 1.0.0" in told.err


# --- traces ---------------------------------------------------------------------------------------------


def test_two_traces_are_compared_operation_by_operation(ask, served, leaked_trace):
    known = labels("asyncpg-leak")
    route = next(one["route"] for one in known["leaks"] if one["trace_id"] == leaked_trace)
    fine = next(one for one in known["all_leases"] if one["route"] != route and one["t_release"])["trace_id"]
    told = ask("diff", *served.here, leaked_trace[:12], fine[:12])
    lines = told.out.splitlines()
    assert lines[0].split()[:2] == ["before", leaked_trace]
    assert lines[1].split()[:2] == ["after", fine]
    assert max(map(len, lines)) <= 80
    diff = json.loads(ask("diff", *served.here, leaked_trace, fine, "--json").out)
    calls = {(one["service"], one["name"]): one for one in diff["operations"]}
    only = [one for one in calls.values() if one["before"] is None or one["after"] is None]
    assert only
    assert sum(line.endswith(("  before", "  after")) for line in lines[4:]) == len(only)


# --- mistakes -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (("--service", "orders", "1.0"), "'1.0' is not two sides"),
        (("1", "2", "3"), "'1 2 3' is not two sides"),
        (("--service", "orders", "2h/soon..1h/0s"), "'2h/soon' is neither a window nor a file that is there"),
        (("--service", "orders", "1h/2h..1h/0s"), "the window is empty"),
        (("--service", "orders", "old.jsonl.gz..new.jsonl.gz"), "there is no file old.jsonl.gz"),
        (("--service", "orders", "../a/../b.jsonl..../c.jsonl"), "'../a/../b.jsonl' is neither"),
        (("--fail-on", "leaked", "a1", "b2"), "--fail-on and --grace are about builds"),
    ],
)
def test_what_is_not_two_sides_is_a_mistake_with_a_hint(ask, given, said):
    told = ask("diff", *given)
    assert (told.status, told.out) == (2, "")
    assert said in told.err
    assert "hint: " in told.err
