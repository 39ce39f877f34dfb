"""`lifecycle`, `trace` and `graph`: every notation, to a file and to stdout."""

from __future__ import annotations

import json

import pytest
from contract.renderer import READERS
from recordings import labels

from tracecollect.cli.picture import GRAPH, TIMELINE
from tracecollect.render import NOTATIONS

WORDS = ("tree", "timeline")
POOL = "127.0.0.1:55432/shop3"


@pytest.fixture
def finding(report):
    """The finding with the fewest holds."""
    return min(json.loads(report.out)["findings"], key=lambda one: one["leaked_count"])["id"]


def test_the_command_line_knows_every_notation_that_there_is():
    assert set(TIMELINE) == set(GRAPH) == NOTATIONS.keys()


# --- lifecycle ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("notation", ["dot", "svg", "png", "mermaid", "html"])
def test_a_finding_is_drawn_to_a_file_that_a_reader_of_the_notation_accepts(ask, served, finding, tmp_path, notation):
    path = tmp_path / f"x.{notation}"
    told = ask("lifecycle", finding, *served.judged, "--as", notation, "-o", str(path))
    assert (told.status, told.out, told.err) == (0, "", f"wrote {path}\n")
    READERS[notation](path.read_bytes())


@pytest.mark.parametrize("notation", WORDS)
def test_a_finding_is_drawn_in_words_that_fit_a_hundred_columns(ask, served, finding, notation):
    told = ask("lifecycle", finding, *served.judged, "--as", notation)
    lines = told.out.splitlines()
    assert sum("never released ·" in line for line in lines) == 7
    assert sum("released after" in line for line in lines) == 5
    assert max(map(len, lines)) <= 100
    assert "\x1b" not in told.out


def test_a_lifecycle_is_a_timeline_unless_something_else_is_asked_for(ask, served, finding):
    plain, timeline = (ask("lifecycle", finding, *served.judged, *more) for more in ((), ("--as", "timeline")))
    assert plain.out == timeline.out


@pytest.mark.parametrize(
    ("ending", "notation"),
    [("svg", "svg"), ("PNG", "png"), ("dot", "dot"), ("gv", "dot"), ("mmd", "mermaid"), ("html", "html")],
)
def test_the_ending_of_the_file_chooses_the_notation(ask, served, leaked_trace, tmp_path, ending, notation):
    path = tmp_path / f"picture.{ending}"
    assert ask("lifecycle", leaked_trace, *served.here, "-o", str(path)).status == 0
    READERS[notation](path.read_bytes())


def test_what_is_said_wins_over_the_ending_of_the_file(ask, served, leaked_trace, tmp_path):
    path = tmp_path / "picture.svg"
    ask("lifecycle", leaked_trace, *served.here, "--as", "mermaid", "-o", str(path))
    READERS["mermaid"](path.read_bytes())


def test_pixels_may_go_through_a_pipe(ask, served, leaked_trace):
    told = ask("lifecycle", leaked_trace, *served.here, "--as", "png")
    READERS["png"](told.data)
    assert told.err == ""


def test_the_json_of_a_lifecycle_has_its_holds_whichever_way_it_is_asked_for(ask, served, finding, tmp_path):
    path = tmp_path / "x.json"
    told = ask("lifecycle", finding, *served.judged, "--json")
    document = json.loads(told.out)
    assert document.keys() == {"title", "window", "holds", "samples", "finding", "omitted", "process"}
    assert document["finding"]["id"] == finding
    assert sum(hold["released_at"] is None for hold in document["holds"]) == 7
    ask("lifecycle", finding, *served.judged, "-o", str(path))
    assert path.read_text() == told.out


def test_the_lifecycle_of_a_trace_has_its_one_connection(ask, served, leaked_trace):
    told = ask("lifecycle", leaked_trace[:12], *served.here)
    assert told.out.splitlines()[0] == f"trace {leaked_trace}"
    assert "1 not followed to the end" in told.out, "its process was not heard of for an hour"


def test_the_lifecycle_of_a_pool_has_leaked_and_returned_connections(ask, served):
    told = ask("lifecycle", "--pool", POOL, *served.judged)
    assert "45 never released · 275 released" in told.out


@pytest.mark.parametrize("subject", [(), ("abc", "--pool", "def")], ids=["nothing", "both"])
def test_a_lifecycle_is_of_one_thing(ask, served, subject):
    told = ask("lifecycle", *subject, *served.here)
    assert (told.status, told.out) == (2, "")
    assert told.err == (
        "error: lifecycle of what?\nhint: name a trace, a finding (tracecollect leaks) or --pool NAME\n"
    )


def test_a_pool_that_does_not_exist_is_an_error_with_a_hint(ask, served):
    told = ask("lifecycle", "--pool", "no-such-pool", *served.judged)
    assert (told.status, told.out) == (2, "")
    assert "no-such-pool" in told.err
    assert told.err.splitlines()[-1].startswith("hint: ")


@pytest.mark.parametrize("notation", ["svg", "png", "mermaid", "html", "json", "tree"])
def test_a_file_that_cannot_be_written_is_an_error_and_no_drawing(ask, served, leaked_trace, tmp_path, notation):
    path = tmp_path / "nowhere" / "x"
    told = ask("lifecycle", leaked_trace, *served.here, "--as", notation, "-o", str(path))
    assert (told.status, told.out) == (2, "")
    assert told.err == (f"error: cannot write {path}: No such file or directory\nhint: choose another file with -o\n")


# --- trace ----------------------------------------------------------------------------------------------


def test_a_trace_is_a_tree_with_its_connection_beneath_the_span_that_took_it(ask, served, leaked_trace):
    told = ask("trace", leaked_trace, *served.here)
    lines = told.out.splitlines()
    assert leaked_trace in lines[1]
    (held,) = (number for number, line in enumerate(lines) if "not seen again" in line and POOL in line)
    assert "SELECT" in lines[held - 1]
    assert (told.status, told.err) == (0, "")


@pytest.mark.parametrize("spell", [lambda name: name[:8], str.upper, lambda name: f" {name} "])
def test_a_trace_id_may_be_shortened_in_capitals_and_pasted_with_blanks(ask, served, leaked_trace, spell):
    assert json.loads(ask("trace", spell(leaked_trace), *served.here, "--json").out)["trace_id"] == leaked_trace


@pytest.mark.parametrize("name", ["0123456789abcdef0123456789abcdef", "0123456789abcdef", "xyz"])
def test_a_trace_that_does_not_exist_is_an_error_with_a_hint_and_no_empty_drawing(ask, served, name):
    told = ask("trace", name, *served.here)
    assert (told.status, told.out) == (2, "")
    error, hint = told.err.splitlines()
    assert error in (f"error: there is no trace {name}", f"error: {name!r} is no trace id")
    assert hint.startswith("hint: ")


def test_an_ambiguous_trace_lists_the_candidates(ask, served, leaked_trace):
    told = ask("trace", leaked_trace[:1], *served.here)
    first, *candidates, hint = told.err.splitlines()
    assert (told.status, told.out) == (2, "")
    assert first.startswith(f"error: {leaked_trace[:1]} fits ")
    assert 2 <= len(candidates) <= 20
    assert f"  {leaked_trace}" in candidates
    assert all(one.startswith(f"  {leaked_trace[:1]}") and len(one) == 34 for one in candidates)
    assert hint == "hint: type more characters of one of these"


@pytest.mark.parametrize("more", [(), ("--calls",)], ids=["spans", "calls"])
@pytest.mark.parametrize("notation", ["svg", "mermaid"])
def test_a_trace_is_drawn_as_spans_or_as_calls(ask, served, leaked_trace, notation, more):
    told = ask("trace", leaked_trace, *served.here, "--as", notation, *more)
    READERS[notation](told.data)
    assert ("flowchart" in told.out) == (notation == "mermaid" and more != ())


def test_the_json_of_a_trace_has_its_spans_in_order_and_its_hold(ask, served, leaked_trace):
    told = ask("trace", leaked_trace, *served.here, "--as", "json")
    document = json.loads(told.out)
    starts = [span["start"] for span in document["spans"]]
    assert starts == sorted(starts)
    (hold,) = document["holds"]
    taken = next(one for one in labels("asyncpg-leak")["leaks"] if one["trace_id"] == leaked_trace)
    assert (hold["trace_id"], hold["released_at"]) == (taken["trace_id"], None)


def test_otlp_has_one_json_object_a_line(ask, served, leaked_trace):
    told = ask("trace", leaked_trace, *served.here, "--as", "otlp")
    first, *rest = (json.loads(line) for line in told.out.splitlines())
    assert first.keys() == {"resourceSpans"}
    assert all(one.keys() == {"resourceLogs"} for one in rest)
    spans = [s for r in first["resourceSpans"] for scope in r["scopeSpans"] for s in scope["spans"]]
    assert {span["traceId"] for span in spans} == {leaked_trace}


# --- lifecycle --starved --------------------------------------------------------------------------------


def test_who_starved_whom_is_drawn_for_a_finding_and_for_its_pool(ask, starving):
    (finding, *_) = json.loads(ask("leaks", *starving.judged, "--json").out)["findings"]
    told = ask("lifecycle", *starving.judged, "--starved", finding["id"])
    assert told.out.startswith("Who kept whom waiting for pool")
    assert "POST /orders/{id}/pay" in told.out
    assert told.out == ask("lifecycle", *starving.judged, "--starved", "--pool", finding["pool"]).out
    READERS["svg"](ask("lifecycle", *starving.judged, "--starved", finding["id"], "--as", "svg").data)


def test_the_json_of_who_starved_whom_shares_the_time_among_those_to_blame(ask, starving):
    pool = json.loads(ask("pools", *starving.judged, "--json").out)[0]["pool"]
    found = json.loads(ask("lifecycle", *starving.judged, "--starved", "--pool", pool, "--json").out)
    assert (found["waits"], found["unexplained"], found["omitted"]) == (80, 0, 0)
    assert {one["verdict"] for one in found["blames"]} == {"leaked"}
    assert sum(one["seconds"] for one in found["blames"]) > 100


def test_who_starved_a_trace_is_asked_of_holders(ask, starving):
    told = ask("lifecycle", *starving.judged, "--starved", "ab12")
    assert told.status == 2
    assert "tracecollect holders --trace ab12" in told.err


# --- graph ----------------------------------------------------------------------------------------------


def test_the_graph_says_who_calls_whom_and_how_often(ask, served):
    told = ask("graph", *served.window)
    gateway, orders = told.out.splitlines()[3:5]
    assert gateway.startswith("● gateway")
    assert orders.startswith("└─● orders")
    assert "320×" in orders


@pytest.mark.parametrize("more", [(), ("--operations",)], ids=["services", "operations"])
def test_the_graph_is_drawn_too(ask, served, more):
    READERS["svg"](ask("graph", *served.window, "--as", "svg", *more).data)


def test_the_json_of_the_graph_has_calls(ask, served):
    calls = json.loads(ask("graph", *served.window, "--json").out)
    across = [one for one in calls if (one["caller_service"], one["service"]) == ("gateway", "orders")]
    assert sum(one["count"] for one in across) == labels("asyncpg-leak")["requests_total"]


def test_the_graph_of_one_service_has_only_its_calls(ask, served):
    calls = json.loads(ask("graph", *served.window, "--service", "gateway", "--json").out)
    assert calls
    assert all("gateway" in (one["caller_service"], one["service"]) for one in calls)


def test_a_window_without_calls_is_an_error_and_no_empty_drawing(ask, served):
    told = ask("graph", *served.here, "--since", "20h", "--until", "19h")
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith("error: no call in this window\nhint: ")
