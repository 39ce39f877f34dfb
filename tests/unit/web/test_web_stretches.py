"""A trace a stretch at a time, and the home page's question: bounded, filtered, and the same as the whole."""

from __future__ import annotations

from dataclasses import replace

import httpx
import pytest
from known_answers import BLIND, FINDING, HOSTILE, REPORT, SEEN, TRACE, KnownAnswers

from tracecollect import model
from tracecollect.model import Instant, LeakQuery, LeakReport
from tracecollect.render import NOTATIONS

BEGAN = Instant(1_795_405_440_000_000_000)
SIZE = 700


def span_of(number, parent, **more):
    name = f"{number:016x}"
    start = Instant(BEGAN + number * 1000)
    return model.Span(TRACE, name, parent, f"work {number}", model.SpanKind.INTERNAL, "orders", "i", start, 500, **more)


class LongTrace(KnownAnswers):
    """A root with two branches, of which the second has one error and a parent that never came."""

    def trace(self, trace_id, most=0, skip=0):
        self.asked.append(trace_id)
        root, left, right = (f"{number:016x}" for number in (1, 2, 3))
        spans = [span_of(1, ""), span_of(2, root), span_of(3, root)]
        spans += [span_of(number, left) for number in range(4, SIZE - 2)]
        spans.append(span_of(SIZE - 2, right, status=model.StatusCode.ERROR, attributes={"http.route": "/Pay"}))
        spans.append(span_of(SIZE - 1, "f" * 16))
        log = model.LogRecord(BEGAN, TRACE, right, "orders", "WARN", "The TILL is open")
        hold = model.Hold("orders", "i", "db", "d", "p", "k", BEGAN, None, BEGAN, TRACE, right)
        return model.Trace(TRACE, tuple(spans), (log,), (hold,))


@pytest.fixture
def long(serve):
    answers = LongTrace()
    server = serve(answers)

    def ask(path="lanes", **parameters):
        response = httpx.get(f"{server.url}/api/v1/traces/{TRACE}/{path}", params=parameters)
        assert response.status_code == 200, response.text
        return response.json()

    ask.answers = answers
    return ask


def test_the_stretches_of_a_trace_are_the_whole_trace_in_order(long):
    first = long()
    lanes = list(first["timeline"]["lanes"])
    while len(lanes) < first["total"]:
        lanes += long(first=len(lanes))["timeline"]["lanes"]
    # Every span, the parent that never came, and the hold.
    assert first["total"] == len(lanes) == SIZE - 1 + 2
    assert len({lane["id"] for lane in lanes}) == len(lanes)
    assert [lane["label"] for lane in lanes[:3]] == ["work 1", "work 2", "work 4"]


def test_a_trace_is_read_once_for_all_of_its_stretches_and_again_from_its_beginning(long):
    long()
    long(first=300)
    long("find", text="work")
    assert long.answers.asked == [TRACE]
    long(first=0)
    assert long.answers.asked == [TRACE, TRACE]


def test_a_trace_too_long_for_one_scroll_names_those_beside_it(serve):
    class Longer(LongTrace):
        def trace(self, trace_id, most=0, skip=0):
            return replace(super().trace(trace_id), earlier=skip, omitted=90_000 - skip)

    url = f"{serve(Longer()).url}/api/v1/traces/{TRACE}/lanes"
    beside = [httpx.get(url, params={"skip": skip}).json() for skip in (0, 30_000, 90_000)]
    assert [(one["before"], one["after"]) for one in beside] == [(None, 30_000), (0, 60_000), (60_000, None)]
    assert "30,000 spans that began earlier are left out." in beside[1]["timeline"]["notes"]
    assert httpx.get(url, params={"skip": "-1"}).status_code == 400


def test_every_lane_says_how_many_of_those_after_it_folding_hides(long):
    answer = long(limit=2000)
    depths = [lane["depth"] for lane in answer["timeline"]["lanes"]]
    for row, below in enumerate(answer["below"]):
        inside = depths[row + 1 : row + 1 + below]
        after = depths[row + 1 + below : row + 2 + below]
        assert all(depth > depths[row] for depth in inside)
        assert all(depth <= depths[row] for depth in after)


def test_what_is_worth_a_jump_is_named_by_its_number(long):
    answer = long(limit=2000)
    lanes = answer["timeline"]["lanes"]
    assert [lanes[row]["label"] for row in answer["errors"]] == [f"work {SIZE - 2}"]
    assert [lanes[row]["role"] for row in answer["missing"]] == ["missing"]
    assert [lanes[row]["label"] for row in answer["holds"]] == ["connection of db"]


@pytest.mark.parametrize(("text", "label"), [("work 3", "work 3"), ("/pay", f"work {SIZE - 2}"), ("till", "work 3")])
def test_a_text_is_found_in_names_attributes_and_logs_whatever_its_case(long, text, label):
    lanes = long(limit=2000)["timeline"]["lanes"]
    assert label in [lanes[row]["label"] for row in long("find", text=text)["lanes"]]
    assert long("find", text="nowhere at all")["lanes"] == []


def test_a_span_comes_with_its_logs_and_the_way_that_leads_to_it(long):
    lanes = long(limit=2000)["timeline"]["lanes"]
    answer = long(f"spans/{3:016x}")
    assert answer["span"]["name"] == "work 3"
    assert [one["body"] for one in answer["logs"]] == ["The TILL is open"]
    assert [lanes[row]["label"] for row in answer["way"]] == ["work 1", "work 3"]


def test_the_logs_of_a_trace_come_a_few_at_a_time(long):
    assert long("logs")["total"] == 1
    assert long("logs", first=1)["logs"] == []


@pytest.mark.parametrize("query", ["first=-1", "limit=0", "limit=2001", "first=x", "first=1&first=2", "form=0"])
def test_a_stretch_out_of_bounds_is_a_mistake_of_who_asks(server, query):
    response = httpx.get(f"{server.url}/api/v1/traces/{TRACE}/lanes?{query}")
    assert (response.status_code, response.json()["error"]) == (400, "UsageError")


def test_an_unknown_span_is_not_found(server):
    assert httpx.get(f"{server.url}/api/v1/traces/{TRACE}/spans/{'f' * 16}").status_code == 404


def test_a_trace_as_otlp_is_what_import_reads(server):
    response = httpx.get(f"{server.url}/api/v1/traces/{TRACE}/otlp")
    assert response.headers["content-type"] == "application/x-ndjson"
    assert "resourceSpans" in response.text.splitlines()[0]
    assert "resourceLogs" in response.text.splitlines()[1]


# --- the home page's question -------------------------------------------------------------------------


def overview(server, **parameters):
    return httpx.get(server.url + "/api/v1/overview", params=parameters)


def test_the_overview_says_what_leaks_how_many_and_since_when_in_its_first_two_lines(server):
    told = overview(server).json()
    assert told["role"] == "leaked"
    assert told["headline"] == "45 connections not given back, 1 leak site"
    assert "45 connections of" in told["detail"]
    assert "since" in told["detail"]
    assert told["rows"][0]["out"][-1] == len(FINDING.instances)


def test_the_pools_that_cannot_be_seen_come_first(server):
    told = overview(server).json()
    assert [one["level"] for one in told["coverage"]] == ["blind", "inferred"]
    assert told["levels"] == {"blind": 1, "inferred": 1}


@pytest.mark.parametrize(
    ("report", "role", "words"),
    [
        (LeakReport(REPORT.as_of, (), (BLIND, SEEN)), "unknown", "No finding, but blind for 1 of 2 pools"),
        (LeakReport(REPORT.as_of, (), (BLIND,)), "unknown", "Cannot tell: blind for 1 pool"),
        (LeakReport(REPORT.as_of, (), (SEEN,)), "healthy", "No leak in 1 pool"),
        (LeakReport(REPORT.as_of, (), ()), "unknown", "Nothing has arrived"),
    ],
)
def test_no_finding_is_called_health_only_where_every_pool_is_seen(serve, report, role, words):
    told = overview(serve(KnownAnswers(report))).json()
    assert told["role"] == role
    assert words in told["headline"]


@pytest.mark.parametrize(
    ("filters", "count"),
    [
        ({"service": "orders"}, 1), ({"service": "other"}, 0), ({"pool": "db/one"}, 1), ({"pool": "two"}, 0),
        ({"verdict": ["leaked", "unknown"]}, 1), ({"verdict": "suspected"}, 0),
        ({"since": "2026-11-23T00:00:00Z"}, 1), ({"since": "2030-01-01T00:00:00Z"}, 0),
    ],
)  # fmt: skip
def test_filters_choose_rows_and_change_neither_the_state_nor_what_is_judged(server, answers, filters, count):
    told = overview(server, **filters, fresh="false").json()
    assert (told["matching"], len(told["rows"])) == (count, count)
    assert told["headline"] == "45 connections not given back, 1 leak site"
    assert answers.asked == [LeakQuery(grace=7, fresh=False)]


def test_a_verdict_that_does_not_exist_is_a_mistake(server):
    assert overview(server, verdict="leeked").status_code == 400


# --- diagrams -----------------------------------------------------------------------------------------

VIEWS = (
    f"lifecycle/{FINDING.id}", f"finding/{FINDING.id}", "pool/db%2Fone", f"trace/{TRACE}", f"calls/{TRACE}",
    f"compare/{TRACE}/{TRACE}", "services",
)  # fmt: skip


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("notation", sorted(set(NOTATIONS) - {"png"}))
def test_every_diagram_is_drawn_in_every_notation_and_obeys_no_label(server, view, notation):
    response = httpx.get(f"{server.url}/api/v1/diagrams/{view}", params={"as": notation})
    assert response.status_code == 200
    assert response.headers["content-type"] == NOTATIONS[notation].media_type
    assert "sandbox" in response.headers["content-security-policy"]
    assert HOSTILE not in response.text or notation == "json"


def test_a_picture_is_a_png(server):
    response = httpx.get(f"{server.url}/api/v1/diagrams/finding/{FINDING.id}?as=png&dark=true")
    assert response.content.startswith(b"\x89PNG")


@pytest.mark.parametrize("query", ["as=gif", "dark=maybe", "as=svg&width=3"])
def test_a_notation_that_does_not_exist_is_a_mistake(server, query):
    assert httpx.get(f"{server.url}/api/v1/diagrams/services?{query}").status_code == 400
