"""The gallery in viz/gallery is what the code draws today, byte for byte."""

from __future__ import annotations

import pytest

from tracecollect import render
from tracecollect.render.examples import examples
from tracecollect.render.gallery import gallery, write
from tracecollect.render.theme import viz_dir

DRAWN = dict(gallery())


@pytest.mark.parametrize("name", list(DRAWN))
def test_the_gallery_shows_what_the_code_draws(name):
    shown = viz_dir() / "gallery" / name
    assert shown.is_file(), f"{name} is missing: run `make gallery` and look at what changed"
    assert shown.read_bytes() == DRAWN[name], f"{name} has changed: run `make gallery` and look at what changed"


def test_the_gallery_holds_nothing_else():
    assert {path.name for path in (viz_dir() / "gallery").iterdir()} == DRAWN.keys()


def test_regenerating_drops_pictures_that_no_longer_exist(tmp_path):
    (tmp_path / "old.svg").write_text("stale")
    assert write(tmp_path).keys() == {path.name for path in tmp_path.iterdir()}


def test_the_gallery_stays_small():
    assert sum(map(len, DRAWN.values())) < 1_500_000


def test_a_leak_is_named_without_colour_in_every_text_notation():
    for name in ("trace", "lifecycle-finding", "lifecycle-pool", "lifecycle-trace"):
        for notation in render.NOTATIONS.values():
            if not notation.binary:
                body = DRAWN[name + (f".{notation.name}.txt" if notation.suffix == ".txt" else notation.suffix)]
                assert "never released" in body.decode(), (name, notation.name)


def test_the_title_of_a_finding_says_how_many_of_what_since_when_and_where():
    title = examples()["lifecycle-finding"].title
    assert title.startswith("45 connections of POST /orders/{oid}/pay never came back")
    assert "since 09:14:01 UTC" in title
    assert "shop/pay.py:41 pay" in title
