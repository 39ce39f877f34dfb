"""The page's addresses and files: what a browser is given, and what it is forbidden."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from tracecollect.diagrams import Role
from tracecollect.web import page

VIZ = Path(__file__).parents[3] / "viz"
FILES = sorted(path.relative_to(VIZ).as_posix() for path in (VIZ / "page").rglob("*") if path.is_file())


def opened(view: str) -> str:
    return view.replace("{name:path}", "db%2Fone").replace("{", "").replace("}", "")


@pytest.mark.parametrize("view", page.VIEWS)
def test_every_view_is_an_address_that_can_be_opened(server, view):
    response = httpx.get(server.url + opened(view))
    assert response.status_code == 200
    assert response.headers["content-type"].startswith("text/html")
    assert '<main id="main"' in response.text


def test_the_page_knows_the_same_addresses_as_the_server():
    text = (VIZ / "page" / "main.js").read_text()
    patterns = re.findall(r"^  \[/\^(.+?)\$/, ", text, flags=re.MULTILINE)
    found = [re.sub(r"\\/", "/", one) for one in patterns]
    wanted = [re.sub(r"{(\w+)}", "([^/]+)", view.replace("{name:path}", "(.+)")) for view in page.VIEWS]
    assert found == wanted


def test_a_browser_at_an_address_that_leads_nowhere_is_shown_a_page_that_says_so(server):
    browser = {"Accept": "text/html,application/xhtml+xml"}
    shown = httpx.get(server.url + "/nowhere", headers=browser)
    assert (shown.status_code, shown.headers["content-type"].partition(";")[0]) == (404, "text/html")
    assert "script-src 'self'" in shown.headers["content-security-policy"]
    assert httpx.get(server.url + "/api/v1/nowhere", headers=browser).json()["error"] == "NotFound"


@pytest.mark.parametrize("file", FILES)
def test_every_file_of_the_page_is_served_as_what_it_is(server, file):
    response = httpx.get(f"{server.url}/viz/{file}")
    kinds = {"js": "text/javascript", "css": "text/css", "html": "text/html", "svg": "image/svg+xml"}
    assert response.status_code == 200
    assert response.headers["content-type"].partition(";")[0] == kinds[file.rpartition(".")[2]]
    assert response.content == (VIZ / file).read_bytes()


@pytest.mark.parametrize(
    "path", ["../pyproject.toml", "%2e%2e/pyproject.toml", "gallery/trace.json", "page/", "jsconfig.json"]
)
def test_nothing_else_of_the_disk_is_served(server, path):
    assert httpx.get(f"{server.url}/viz/{path}").status_code == 404


def test_the_theme_gives_every_role_a_colour_for_light_and_for_dark_paper(server):
    text = httpx.get(server.url + "/viz/theme.css").text
    for role in Role:
        colours = re.findall(rf"--role-{role.replace('_', '-')}: (#[0-9a-f]{{6}});", text)
        assert len(colours) == 4, role
        assert len(set(colours)) <= 2


def test_the_page_may_run_our_scripts_and_nothing_else(server):
    policy = httpx.get(server.url).headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self'" in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy


def test_the_page_loads_nothing_from_elsewhere():
    ours = re.compile(r"https?://(?!www\.w3\.org/2000/svg|127\.0\.0\.1:4317)")
    for file in FILES:
        assert not ours.search((VIZ / file).read_text()), file


def test_no_script_turns_text_into_html():
    turning = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function|DOMParser")
    for file in FILES:
        assert not turning.search((VIZ / file).read_text()), file


def test_a_first_visit_is_small(server):
    with httpx.Client(headers={"Accept-Encoding": "gzip"}) as client:
        sizes = [_transferred(client, f"{server.url}/viz/{file}") for file in [*FILES, "theme.json", "theme.css"]]
    assert sum(sizes) < 150_000


def _transferred(client: httpx.Client, url: str) -> int:
    with client.stream("GET", url) as response:
        return sum(len(chunk) for chunk in response.iter_raw())
