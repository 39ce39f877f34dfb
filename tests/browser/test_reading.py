"""The leak is found in the page as a person looks for it: by clicking, by keyboard, by a link."""

from __future__ import annotations

import re

import pytest
from captures import Capture
from long_trace import LONG, SPANS
from playwright_words import expect
from serving import program

from tracecollect import codec

pytestmark = [pytest.mark.slow]


def test_at_one_glance_which_operation_leaks_how_many_and_since_when(shop, tab):
    page = tab(shop.at("/"))
    first = page.locator("tbody tr").first
    expect(page.locator("h1")).to_have_text(f"{shop.labels['n_true_leaks']} connections not given back, 3 leak sites")
    expect(first.locator(".verdict")).to_contain_text("leaked")
    expect(first.locator(".out")).to_have_text(re.compile(r"^\d+$"))
    expect(first.locator(".entry a")).to_have_text(re.compile(r"^(GET|POST) /"))
    expect(first.locator(".since")).to_contain_text("UTC")
    expect(page.locator(".coverage")).to_contain_text("none of them blind")
    told = [int(text) for text in page.locator("td.out b").all_inner_texts()]
    assert sum(told) == shop.labels["n_true_leaks"]
    assert told == sorted(told, reverse=True)


def test_a_leak_is_followed_by_clicking_from_the_home_to_the_span_that_took_the_connection(shop, tab):
    page = tab(shop.at("/"))
    page.locator("tbody tr .entry a").first.click()
    expect(page.locator(".finding .count")).to_contain_text("connections")
    expect(page.locator(".timeline .lane.head")).to_be_visible()
    assert page.locator(".timeline .lane[data-role=leaked]").count() > 3
    expect(page.locator(".evidence li").first).to_have_attribute("data-kind", re.compile("observed|inferred"))
    page.locator(".timeline a.label").first.click()
    expect(page.locator("h1")).to_contain_text("never gave back")
    page.locator("button[data-jump=holds]").click()
    expect(page.locator(".waterfall [aria-selected=true]")).to_contain_text("connection of")
    expect(page.locator(".panel")).to_contain_text("never released")
    guilty = {leak["trace_id"] for leak in shop.labels["leaks"]}
    assert re.search(r"/traces/(\w+)", page.url)[1] in guilty


def test_the_same_way_is_gone_with_the_keyboard_alone(shop, tab):
    page = tab(shop.at("/"))
    expect(page.locator("tbody tr").first).to_be_visible()
    page.keyboard.press("?")
    expect(page.locator("dialog")).to_contain_text("next row")
    page.keyboard.press("Escape")
    expect(page.locator("dialog")).to_have_count(0)
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("Enter")
    expect(page.locator(".finding .count")).to_be_visible()
    expect(page.locator(".timeline a.label").first).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    expect(page.locator(".waterfall .lane").first).to_be_visible()
    first = page.url
    page.keyboard.press("h")
    expect(page.locator(".panel")).to_contain_text("never released")
    page.keyboard.press("Escape")
    expect(page.locator(".panel")).to_be_hidden()
    page.keyboard.press("]")
    page.wait_for_function("url => location.href !== url", arg=first)
    page.keyboard.press("[")
    page.wait_for_function("path => location.pathname === path", arg=re.search(r"/traces/\w+", first)[0])
    page.keyboard.press("2")
    expect(page.locator("h1")).to_have_text("Pools")
    page.keyboard.press("/")
    expect(page.locator("h1")).to_have_text("Search")


def test_a_link_shows_what_its_sender_saw_and_going_back_works(shop, tab):
    page = tab(shop.at("/"))
    page.locator("select[name=verdict]").select_option("leaked")
    page.wait_for_url(re.compile("verdict=leaked"))
    page.locator("tbody tr .entry a").first.click()
    expect(page.locator(".timeline .lane.head")).to_be_visible()
    page.locator(".timeline a.label").first.click()
    page.locator(".waterfall [role=row]").nth(1).click()
    expect(page.locator(".panel h2")).to_be_visible()
    seen = page.locator(".panel h2").inner_text()
    page.wait_for_url(re.compile("span="))
    other = tab(page.url)
    expect(other.locator(".panel h2")).to_have_text(seen)
    page.go_back()
    expect(page.locator(".finding .count")).to_be_visible()
    page.go_back()
    expect(page.locator("select[name=verdict]")).to_have_value("leaked")


def test_filters_that_nothing_fits_say_so_and_do_not_look_like_health(shop, tab):
    page = tab(shop.at("/", service="no-such-service"))
    expect(page.locator(".findings")).to_contain_text("No leak site fits these filters")
    expect(page.locator("h1")).to_contain_text("not given back")


def test_a_pool_shows_its_connections_and_how_much_it_lets_us_see(shop, tab):
    page = tab(shop.at("/pools"))
    page.locator("tbody tr .entry a").first.click()
    expect(page.locator(".timeline .lane.head")).to_be_visible()
    expect(page.locator(".covered")).to_contain_text("inferred")


def test_what_the_process_said_of_itself_stands_under_its_connections(shop, tab):
    page = tab(shop.at("/"))
    page.locator("tbody tr .entry a").first.click()
    # Recorded by the service's own metrics: every connection that is out is an open file.
    below = page.locator(".lanes ~ .occupancy")
    expect(below.filter(has_text="open files")).to_have_count(1)
    expect(below.filter(has_text="threads")).to_have_count(1)


def test_a_search_is_a_link(shop, tab):
    begin = shop.moment.partition("&")[0].removeprefix("as_of=")
    page = tab(f"{shop.url}/search?since=15m&until={begin}")
    expect(page.locator("tbody tr").first).to_be_visible()
    expect(page.locator("#connection")).to_have_text("live")
    page.locator("input[name=operation]").fill("GET /report")
    page.get_by_role("button", name="Search").click()
    expect(page).to_have_url(re.compile("operation=GET"))
    expect(page.locator("tbody tr")).to_have_count(1)
    other = tab(page.url)
    expect(other.locator("tbody tr")).to_have_count(1)
    expect(other.locator("input[name=operation]")).to_have_value("GET /report")
    other.locator("tbody tr a").click()
    expect(other.locator("h1")).to_contain_text("GET /report")


def test_an_id_that_does_not_exist_is_answered_with_what_to_do(shop, tab):
    page = tab(shop.at("/traces/" + "0" * 31 + "1"))
    expect(page.locator(".problem")).to_contain_text("there is no trace")
    expect(page.locator(".problem")).to_contain_text("tracecollect search")


def test_services_are_laid_out_by_the_server_and_told_as_a_table_too(shop, tab):
    begin = shop.moment.partition("&")[0].removeprefix("as_of=")
    page = tab(f"{shop.url}/services?since=15m&until={begin}")
    page.wait_for_function("() => document.querySelector('img.laid')?.naturalWidth > 100")
    page.get_by_text("The same as a table").click()
    assert page.locator("details[open] tbody tr").count() >= 2


# --- a trace of ten thousand spans ----------------------------------------------------------------------

# As a wheel does it: two rows further in each frame.
SCROLL = """async (box, frames) => {
    for (let frame = 0; frame < frames; frame++) {
        box.scrollTop += 48;
        await new Promise(requestAnimationFrame);
    }
}"""


def test_ten_thousand_spans_are_scrolled_with_as_many_elements_as_fit_on_the_screen(shop, tab):
    page = tab(shop.at(f"/traces/{LONG}"))
    box = page.locator(".waterfall")
    expect(page.locator(".waterfall [role=row]").first).to_contain_text("GET /report")
    assert int(box.get_attribute("aria-rowcount")) == SPANS + 1
    for share in (0.25, 0.5, 0.75, 1):
        box.evaluate("(box, share) => { box.scrollTop = share * box.scrollHeight; }", share)
        expect(page.locator(".waterfall [role=row].loading")).to_have_count(0)
        assert page.locator(".waterfall [role=row]").count() < 60
    expect(page.get_by_text("the last step")).to_be_visible()


def test_a_frame_of_scrolling_is_less_work_than_a_sixtieth_of_a_second(shop, tab):
    page = tab(shop.at(f"/traces/{LONG}"))
    expect(page.locator(".waterfall [role=row]").first).to_contain_text("GET /report")
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable")

    def worked() -> float:
        return {one["name"]: one["value"] for one in session.send("Performance.getMetrics")["metrics"]}["TaskDuration"]

    before = worked()
    page.locator(".waterfall").evaluate(SCROLL, 240)
    assert (worked() - before) / 240 < 1 / 60


def test_folding_hides_what_lies_inside_and_unfolding_brings_it_back(shop, tab):
    page = tab(shop.at(f"/traces/{LONG}"))
    root = page.locator(".waterfall [role=row]").first
    expect(root).to_have_attribute("aria-expanded", "true")
    root.locator(".fold").click()
    expect(root).to_have_attribute("aria-expanded", "false")
    expect(page.locator(".waterfall [role=row]")).to_have_count(3)
    root.click()
    page.keyboard.press("ArrowRight")
    expect(page.locator(".waterfall [role=row]").nth(5)).to_be_visible()


def test_what_is_looked_for_in_a_trace_is_found_wherever_it_is(shop, tab):
    page = tab(shop.at(f"/traces/{LONG}"))
    page.locator("input[name=find]").fill("value 7777 3")
    page.keyboard.press("Enter")
    expect(page.locator(".waterfall [aria-selected=true]")).to_contain_text("step 7777")
    expect(page.locator(".panel")).to_contain_text("value 7777 3")
    page.keyboard.press("m")
    expect(page.locator(".waterfall [aria-selected=true]")).to_contain_text("parent never arrived")
    expect(page.locator(".panel")).to_contain_text("This span never came")


def test_labels_that_are_made_to_harm_are_only_read(shop, tab):
    page = tab(shop.at(f"/traces/{LONG}"))
    page.locator("button[data-jump=errors]").click()
    expect(page.locator(".panel h2")).to_contain_text("<img src=x onerror=alert(1)>")
    expect(page.locator(".panel dt").filter(has_text="onerror")).to_be_visible()
    assert page.locator("main img[src=x]").count() == 0
    page.get_by_text("Who calls whom").click()
    expect(page.locator(".picture img.laid")).to_have_attribute("alt", re.compile("Calls of trace"))


def test_a_finding_shows_who_starved_whom_and_a_table_says_the_same(serve, tab, tmp_path, monkeypatch):
    one = Capture("go-otelpgx-exhausted")
    monkeypatch.setenv("TRACECOLLECT_RETENTION", "3650d")
    program("import", "--data-dir", str(tmp_path / "data"), str(one.path))
    page = tab(f"{serve().url}/?as_of={codec.spell_instant(one.end)}&grace=5s")
    page.locator("tbody tr .entry a", has_text="pay").first.click()
    block = page.locator("details.block", has_text="Who starved whom")
    expect(block.locator("img")).to_have_js_property("complete", True)
    assert block.locator("img").evaluate("image => image.naturalWidth") > 300
    expect(block.locator("img")).to_have_attribute("alt", re.compile("Who kept whom waiting for pool .*80 long waits"))
    block.get_by_text("The same as a table").click()
    row = block.locator("table").nth(1).locator("tr", has_text="POST /orders/{id}/pay").first
    expect(row).to_contain_text(re.compile(r"\d+ requests, "))
    expect(block.locator(".downloads a")).to_have_count(6)
