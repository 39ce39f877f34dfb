"""How answers travel: tagged, compressed, as events; and what becomes of a question whose reader has gone."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time
from dataclasses import replace

import httpx
import pytest
from known_answers import FINDING, LATER, REPORT, KnownAnswers

from tracecollect.ports import asking
from tracecollect.web import live
from tracecollect.web.desk import Desk


@pytest.mark.parametrize("path", ["/", "/viz/page/main.js", "/api/v1/leaks", "/api/v1/diagrams/services"])
def test_what_the_reader_has_already_is_not_sent_again(server, path):
    first = httpx.get(server.url + path)
    again = httpx.get(server.url + path, headers={"If-None-Match": first.headers["etag"]})
    other = httpx.get(server.url + path, headers={"If-None-Match": 'W/"other"'})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["etag"] == first.headers["etag"]
    assert other.content == first.content


def test_an_answer_that_changed_has_another_tag(serve):
    answers = KnownAnswers()
    server = serve(answers)
    before = httpx.get(server.url + "/api/v1/leaks").headers["etag"]
    answers.report = replace(REPORT, findings=())
    assert httpx.get(server.url + "/api/v1/leaks").headers["etag"] != before


def test_an_error_has_no_tag(server):
    assert "etag" not in httpx.get(server.url + "/api/v1/none").headers


def test_large_answers_are_compressed_for_who_asks_for_it(server):
    url = server.url + "/api/v1/openapi.json"
    packed = httpx.get(url, headers={"Accept-Encoding": "gzip"})
    plain = httpx.get(url, headers={"Accept-Encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert int(packed.headers["content-length"]) < len(plain.content) / 4
    assert packed.content == plain.content


def test_a_question_whose_reader_goes_away_is_given_up(serve):
    began, named, stopped = threading.Event(), [], threading.Event()

    class Slow(KnownAnswers):
        def leaks(self, query):
            asked = asking.get()
            named.append(asked.name)
            began.set()
            assert asked.gone.wait(10)
            return super().leaks(query)

        def stop(self, name):
            named.append(name)
            stopped.set()

    server = serve(Slow())
    with socket.create_connection((server.address.host, server.address.port)) as reader:
        reader.sendall(b"GET /api/v1/leaks HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert began.wait(10)
    assert stopped.wait(10)
    assert named[0] == named[1]


# --- events -------------------------------------------------------------------------------------------


def events(response):
    """Pairs of name and document."""
    name = ""
    for line in response.iter_lines():
        key, _, value = line.partition(": ")
        if key == "event":
            name = value
        elif key == "data":
            yield name, json.loads(value)


def test_a_listener_hears_who_speaks_and_what_was_judged_and_what_changes(serve, monkeypatch):
    monkeypatch.setattr(live, "_EVERY_SECONDS", 0.01)
    answers = KnownAnswers()
    server = serve(answers)
    with httpx.stream("GET", server.url + "/api/v1/live", timeout=10) as response:
        assert response.headers["content-type"].startswith("text/event-stream")
        told = events(response)
        assert next(told)[0] == "hello"
        assert next(told) == ("judged", {"as_of": "2026-11-23T03:44:01.000000001Z"})
        more = replace(FINDING, leaked_count=46)
        answers.report = replace(REPORT, as_of=LATER + 1, findings=(more,))
        name, row = next(told)
        assert (name, row["id"], row["count"]) == ("finding", FINDING.id, 46)
        assert next(told)[0] == "judged"


def test_new_traces_are_told_once_and_only_to_who_wants_them(serve, monkeypatch):
    monkeypatch.setattr(live, "_EVERY_SECONDS", 0.01)
    server = serve(KnownAnswers())
    with httpx.stream("GET", server.url + "/api/v1/live?traces=true", timeout=10) as response:
        told = events(response)
        names = [next(told)[0] for _ in range(3)]
    assert sorted(names) == ["hello", "judged", "traces"]


def test_a_server_that_stops_sends_its_listeners_away(serve):
    server = serve(KnownAnswers())
    with httpx.stream("GET", server.url + "/api/v1/live", timeout=10) as response:
        lines = response.iter_lines()
        next(lines)
        stopping = threading.Thread(target=server.stop)
        began = time.monotonic()
        stopping.start()
        for _ in lines:  # to its end: a connection that breaks would raise
            pass
        stopping.join()
    assert time.monotonic() - began < 2


def test_too_many_listeners_are_asked_to_come_again(serve, monkeypatch):
    monkeypatch.setattr(live, "_MOST_LISTENERS", 1)
    server = serve(KnownAnswers())
    with httpx.stream("GET", server.url + "/api/v1/live", timeout=10) as first:
        lines = first.iter_lines()  # kept, or the connection ends with it
        next(lines)
        assert httpx.get(server.url + "/api/v1/live").status_code == 503


def test_a_listener_who_left_before_the_first_line_takes_no_place(monkeypatch):
    monkeypatch.setattr(live, "_MOST_LISTENERS", 1)

    async def come_and_go() -> None:
        desk = Desk(KnownAnswers(), grace=7)
        route = live.News(desk).route()

        async def receive():
            return {"type": "http.disconnect"}

        async def send(message):
            await asyncio.sleep(0)

        scope = {"type": "http", "method": "GET", "path": "/api/v1/live", "query_string": b"", "headers": []}
        for _ in range(3):
            await route.handle(dict(scope), receive, send)
        desk.close()

    asyncio.run(come_and_go())


def test_a_listener_is_told_of_a_mistake_in_its_question(server):
    assert httpx.get(server.url + "/api/v1/live?trace=1").status_code == 400
