"""The plain page says what is known, says where we are blind, and does not obey labels."""

from __future__ import annotations

from xml.etree import ElementTree

import httpx
from known_answers import BLIND, FINDING, REPORT, SEEN, TRACE, KnownAnswers

from tracecollect.model import LeakReport


def test_the_page_shows_the_finding_and_the_blind_pool(server):
    text = httpx.get(server.url).text
    assert "45 connections not given back, 1 leak site" in text
    assert f"/lifecycle/{FINDING.id}.svg" in text
    assert f"/traces/{TRACE}.svg" in text
    assert "statements only" in text


def test_hostile_labels_stay_text(server):
    text = httpx.get(server.url).text
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;/script&gt;" in text


def test_pictures_are_svg_that_may_do_nothing(server):
    for path in (f"/lifecycle/{FINDING.id}.svg", f"/traces/{TRACE}.svg"):
        response = httpx.get(server.url + path)
        assert response.headers["content-type"].startswith("image/svg+xml")
        assert "sandbox" in response.headers["content-security-policy"]
        root = ElementTree.fromstring(response.text)
        assert not [one for one in root.iter() if one.tag.endswith("}script")]


def test_no_finding_is_not_called_health_where_a_pool_is_blind(serve):
    blind = serve(KnownAnswers(LeakReport(REPORT.as_of, (), (BLIND, SEEN))))
    assert "No finding, but blind for 1 of 2 pools" in httpx.get(blind.url).text
    well = serve(KnownAnswers(LeakReport(REPORT.as_of, (), (SEEN,))))
    assert "No leak in 1 pool" in httpx.get(well.url).text


def test_before_anything_has_arrived_the_page_says_how_to_send(serve):
    empty = serve(KnownAnswers(LeakReport(REPORT.as_of, (), ())))
    text = httpx.get(empty.url).text
    assert "Nothing has arrived" in text
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in text
