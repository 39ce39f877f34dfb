"""The public functions of render, the theme, labels and the terminal."""

from __future__ import annotations

import shutil

import pytest
from contract.renderer import HOSTILE
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from tracecollect import render
from tracecollect.diagrams import Edge, Graph, Node, Role, Timeline
from tracecollect.errors import MissingExtra, TracecollectError, UsageError
from tracecollect.render import label, layout, theme
from tracecollect.render.branches import guides
from tracecollect.render.examples import examples

FINDING = examples()["lifecycle-finding"]


def test_an_unknown_notation_names_the_known_ones():
    with pytest.raises(UsageError) as caught:
        render.text(FINDING, "latex")
    assert "mermaid" in caught.value.hint


def test_a_picture_is_not_text():
    with pytest.raises(UsageError):
        render.text(FINDING, "png")


@pytest.mark.parametrize("notation", list(render.NOTATIONS))
def test_a_diagram_is_written_to_a_file(tmp_path, notation):
    target = render.write(FINDING, notation, tmp_path / "picture")
    assert target.stat().st_size > 0


def test_a_file_that_cannot_be_written_is_a_clear_error(tmp_path):
    with pytest.raises(UsageError, match="cannot write") as caught:
        render.write(FINDING, "json", tmp_path / "no such directory" / "x.json")
    assert caught.value.hint


def test_without_a_layout_program_the_missing_package_is_named(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    with pytest.raises(MissingExtra, match="graphviz-pure"):
        layout.programs()


def test_a_broken_system_graphviz_gives_way_to_the_next_program(tmp_path, monkeypatch):
    broken = tmp_path / "dot"
    broken.write_text("#!/bin/sh\necho no plug-ins >&2\nexit 1\n")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    assert b"</svg>" in render.data(FINDING, "svg")
    with pytest.raises(TracecollectError, match="no plug-ins"):
        render.data(FINDING, "svg", engine="dot")


def test_the_system_dot_draws_the_same_diagrams():
    if shutil.which("dot") is None:
        pytest.skip("no system Graphviz on this machine")
    for diagram in examples().values():
        assert b"</svg>" in render.data(diagram, "svg", engine="dot")


def test_every_role_has_a_look_and_every_look_a_role():
    assert set(theme.looks()) == set(Role)


def test_glyphs_fill_one_column_and_colours_are_colours():
    for look in theme.looks().values():
        assert cell_len(look.glyph) == 1
        assert look.ascii.isascii()
        assert len(look.ascii) == 1
        assert all(len(color) == 7 and int(color[1:], 16) >= 0 for color in (look.light, look.dark))


def test_what_ends_badly_differs_from_what_ends_well_without_colour():
    never, released, idle = (theme.look(role) for role in (Role.NEVER, Role.RELEASED, Role.IDLE))
    assert never.pattern != idle.pattern
    assert len({never.glyph, released.glyph, idle.glyph}) == 3


def test_colours_are_readable_on_their_paper():
    def luminance(color):
        parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    for role in (Role.LEAKED, Role.SUSPECTED, Role.NEVER, Role.ERROR, Role.OWNER_ENDED):
        for dark in (False, True):
            light, deep = sorted(
                (luminance(theme.look(role).color(dark=dark)), luminance(theme.paper(dark=dark).paper))
            )
            assert (deep + 0.05) / (light + 0.05) >= 4.4


@settings(deadline=None)
@given(st.text(max_size=300))
def test_any_text_becomes_one_plain_line(text):
    line = label.plain(text)
    assert "\n" not in line
    assert all(char.isprintable() or char == "\xa0" or char.isspace() for char in line)
    assert label.plain(line) == line


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("width", [20, 200])
def test_a_fitted_label_fits(text, width):
    assert label.points(label.fitted(text, width, 10), 10) <= width


@pytest.mark.parametrize("width", [1, 40, 80, 120, 200])
@pytest.mark.parametrize("name", list(examples()))
def test_lines_are_never_longer_than_the_terminal(name, width):
    for notation in ("tree", "timeline"):
        lines = render.text(examples()[name], notation, width=width).split("\n")
        assert max(map(cell_len, lines)) <= max(width, 40)


def test_colour_only_adds_colour():
    import re

    plain = render.text(FINDING, "timeline")
    assert re.sub(r"\x1b\[[\d;]*m", "", render.text(FINDING, "timeline", color=True)) == plain
    assert "\x1b" not in plain


@settings(deadline=None)
@given(st.lists(st.integers(min_value=0, max_value=30), max_size=40))
def test_guides_never_draw_a_branch_that_leads_nowhere(raw):
    depths = []
    for number in raw:
        depths.append(min(number, depths[-1] + 1) if depths else 0)
    drawn = guides(depths)
    assert [bool(guide) for guide in drawn] == [depth > 0 for depth in depths]
    for at, guide in enumerate(drawn):
        if "├" in guide:
            column = guide.index("├")
            assert any(len(below) > column and below[column] in "├└" for below in drawn[at + 1 :])


def test_a_large_graph_is_folded_for_mermaid_and_says_so():
    nodes = tuple(Node(f"{n}", f"operation {n} " * 5, Role.OPERATION) for n in range(900))
    edges = tuple(Edge(f"{n}", f"{(n * 7) % 900}", Role.CALL, "many calls", n) for n in range(900))
    text = render.text(Graph("large", "", nodes, edges), "mermaid")
    assert len(text) < 50_000
    assert text.count(" --&gt;") + text.count(" -->") <= 500
    assert "more nodes" in text


def test_a_timeline_beyond_mermaids_limit_is_folded_and_says_so():
    assert isinstance(FINDING, Timeline)
    from dataclasses import replace

    many = replace(FINDING, lanes=FINDING.lanes * 60)
    text = render.text(many, "mermaid")
    assert len(text) < 50_000
    assert "more lanes" in text


def test_dark_pictures_use_the_dark_paper():
    assert theme.paper(dark=True).paper in render.dot_source(FINDING, dark=True)
