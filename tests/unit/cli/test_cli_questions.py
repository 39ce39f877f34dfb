"""`pools`, `holders`, `search`, `services`, `doctor`: tables for people, JSON for programs."""

from __future__ import annotations

import json
import re

import pytest
from recordings import labels

from tracecollect import settings

POOL = "127.0.0.1:55432/shop3"


def rows(table: str) -> list[dict[str, str]]:
    """The rows of a table, by their headings. Columns are at least two blanks apart."""
    heads, *lines = (re.split(r"\s{2,}", line.strip()) for line in table.splitlines())
    return [dict(zip(heads, line, strict=True)) for line in lines]


# --- pools ----------------------------------------------------------------------------------------------


def test_pools_says_how_full_a_pool_is_and_what_leaked(ask, nodepg):
    told = ask("pools", *nodepg.judged)
    (pool,) = rows("\n".join(told.out.splitlines()[:2]))
    assert (pool["used"], pool["max"], pool["leaked"], pool["coverage"]) == ("45", "80", "45", "counted")
    assert (told.status, told.err) == (0, "")


def test_a_number_that_nobody_says_is_a_dash_in_words_and_null_in_json(ask, psycopg):
    told = ask("pools", *psycopg.judged)
    (row,) = rows("\n".join(told.out.splitlines()[:2]))
    (pool,) = json.loads(ask("pools", *psycopg.judged, "--json").out)
    assert (row["used"], pool["used"]) == ("-", None)
    assert (row["coverage"], pool["coverage"]["level"]) == ("blind", "blind")
    assert "to see more: " in told.out


def test_no_pool_is_a_note_and_no_data(ask, served):
    told = ask("pools", *served.judged, "--service", "nobody")
    assert (told.status, told.out) == (0, "")
    assert told.err == "no pool was seen; tracecollect doctor says what has arrived\n"


# --- holders --------------------------------------------------------------------------------------------


def test_holders_has_every_open_hold_longest_first(ask, served):
    told = ask("holders", *served.judged)
    found = rows(told.out)
    in_order = sorted(labels("asyncpg-leak")["leaks"], key=lambda one: one["t_acquire"])
    assert {row["trace"] for row in found} == {one["trace_id"] for one in in_order}
    assert found[0]["trace"] == in_order[0]["trace_id"]
    assert {row["verdict"] for row in found} == {"leaked"}
    assert told.err == ""


def test_holders_beyond_the_limit_are_counted_beside_the_data(ask, served):
    told = ask("holders", *served.judged, "--limit", "3")
    assert len(rows(told.out)) == 3
    assert told.err == "and 42 more: --limit 45\n"


def test_the_json_of_holders_has_their_owners(ask, served):
    found = json.loads(ask("holders", *served.judged, "--json", "--limit", "2").out)
    assert len(found) == 2
    assert all(hold["owner"]["name"].startswith(("GET /", "POST /")) for hold in found)


def test_holders_of_a_blind_pool_are_not_said_to_be_nobody_only(ask, psycopg):
    told = ask("holders", *psycopg.judged)
    assert told.out == ""
    assert "blind: who holds connections of" in told.err


# --- holders --trace: who starved me ---------------------------------------------------------------------


def starved_trace() -> str:
    return labels("go-otelpgx-exhausted")["acquire_failures"][-1]["trace_id"]


def test_a_request_that_waited_in_vain_is_told_who_had_the_connections(ask, starving):
    (wait,) = json.loads(ask("holders", *starving.judged, "--trace", starved_trace()[:10], "--json").out)
    leaked = {one["trace_id"] for one in labels("go-otelpgx-exhausted")["leaks"]}
    assert (wait["cause"], wait["failed"], wait["lost"], wait["pool_size"]) == ("leak", True, 12, 12)
    assert {one["trace_id"] for one in wait["holders"]} <= leaked
    assert len(wait["holders"]) + wait["unnamed"] == 12
    assert all(one["verdict"] == "leaked" and one["until"] is None for one in wait["holders"])


def test_who_starved_a_request_is_readable_at_eighty_columns_without_colour(ask, starving):
    told = ask("holders", *starving.judged, "--trace", starved_trace())
    assert told.status == 0
    assert told.err == ""
    assert "\x1b" not in told.out
    assert "in vain for a connection of" in told.out
    assert "because of  the leak: every connection of the pool (12) was leaked by then" in told.out
    assert re.search(r"LEAKED  6 × POST /orders/\{id\}/pay", told.out)
    assert "leaked connections that no span names" in told.out
    assert all(len(line) <= 80 for line in told.out.splitlines() if not line.startswith("next: "))
    assert re.search(r"^next: tracecollect explain f_\w+ --as-of ", told.out, re.MULTILINE)


def test_a_running_server_tells_of_a_request_that_never_waited_that_it_did_not(ask, served, leaked_trace):
    told = ask("holders", *served.judged, "--trace", leaked_trace[:12])
    assert (told.status, told.out) == (0, "")
    assert "no wait of 100 ms or more" in told.err
    assert "hint:" in told.err
    assert json.loads(ask("holders", *served.judged, "--trace", leaked_trace, "--json").out) == []


@pytest.mark.parametrize(("trace", "hint"), [("f" * 32, "tracecollect search"), ("f_12", "a finding begins with f_")])
def test_who_starved_a_trace_that_does_not_exist_is_an_error_with_a_hint(ask, served, trace, hint):
    told = ask("holders", *served.judged, "--trace", trace)
    assert (told.status, told.out) == (2, "")
    assert hint in told.err


# --- search ---------------------------------------------------------------------------------------------


def found(ask, recorded, *conditions: str) -> list[dict]:
    return json.loads(ask("search", *recorded.window, "--limit", "1000", "--json", *conditions).out)


def test_search_finds_every_trace_newest_first(ask, served):
    traces = found(ask, served)
    assert len(traces) == labels("asyncpg-leak")["requests_total"]
    assert [one["start"] for one in traces] == sorted((one["start"] for one in traces), reverse=True)


def test_the_table_of_search_has_whole_ids_that_can_be_pasted(ask, served):
    told = ask("search", *served.window, "--limit", "2")
    assert [len(row["trace"]) for row in rows(told.out)] == [32, 32]
    assert told.err == ""


def test_the_conditions_of_search_must_all_hold(ask, served):
    pays = sum(n for way, n in labels("asyncpg-leak")["requests_by_route_status"].items() if "/pay " in way)
    failed = sum(n for way, n in labels("asyncpg-leak")["requests_by_route_status"].items() if "/pay 5" in way)
    pay = ("--service", "orders", "--operation", "POST /orders/{oid}/pay")
    assert len(found(ask, served, *pay)) == pays
    assert len(found(ask, served, *pay, "--error")) == failed
    assert found(ask, served, *pay, "--service", "gateway") == []


def test_search_by_attribute_and_duration(ask, served):
    route = ("--attr", "http.route=/orders/export")
    exports = found(ask, served, *route)
    slow = found(ask, served, *route, "--min-duration", "4ms")
    fast = found(ask, served, *route, "--max-duration", "3999999ns")
    assert 0 < len(slow) < len(exports)
    either = {one["trace_id"] for one in (*slow, *fast)}
    assert either == {one["trace_id"] for one in exports}
    assert found(ask, served, *route, "--attr", "http.route=/elsewhere") == []


def test_nothing_found_is_a_note_and_no_data(ask, served):
    told = ask("search", *served.window, "--service", "nobody")
    assert (told.status, told.out) == (0, "")
    assert told.err == "no trace meets every condition; a longer --since may help\n"
    assert ask("search", *served.window, "--service", "nobody", "--json").out == "[]\n"


# --- services -------------------------------------------------------------------------------------------


def test_services_has_every_instance_with_its_libraries(ask, served):
    told = ask("services", *served.window)
    gateway, orders = rows(told.out)
    assert (gateway["service"], orders["service"]) == ("gateway", "orders")
    assert "opentelemetry.instrumentation.asyncpg" in orders["libraries"]
    spans = [one["spans"] for one in json.loads(ask("services", *served.window, "--json").out)]
    assert [int(gateway["spans"]), int(orders["spans"])] == spans


def test_no_service_is_a_note_and_no_data(ask, served):
    told = ask("services", *served.here, "--since", "20h", "--until", "19h")
    assert (told.status, told.out) == (0, "")
    assert told.err.startswith("no service was heard of in this window")


# --- doctor ---------------------------------------------------------------------------------------------


def test_doctor_looks_at_the_store_and_exits_2_when_nobody_listens(ask, asyncpg):
    told = ask("doctor", *asyncpg.here)
    assert told.status == 2
    lines = told.out.splitlines()
    assert lines[0].split() == ["FAIL", "listening", "no", "server", "runs", "on", "this", "data", "directory"]
    assert lines[1].strip() == "hint: start `tracecollect serve`"
    assert any(line.startswith("ok    store       2528 spans, 322 log records") for line in lines)
    assert told.err == ""


def test_doctor_says_every_setting_and_where_it_came_from(ask, asyncpg, monkeypatch):
    monkeypatch.setenv("TRACECOLLECT_LINGER", "3s")
    out = ask("doctor", *asyncpg.here).out
    table = out.split("\nsettings\n")[1].split("\n\n")[0]
    said = {line.split()[0]: line for line in table.splitlines()[1:]}
    assert said.keys() == settings.names().keys()
    assert said["linger"].split(maxsplit=2) == ["linger", "3s", "environment TRACECOLLECT_LINGER"]
    assert said["data_dir"].endswith("flag --data-dir")
    assert said["grace"].endswith("default")


def test_doctor_of_an_empty_place_says_how_to_send_a_first_span(ask, tmp_path):
    told = ask("doctor", "--data-dir", str(tmp_path / "nothing"))
    assert told.status == 2
    assert told.out.startswith("FAIL  reachable   there is no telemetry in ")
    assert "OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317" in told.out


def test_the_json_of_doctor_has_checks_and_settings(ask, asyncpg):
    told = ask("doctor", *asyncpg.here, "--json")
    document = json.loads(told.out)
    assert document.keys() == {"version", "checks", "settings", "origins", "usage"}
    assert {one["name"]: one["ok"] for one in document["checks"]} == {
        "listening": False, "disk": True, "store": True, "clock": True,
    }  # fmt: skip
    assert document["settings"].keys() == settings.names().keys()


@pytest.mark.parametrize("command", ["pools", "holders", "leaks"])
def test_a_question_changes_nothing_for_the_next(ask, served, command):
    first, second = (ask(command, *served.judged, "--json").out for _ in range(2))
    assert first == second
