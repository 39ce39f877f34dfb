"""One Chromium for all tests, one server over recordings; and pages that may neither fail nor ask anybody else.

Without a browser, or without what `make page-tools` installs, these tests are left out and say so; with
PAGE_BROWSER=required that is an error.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import long_trace
import pytest
from captures import Capture
from serving import Serving, program

from tracecollect import codec

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

NAMES = ("chromium", "chromium-browser", "google-chrome")
SIZE = {"width": 1400, "height": 900}


def _left_out(reason: str) -> None:
    if os.environ.get("PAGE_BROWSER") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        _left_out("there is no Playwright: make page-tools installs it")
    path = next((found for name in NAMES if (found := shutil.which(name))), None)
    if path is None:
        _left_out(f"none of {', '.join(NAMES)} is on PATH: apt-get install chromium")
    # Its sandbox does not work for root, who runs tests in containers.
    alone = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=[*alone, "--font-render-hinting=none"])
        yield found
        found.close()


@dataclass(frozen=True)
class Shop:
    """A server over a recording that is judged at its end, and over a trace of ten thousand spans."""

    url: str
    moment: str
    labels: dict

    def at(self, path: str, **more: str) -> str:
        given = "&".join([self.moment, *(f"{name}={value}" for name, value in more.items())])
        return f"{self.url}{path}?{given}"


@pytest.fixture(scope="session")
def shop(browser, tmp_path_factory) -> Iterator[Shop]:
    one = Capture("asyncpg-leak")
    place = tmp_path_factory.mktemp("shop")
    many = long_trace.write(place / "long.jsonl", long_trace.LONG, long_trace.SPANS, one.begin)
    keep = ("--data-dir", str(place / "data"))
    os.environ["TRACECOLLECT_RETENTION"] = "3650d"
    try:
        program("import", *keep, str(one.path), str(many))
    finally:
        del os.environ["TRACECOLLECT_RETENTION"]
    server = Serving(place / "data", "--retention", "3650d")
    yield Shop(server.url, f"as_of={codec.spell_instant(one.end)}&grace=5s", one.labels)
    server.stop()


@pytest.fixture
def serve(tmp_path) -> Iterator[Callable[..., Serving]]:
    running: list[Serving] = []

    def start(*more: str) -> Serving:
        running.append(Serving(tmp_path / "data", *more))
        return running[-1]

    yield start
    for one in running:
        one.stop()


_FAILED = pytest.StashKey[bool]()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if call.when == "call":
        item.stash[_FAILED] = report.failed
    return report


@pytest.fixture
def tab(browser, request) -> Iterator[Callable[..., Page]]:
    """Opens pages: `tab(url, color_scheme="dark")`. None may fail, break its policy or ask another host.

    What the pages of a failed test showed, and how their questions were answered, stands below its report.
    """
    contexts, wrong, answers = [], [], []

    def open_(url: str, **how: object) -> Page:
        context = browser.new_context(**{"viewport": SIZE, **how})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(f"{page.url}: {error}"))
        page.on("console", lambda line: wrong.append(f"{page.url}: {line.text}") if _bad(line) else None)
        page.on("dialog", lambda dialog: wrong.append(f"{page.url}: a label opened a dialog"))
        page.on("request", lambda request: wrong.append(request.url) if not _ours(request.url, url) else None)
        page.on("response", lambda response: answers.append(f"{response.status} {response.url}"))
        page.on("requestfailed", lambda request: answers.append(f"{request.failure} {request.url}"))
        page.goto(url)
        return page

    yield open_
    if request.node.stash.get(_FAILED, False):
        pages = [_showed(page) for context in contexts for page in context.pages]
        request.node.add_report_section("teardown", "pages", "\n".join([*answers, *pages]))
    for context in contexts:
        context.close()
    assert wrong == []


def _showed(page) -> str:
    fields = page.locator("input, select").evaluate_all("all => all.map((one) => `${one.name}=${one.value}`)")
    return f"{page.url}\n{fields}\n{page.locator('body').inner_text()[:1500]}"


def _bad(line) -> bool:
    # What does not load while a server is away is told by the page itself.
    return line.type in ("error", "warning") and "Failed to load resource" not in line.text


def _ours(asked: str, opened: str) -> bool:
    return asked.startswith(("data:", "blob:")) or asked.split("/")[2] == opened.split("/")[2]


@pytest.fixture(scope="session")
def axe() -> str:
    """The text of axe, which runs inside a page."""
    path = Path(__file__).parents[2] / ".venv" / "page" / "node_modules" / "axe-core" / "axe.min.js"
    if not path.exists():
        _left_out("there is no axe: make page-tools installs it")
    return path.read_text()
