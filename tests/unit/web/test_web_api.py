"""What passes through HTTP comes out the same; what goes wrong is said in JSON with the right status."""

from __future__ import annotations

import re
import socket
import threading
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from known_answers import AT, LATER, REPORT, TRACE, KnownAnswers
from prometheus_client.parser import text_string_to_metric_families

from tracecollect import codec, errors
from tracecollect.model import BuildQuery, LeakQuery, LeakReport, SearchQuery, Window
from tracecollect.settings import Address
from tracecollect.storage.remote import RemoteAnswers
from tracecollect.web import Vitals, WebServer, api, desk
from tracecollect.web import errors as web_errors

DOCS = Path(__file__).parents[3] / "docs" / "api.md"
QUERY = LeakQuery(since=AT, as_of=LATER, grace=5, service="orders", pool="db/one")
WINDOW = Window(AT, LATER)
BUILD = BuildQuery("orders & co", "1.4.0+b/7", WINDOW, 5)


def test_every_answer_comes_out_as_it_went_in(remote, answers):
    assert remote.leaks(QUERY) == REPORT
    assert remote.finding("f_3f", QUERY) == answers.finding("f_3f", QUERY)
    assert remote.trace(TRACE[:8]) == answers.trace(TRACE)
    assert remote.lifecycle("f_3f9a", QUERY) == answers.lifecycle("f_3f9a", QUERY)
    assert remote.pool("db/one with spaces?&", QUERY) == answers.pool("db/one with spaces?&", QUERY)
    assert remote.pools(QUERY) == answers.pools(QUERY)
    assert remote.starved(TRACE[:8], QUERY) == answers.starved(TRACE, QUERY)
    assert remote.starvation("db/one with spaces?&", QUERY) == answers.starvation("db/one with spaces?&", QUERY)
    assert remote.services(WINDOW) == answers.services(WINDOW)
    assert remote.calls(WINDOW, "orders") == answers.calls(WINDOW, "orders")
    assert remote.build(BUILD) == answers.build(BUILD)
    assert remote.status() == answers.status()


def test_every_question_arrives_as_it_was_asked(remote, answers):
    search = SearchQuery(WINDOW, "orders", "GET /", 5, 9, {"http.route": "/a=b&c", "x": ""}, True, 7)
    remote.search(search)
    remote.leaks(QUERY)
    remote.calls(WINDOW, "orders")
    remote.build(BUILD)
    assert answers.asked == [search, QUERY, (WINDOW, "orders"), BUILD]


def test_leaks_without_a_grace_are_judged_with_the_server_s_own(server, answers):
    httpx.get(server.url + "/api/v1/leaks")
    assert answers.asked == [LeakQuery(grace=7)]


def test_a_build_without_a_window_is_all_that_is_stored_of_it(server, answers):
    httpx.get(server.url + "/api/v1/build", params={"service": "orders"})
    assert answers.asked == [BuildQuery("orders", grace=7)]


def test_since_may_be_a_duration_back(server, answers):
    httpx.get(server.url + "/api/v1/leaks", params={"since": "1h", "as_of": codec.spell_instant(AT)})
    assert answers.asked[0].since == AT - 3600 * 10**9


def test_the_answer_about_leaks_is_the_document_of_leaks_json(server):
    response = httpx.get(server.url + "/api/v1/leaks")
    assert response.headers["content-type"] == "application/json"
    assert codec.loads(response.content, LeakReport) == REPORT
    assert response.text == codec.dumps(REPORT)


def test_an_unknown_id_is_the_same_error_on_this_side(remote):
    with pytest.raises(errors.NotFound, match="there is no trace ffff") as caught:
        remote.trace("ffff")
    assert caught.value.hint == "tracecollect search lists traces"


def test_an_ambiguous_id_carries_its_candidates_over(remote):
    with pytest.raises(errors.Ambiguous) as caught:
        remote.trace("4b")
    assert caught.value.candidates == (TRACE, "4bff")


@pytest.mark.parametrize(
    ("path", "status", "kind", "word"),
    [
        ("/api/v1/leaks?sinc=1h", 400, "UsageError", "sinc"),
        ("/api/v1/leaks?grace=soon", 400, "UsageError", "soon"),
        ("/api/v1/leaks?as_of=yesterday", 400, "UsageError", "yesterday"),
        ("/api/v1/search?attr=noequals", 400, "UsageError", "noequals"),
        ("/api/v1/search?limit=100000", 400, "UsageError", "100000"),
        ("/api/v1/search?error=maybe", 400, "UsageError", "maybe"),
        ("/api/v1/services?since=1s&until=1h", 400, "UsageError", "empty"),
        ("/api/v1/build?version=1.0", 400, "UsageError", "service is missing"),
        ("/api/v1/traces/ffff", 404, "NotFound", "ffff"),
        ("/api/v1/traces/ffff?as_of=1h", 400, "UsageError", "as_of"),
        ("/api/v1/traces/4b", 409, "Ambiguous", "4b"),
        ("/api/v1/nothing", 404, "NotFound", "/api/v1/nothing"),
    ],
)
def test_a_wrong_question_is_answered_with_a_reason_and_a_hint(server, path, status, kind, word):
    response = httpx.get(server.url + path)
    body = response.json()
    assert response.status_code == status
    assert body["error"] == kind
    assert word in body["message"]
    assert body["hint"]


def test_a_method_that_is_not_there_is_refused_in_the_same_shape(server):
    response = httpx.post(server.url + "/api/v1/leaks")
    assert response.status_code == 405
    assert response.json()["hint"] == "use GET"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (errors.UsageError("m"), 400),
        (errors.NotFound("m"), 404),
        (errors.Ambiguous("m", ("a",)), 409),
        (errors.TooLarge("m"), 413),
        (errors.StoreError("m"), 503),
        (errors.StoreLocked("m"), 503),
        (errors.Busy("m"), 503),
        (errors.StoreTimeout("m"), 504),
        (errors.StoreFull("m"), 507),
        (errors.TracecollectError("m"), 500),
    ],
)
def test_every_error_crosses_as_itself_with_its_status(serve, error, status):
    class Failing(KnownAnswers):
        def leaks(self, query):
            raise error

    server = serve(Failing())
    assert web_errors.status_of(error) == httpx.get(server.url + "/api/v1/leaks").status_code == status
    with RemoteAnswers(server.url) as remote, pytest.raises(type(error), match="m"):
        remote.leaks(QUERY)


def test_what_goes_wrong_inside_is_not_told_to_strangers(serve, caplog):
    class Broken(KnownAnswers):
        def leaks(self, query):
            raise RuntimeError("secret")

    response = httpx.get(serve(Broken()).url + "/api/v1/leaks")
    assert response.status_code == 500
    assert "secret" not in response.text
    assert "secret" in caplog.text


def test_too_many_questions_at_once_are_asked_to_come_again(serve, monkeypatch):
    monkeypatch.setattr(desk, "_WAITING", 0)
    monkeypatch.setattr(desk, "_AT_ONCE", 1)
    asked, answer = threading.Event(), threading.Event()

    class Slow(KnownAnswers):
        def leaks(self, query):
            asked.set()
            answer.wait(10)
            return super().leaks(query)

    url = serve(Slow()).url + "/api/v1/leaks"
    first = threading.Thread(target=httpx.get, args=(url,))
    first.start()
    assert asked.wait(10)
    response = httpx.get(url)
    answer.set()
    first.join()
    assert response.status_code == 503
    assert response.headers["retry-after"] == "2"


def test_of_a_trace_that_is_too_long_the_beginning_is_told_and_no_half_of_it_is_exported(serve):
    class Longer(KnownAnswers):
        def trace(self, trace_id, most=0, skip=0):
            return replace(super().trace(trace_id), omitted=900_000)

    url = f"{serve(Longer()).url}/api/v1/traces/{TRACE}"
    assert httpx.get(url).json()["omitted"] == 900_000
    assert "900,000 spans that began later are left out." in httpx.get(f"{url}/lanes").json()["timeline"]["notes"]
    response = httpx.get(f"{url}/otlp")
    assert (response.status_code, "900000 spans more" in response.json()["message"]) == (413, True)


# --- health, metrics, headers -------------------------------------------------------------------------


def test_health_is_alive_and_ready_is_accepting(serve, answers):
    ready, starting = serve(answers), serve(answers, Vitals(why_not="starting"))
    assert httpx.get(ready.url + "/healthz").json()["status"] == "alive"
    assert httpx.get(ready.url + "/readyz").status_code == 200
    assert httpx.get(starting.url + "/healthz").status_code == 200
    response = httpx.get(starting.url + "/readyz")
    assert (response.status_code, response.json()) == (503, {"status": "starting"})


def test_metrics_have_the_promised_names_and_the_numbers_of_the_moment(server):
    text = httpx.get(server.url + "/metrics").text
    values = {
        (sample.name, tuple(sorted(sample.labels.values()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert values["tracecollect_requests_total", ("OK", "grpc", "traces")] == 3
    assert values["tracecollect_spans_accepted_total", ()] == 7
    assert values["tracecollect_spans_rejected_total", ("span id of zeros",)] == 2
    assert values["tracecollect_spans_stored_total", ()] == 5
    assert values["tracecollect_journal_requests", ()] == 4
    assert values["tracecollect_journal_bytes", ()] == 6
    assert values["tracecollect_journal_oldest_seconds", ()] == 0
    assert values["tracecollect_store_insert_seconds_count", ()] == 2
    assert values["tracecollect_store_bytes", ()] == 11
    assert values["tracecollect_findings", ("leaked",)] == 1
    assert values["tracecollect_findings", ("suspected",)] == 0
    assert ("process_resident_memory_bytes", ()) in values


@pytest.mark.parametrize("path", ["/", "/healthz", "/metrics", "/api/v1/leaks", "/api/v1/none", "/viz/none"])
def test_every_answer_forbids_foreign_scripts_and_guessing(server, path):
    headers = httpx.get(server.url + path).headers
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["tracecollect-api"] == "1"
    assert "server" not in headers


def test_a_name_that_a_stranger_points_at_this_machine_gets_nothing(server, serve, answers):
    evil = {"Host": "evil.example:16686"}
    response = httpx.get(server.url + "/api/v1/leaks", headers=evil)
    assert response.status_code == 421
    assert "findings" not in response.text
    for name in ("localhost", "127.0.0.1:1", "[::1]:16686"):
        assert httpx.get(server.url + "/healthz", headers={"Host": name}).status_code == 200
    assert httpx.get(serve(answers, public=True).url + "/healthz", headers=evil).status_code == 200


def test_a_port_in_use_is_a_clear_error():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(errors.ListenError) as caught:
        WebServer(Address("127.0.0.1", taken.getsockname()[1]))
    assert "cannot listen on" in caught.value.message
    assert "--web" in caught.value.hint


# --- the documentation --------------------------------------------------------------------------------


def test_every_route_has_a_heading_in_the_documentation_and_no_other():
    text = DOCS.read_text(encoding="utf-8")
    headed = set(re.findall(r"^### `GET /api/v1(/[^`]*)`", text, re.MULTILINE))
    assert headed == {path.replace(":path", "") for path in api.QUESTIONS}


def test_the_documentation_names_every_status():
    text = DOCS.read_text(encoding="utf-8")
    told = {name: int(status) for status, name in re.findall(r"^\| (\d{3}) \| `(\w+)`", text, re.MULTILINE)}
    assert told == {kind.__name__: status for kind, status in web_errors.STATUS.items()}


def test_the_documentation_names_every_metric(server):
    text = httpx.get(server.url + "/metrics").text
    ours = set(re.findall(r"^# TYPE (tracecollect_\w+)", text, re.MULTILINE))
    assert set(re.findall(r"`(tracecollect_\w+)", DOCS.read_text(encoding="utf-8"))) == ours
