"""What the page looks like, held against the pictures in docs/page/. `make screenshots` draws these anew."""

from __future__ import annotations

import base64
import os
from pathlib import Path

import pytest
from playwright_words import expect

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240)]
PICTURES = Path(__file__).parents[2] / "docs" / "page"
# Fonts and their edges differ from machine to machine: compared are averages over squares of sixteen pixels.
SQUARE = 16
TOLERATED = 0.035
COMPARE = """
async ([one, other, square]) => {
  const values = async (text) => {
    const bytes = Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
    const image = await createImageBitmap(new Blob([bytes], { type: "image/png" }));
    const canvas = new OffscreenCanvas(Math.ceil(image.width / square), Math.ceil(image.height / square));
    const paper = canvas.getContext("2d");
    paper.imageSmoothingQuality = "high";
    paper.drawImage(image, 0, 0, canvas.width, canvas.height);
    return { data: paper.getImageData(0, 0, canvas.width, canvas.height).data, size: [image.width, image.height] };
  };
  const [a, b] = [await values(one), await values(other)];
  if (String(a.size) !== String(b.size)) return 1;
  let sum = 0;
  for (let at = 0; at < a.data.length; at += 1) sum += Math.abs(a.data[at] - b.data[at]);
  return sum / a.data.length / 255;
}
"""


@pytest.fixture
def held(browser, request):
    """`held(page, name)`: as it was drawn before."""

    def compare(page, name):
        picture = page.screenshot(animations="disabled", caret="hide")
        path = PICTURES / f"{name}.png"
        if os.environ.get("PAGE_SCREENSHOTS") == "write":
            PICTURES.mkdir(exist_ok=True)
            path.write_bytes(picture)
            return
        blank = browser.new_page()
        request.addfinalizer(blank.close)
        pair = [base64.b64encode(one).decode() for one in (path.read_bytes(), picture)]
        difference = blank.evaluate(COMPARE, [*pair, SQUARE])
        assert difference < TOLERATED, f"{name} differs by {difference:.3f}: look at it, then make screenshots"

    return compare


def at_rest(page):
    # Ages differ from day to day.
    page.evaluate("() => { for (const one of document.querySelectorAll('time[datetime]')) one.remove(); }")
    expect(page.locator("[aria-busy]")).to_have_count(0)
    return page


def test_the_home_looks_as_it_did(shop, tab, held):
    page = tab(shop.at("/"))
    expect(page.locator("tbody tr")).to_have_count(3)
    held(at_rest(page), "home")


def test_a_finding_on_dark_paper_looks_as_it_did(shop, tab, held):
    page = tab(shop.at("/"), color_scheme="dark")
    page.locator("tbody tr .entry a").first.click()
    page.locator(".timeline .lane").first.wait_for()
    page.locator(".evidence li").first.wait_for()
    held(at_rest(page), "finding")


def test_a_trace_looks_as_it_did(shop, tab, held):
    page = tab(shop.at(f"/traces/{shop.labels['leaks'][0]['trace_id']}"))
    page.locator("button[data-jump=holds]").click()
    expect(page.locator(".panel")).to_contain_text("never released")
    held(at_rest(page), "trace")
