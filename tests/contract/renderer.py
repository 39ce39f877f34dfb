"""What every notation promises of every diagram. A notation joins by being in `render.NOTATIONS`."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET

from rich.cells import cell_len

from tracecollect import render
from tracecollect.diagrams import (
    Axis,
    Diagram,
    Edge,
    Graph,
    Lane,
    Marker,
    Node,
    Occupancy,
    Role,
    Sample,
    Segment,
    Timeline,
)
from tracecollect.model import Instant
from tracecollect.render.gallery import ENGINE

HOSTILE = (
    'say "hi"',
    "</script><script>alert(1)</script>",
    "]]> --> <!-- <![CDATA[",
    "line one\nline two\r\n\ttab",
    "\\N \\G \\l \\",
    "<b>bold</b> &amp; &lt;",
    "<<TABLE><TR><TD>x</TD></TR></TABLE>>",
    "{[(|)]} ; # : % :::class end",
    "\u202ereversed\u202c \u2066 \u200f \ufeff",
    "nul \x00 bell \x07 esc \x1b[31mred\x1b[0m del \x7f \x9b31m",
    "\ud800 lone surrogate",
    "日本語の操作 🦊 ééé",
    "click n1 href javascript:alert(1)",
    "%%{init: {'securityLevel':'loose'}}%%",
    "W" * 10_000,
    "word " * 2_000,
    "",
    " ",
)
_UNSEEN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2066-\u2069\ufeff]")


def hostile_timeline() -> Timeline:
    """Every hostile label in every place of a timeline that takes words."""
    lanes = tuple(
        Lane(
            id=text,
            label=text,
            role=list(Role)[number % len(Role)],
            segments=(
                Segment(Instant(number), Instant(number + 40), Role.BUSY, text),
                Segment(Instant(9), Instant(99), Role.NEVER),
            ),
            markers=(Marker(Instant(50), Role.OWNER_ENDED, text),),
            detail=text,
            note=text,
            group=text,
            depth=number * 7,
            endless=text,
            trace_id=text,
        )
        for number, text in enumerate(HOSTILE)
    )
    row = Occupancy(HOSTILE[1], (Sample(Instant(0)), Sample(Instant(50), 5, 4, 3)))
    return Timeline(HOSTILE[0] + HOSTILE[1], HOSTILE[9], Axis(Instant(0), Instant(100)), lanes, row, HOSTILE, HOSTILE)


def hostile_graph() -> Graph:
    """Every hostile label as node id, label, group and call; with a circle and a call of itself."""
    roles = [Role.LEAKED, Role.CODE, Role.POOL, Role.OPERATION, Role.MISSING, Role.ERROR]
    nodes = tuple(Node(text, text, roles[n % len(roles)], text, text) for n, text in enumerate(HOSTILE))
    edges = tuple(Edge(a, b, Role.CALL, b) for a, b in zip(HOSTILE, (*HOSTILE[1:], HOSTILE[0]), strict=True))
    return Graph(
        HOSTILE[0], HOSTILE[1], nodes, (*edges, Edge(HOSTILE[3], HOSTILE[3])), {t: t for t in HOSTILE}, HOSTILE
    )


class RendererContract:
    """Run for one notation against one diagram; `diagram` and `notation` are fixtures."""

    def test_the_same_diagram_is_spelled_the_same(self, diagram: Diagram, notation: str) -> None:
        assert self.spelled(diagram, notation) == self.spelled(diagram, notation)

    def test_a_reader_of_the_notation_accepts_it(self, diagram: Diagram, notation: str) -> None:
        body = self.spelled(diagram, notation)
        assert body
        READERS[notation](body)

    def test_text_holds_no_character_that_a_terminal_or_an_eye_would_obey(
        self, diagram: Diagram, notation: str
    ) -> None:
        if render.NOTATIONS[notation].binary:
            return
        assert not _UNSEEN.search(self.spelled(diagram, notation).decode())

    @staticmethod
    def spelled(diagram: Diagram, notation: str) -> bytes:
        return render.data(diagram, notation, width=80, engine=ENGINE)


def _reads_terminal(body: bytes) -> None:
    lines = body.decode().split("\n")
    assert max(cell_len(line) for line in lines) <= 80
    assert lines[-1] == ""


def _reads_dot(body: bytes) -> None:
    pinned = b"layout=neato" in body
    drawn = render.layout.draw(body.decode(), "svg", pinned=pinned, engine=ENGINE)
    ET.fromstring(drawn)


def _reads_svg(body: bytes) -> None:
    root = ET.fromstring(body)
    assert root.tag == "{http://www.w3.org/2000/svg}svg"
    assert not [e for e in root.iter() if e.tag.endswith(("script", "foreignObject", "}a", "image"))]
    assert not [name for e in root.iter() for name in e.attrib if name.lower().startswith("on")]


def _reads_html(body: bytes) -> None:
    text = body.decode()
    assert text.startswith("<!DOCTYPE html>\n")
    # Our pages are well-formed XML on purpose: a label that breaks out of its place breaks the parser.
    root = ET.fromstring(text.removeprefix("<!DOCTYPE html>\n"))
    tags = {element.tag.rsplit("}", 1)[-1] for element in root.iter()}
    assert not tags & {"script", "iframe", "img", "link", "a", "object", "form"}
    addresses = set(re.findall(r"https?://[^\s\"'<]+", text))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}


def _reads_mermaid(body: bytes) -> None:
    text = body.decode()
    assert len(text) < 50_000
    lines = text.splitlines()
    assert lines[0] == "---"
    assert json.loads(lines[1].removeprefix("title: ")) is not None
    assert lines[3] in ("gantt", "flowchart LR")
    known = _GANTT if lines[3] == "gantt" else _FLOWCHART
    for line in lines[4:]:
        assert known.fullmatch(line), line


_QUOTED = r'"(?:[^"<>{}\[\]|`\\]|<br/>)*"'
_FLOWCHART = re.compile(
    rf"  (?:n\d+(?:\[{_QUOTED}\]|\{{\{{{_QUOTED}\}}\}}|\[\({_QUOTED}\)\]|>{_QUOTED}\]):::\w+"
    rf"|subgraph g\d+\[{_QUOTED}\]|end|(?:fold\d+|empty)\[{_QUOTED}\]:::fold"
    rf"|n\d+ (?:-->|==>|-\.->)(?:\|{_QUOTED}\|)? n\d+|classDef \w+ [#\w:,\- ]+)"
)
_GANTT = re.compile(
    r"  (?:dateFormat x|axisFormat [%\w:. ]+|section [^:;#<>%]+"
    r"|[^:;#<>%]+ :(?:crit|active|milestone), \w+, -?\d+, (?:-?\d+|0ms))"
)


def _reads_json(body: bytes) -> None:
    said = json.loads(body.decode("ascii"))
    assert said["version"] == 1
    assert said["diagram"] in ("timeline", "graph")


def _reads_png(body: bytes) -> None:
    assert body.startswith(b"\x89PNG\r\n\x1a\n")
    assert body.rstrip(b"\n").endswith(b"IEND\xaeB`\x82")


READERS = {
    "tree": _reads_terminal,
    "timeline": _reads_terminal,
    "dot": _reads_dot,
    "svg": _reads_svg,
    "png": _reads_png,
    "mermaid": _reads_mermaid,
    "html": _reads_html,
    "json": _reads_json,
}
