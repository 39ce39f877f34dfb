"""A `Timeline` as Graphviz text with every position pinned, so that any engine draws the same picture.

Graphviz has no time axis. Each bar, rule and word is a node of fixed size at a position that is computed here
(`pos="x,y!"`, drawn by `neato -n2`); HTML-like tables cannot place
cells on a scale.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import graphviz

from tracecollect.diagrams import Lane, Marker, Occupancy, Role, Segment, Timeline, duration
from tracecollect.render.dot import markup, tint
from tracecollect.render.label import fitted, plain, points, wrapped
from tracecollect.render.theme import Look, Paper, look, paper

# Points. The page is as wide as a laptop's screen at 96 dots per inch (1,440 pixels).
_LABEL, _DETAIL, _NOTE = 196, 92, 176
_LEFT, _RIGHT = _LABEL + _DETAIL + 12, 860
_WIDTH = _RIGHT + 24 + _NOTE
_ROW, _BAR, _OCCUPANCY = 21, 12, 46
_INDENT, _DEEPEST = 9, 9
_STRIPE = 8.0


@dataclass
class _Sheet:
    """Collects nodes from the top down; `y` is the middle of the row that is being written."""

    page: Paper
    dark: bool
    dot: graphviz.Digraph
    y: float = 0.0
    used: dict[Role, None] = field(default_factory=dict)
    count: int = 0

    def box(self, x: float, width: float, height: float, *, y: float = 0, says: str = "", **attributes: str) -> None:
        """A rectangle from `x`, `width` points wide, its middle `y` points above the row's."""
        style = {"style": "filled", "penwidth": "0"} | attributes
        self._node(x + width / 2, self.y + y, max(width, 0.75), max(height, 0.75), says, style)

    def text(self, x: float, width: float, text: str, *, size: float = 10, **options: str | float | bool) -> None:
        """One line, cut to `width`; options: color, align (l r n), bold, y."""
        bold = bool(options.get("bold"))
        shown = fitted(text, width, size, bold=bold)
        if not shown:
            return
        align = str(options.get("align", "l"))
        wide = points(shown, size, bold=bold)
        # Engines measure with fonts of their own: the words are anchored at the side they are aligned to.
        left = {"l": x, "r": x + width - wide - 16, "n": x + width / 2 - wide / 2 - 8}[align]
        style = {
            "label": _label(shown, align, wide + 16 if bold else 0),
            "shape": "plaintext",
            "style": "",
            "fontsize": f"{size:g}",
            "fontcolor": str(options.get("color", self.page.ink)),
            "fontname": self.page.font,
        }
        self._node(left + wide / 2 + 8, self.y + float(options.get("y", 0)), wide + 16, size * 1.4, "", style)

    def look(self, role: Role) -> Look:
        """How a role looks; it will be in the legend."""
        self.used[role] = None
        return look(role)

    def color(self, role: Role) -> str:
        """The colour of a role on this paper."""
        return self.look(role).color(dark=self.dark)

    def _node(self, x: float, y: float, width: float, height: float, says: str, style: dict[str, str]) -> None:
        self.count += 1
        name = f"{self.count} {plain(says, 80)}" if says else str(self.count)
        place = {"pos": f"{x:.1f},{y:.1f}!", "width": f"{width / 72:.4f}", "height": f"{height / 72:.4f}"}
        self.dot.node(graphviz.escape(name), _attributes=place | style)


def _label(text: str, align: str, bold_width: float) -> str:
    """An anchored line; bold ones are HTML-like, because engines disagree about the names of bold fonts."""
    if bold_width:
        side = {"l": "LEFT", "r": "RIGHT", "n": "CENTER"}[align]
        table = f'<TABLE BORDER="0" CELLBORDER="0" CELLPADDING="0" CELLSPACING="0" WIDTH="{bold_width:.0f}">'
        return f'<{table}<TR><TD ALIGN="{side}"><B>{markup(text)}</B></TD></TR></TABLE>>'
    plain_label = graphviz.escape(text).replace("&", "&amp;") + ("" if align == "n" else f"\\{align}")
    label: str = graphviz.nohtml(plain_label)
    return label


def spell(timeline: Timeline, *, dark: bool = False) -> str:
    """DOT text for `neato -n2`."""
    page = paper(dark=dark)
    dot = graphviz.Digraph(
        graphviz.escape(plain(timeline.title) or "empty"),
        graph_attr={"layout": "neato", "inputscale": "72", "overlap": "true", "bgcolor": page.paper, "pad": "0.25"},
        node_attr={"shape": "box", "fixedsize": "true", "label": "", "margin": "0", "pin": "true"},
    )
    sheet = _Sheet(page, dark, dot)
    _heading(sheet, timeline)
    top = sheet.y
    below = _height(timeline)
    _axis(sheet, timeline, top, below)
    for row in _rows(timeline):
        _occupancy(sheet, timeline, row)
    _lanes(sheet, timeline)
    _footer(sheet, timeline)
    source: str = dot.source
    return source


def _heading(sheet: _Sheet, timeline: Timeline) -> None:
    sheet.box(0, _WIDTH, 0.75, y=14, fillcolor=sheet.page.paper)
    for line in wrapped(timeline.title, _WIDTH - 20, 15, bold=True):
        sheet.text(0, _WIDTH, line, size=15, bold=True)
        sheet.y -= 21
    for line in wrapped(timeline.caption, _WIDTH - 20, 10):
        sheet.text(0, _WIDTH, line, size=10, color=sheet.page.quiet)
        sheet.y -= 15
    sheet.y -= 12


def _height(timeline: Timeline) -> float:
    groups = sum(lane.group != before for lane, before in _with_group(timeline.lanes) if lane.group)
    rows = max(1, len(timeline.lanes)) + groups
    return rows * _ROW + len(_rows(timeline)) * (_OCCUPANCY + 14) + 6


def _rows(timeline: Timeline) -> tuple[Occupancy, ...]:
    return (*((timeline.occupancy,) if timeline.occupancy is not None else ()), *timeline.beside)


def _with_group(lanes: tuple[Lane, ...]) -> list[tuple[Lane, str]]:
    return list(zip(lanes, ["", *(lane.group for lane in lanes)], strict=False))


def _axis(sheet: _Sheet, timeline: Timeline, top: float, below: float) -> None:
    sheet.y = top
    axis = timeline.axis
    unit = "UTC" if axis.clock else "since start"
    sheet.text(_LEFT - 108, 80, unit, size=9, color=sheet.page.quiet, align="r")
    for tick in axis.ticks:
        x = _at(timeline, tick.at)
        sheet.box(x, 0.75, below, y=-below / 2 - 8, fillcolor=sheet.page.rule, says=tick.label)
        sheet.text(x - 40, 80, tick.label, size=9, color=sheet.page.quiet, align="n")
    sheet.box(_LEFT, _RIGHT - _LEFT, 0.75, y=-9, fillcolor=sheet.page.quiet)
    sheet.y = top - 12 - _ROW / 2


def _at(timeline: Timeline, at: int) -> float:
    return _LEFT + (_RIGHT - _LEFT) * timeline.axis.fraction(at)


def _occupancy(sheet: _Sheet, timeline: Timeline, row: Occupancy) -> None:
    sheet.y -= (_OCCUPANCY - _ROW) / 2 + 4
    ends = [sample.at for sample in row.samples[1:]] + [timeline.axis.end]
    floor = -_OCCUPANCY / 2
    most = max((s.used or 0) + (s.pending or 0) for s in row.samples)
    scale = (_OCCUPANCY - 6) / max(1, most if row.far else max(row.top, most))
    for sample, end in zip(row.samples, ends, strict=True):
        x, width = _at(timeline, sample.at), _at(timeline, end) - _at(timeline, sample.at)
        used, waiting = (sample.used or 0) * scale, (sample.pending or 0) * scale
        if width <= 0:
            continue
        if used:
            sheet.box(
                x, width, used, y=floor + used / 2, fillcolor=sheet.color(Role.USED), says=f"{sample.used} {row.says}"
            )
        if waiting:
            color = sheet.color(Role.PENDING)
            says = f"{sample.pending} waiting"
            sheet.box(x, width, waiting, y=floor + used + waiting / 2, fillcolor=color, says=says)
        if sample.max is not None and not row.far:
            size = floor + sample.max * scale
            sheet.box(x, width, 1.4, y=size, fillcolor=sheet.color(Role.MAX), says=f"pool size {sample.max}")
    sheet.box(_LEFT, _RIGHT - _LEFT, 0.75, y=floor, fillcolor=sheet.page.quiet)
    last = row.samples[-1]
    sheet.text(0, _LABEL, row.label, bold=True)
    detail = "occupancy" if row is timeline.occupancy else "process"
    sheet.text(_LABEL, _DETAIL, detail, size=9, color=sheet.page.quiet, align="r")
    sheet.text(_RIGHT + 24, _NOTE, occupancy_words(last.used, last.max, last.pending, row.says), bold=True)
    sheet.y -= (_OCCUPANCY + _ROW) / 2 + 10


def occupancy_words(used: int | None, size: int | None, pending: int | None, says: str = "in use") -> str:
    """`10 of 10 in use, 7 waiting`; what is not known is left out."""
    text = "" if used is None else f"{used} {says}" if size is None else f"{used} of {size} {says}"
    return ", ".join(filter(None, [text, f"{pending} waiting" if pending else ""]))


def _lanes(sheet: _Sheet, timeline: Timeline) -> None:
    if not timeline.lanes:
        sheet.text(_LEFT, _RIGHT - _LEFT, "nothing to draw", color=sheet.page.quiet, align="n")
        sheet.y -= _ROW
    for lane, before in _with_group(timeline.lanes):
        if lane.group and lane.group != before:
            sheet.text(0, _LEFT - 10, lane.group, size=10, bold=True, color=sheet.color(lane.role), y=-3)
            sheet.y -= _ROW
        _lane(sheet, timeline, lane)
        sheet.y -= _ROW


def _lane(sheet: _Sheet, timeline: Timeline, lane: Lane) -> None:
    indent = min(lane.depth, _DEEPEST) * _INDENT
    loud = bool(lane.endless) and lane.role in (Role.LEAKED, Role.SUSPECTED)
    if loud:
        ground = tint(sheet.color(lane.role), sheet.page.paper, 0.07)
        sheet.box(-4, _LEFT + 2, _ROW - 2, fillcolor=ground)
    elif lane.depth or lane.role is Role.SPAN:
        sheet.box(_LEFT, _RIGHT - _LEFT, 0.75, fillcolor=sheet.page.rule)
    sheet.text(indent, _LABEL - indent + (0 if lane.detail else _DETAIL), lane.label, bold=loud)
    sheet.text(_LABEL + 4, _DETAIL - 4, lane.detail, size=9, color=sheet.page.quiet, align="r")
    for segment in lane.segments:
        _segment(sheet, timeline, segment)
    if lane.endless:
        _run_off(sheet, lane)
    for marker in lane.markers:
        _marker(sheet, timeline, marker)
    ink = sheet.color(lane.role) if loud or lane.role is Role.ERROR else sheet.page.quiet
    # × is in every font; the glyphs of the theme are not.
    mark = "× " if loud else ""
    x = _RIGHT + 24 if lane.segments else _LEFT
    sheet.text(x, _NOTE, mark + lane.note, size=10 if loud else 9, bold=loud, color=ink)


def _segment(sheet: _Sheet, timeline: Timeline, segment: Segment) -> None:
    start, end = _at(timeline, segment.start), _at(timeline, segment.end)
    if segment.end < timeline.axis.start or segment.start > timeline.axis.end:
        return
    color, pattern = sheet.color(segment.role), sheet.look(segment.role).pattern
    # A stretch too short to see is drawn two points wide: it was there.
    width = max(end - start, 2.0)
    words = sheet.look(segment.role).words
    says = f"{words} {duration(segment.end - segment.start)}"
    if pattern == "thin":
        sheet.box(start, width, 2.2, y=-_BAR / 2 - 0.4, fillcolor=color, says=says)
    elif pattern == "stripes":
        count = max(3, int(width / _STRIPE) // 2 * 2 + 1)
        pale = tint(color, sheet.page.paper, 0.22)
        bands = ":".join(color if number % 2 == 0 else pale for number in range(count))
        sheet.box(start, width, _BAR, style="striped", fillcolor=bands, color=color, penwidth="0.8", says=says)
    elif pattern == "dashed":
        pale = tint(color, sheet.page.paper, 0.12)
        sheet.box(start, width, _BAR - 2, style="filled,dashed", fillcolor=pale, color=color, penwidth="1", says=says)
    else:
        height = _BAR - 5 if segment.role in (Role.IDLE, Role.HELD) else _BAR
        sheet.box(start, width, height, fillcolor=color, says=says)


def _run_off(sheet: _Sheet, lane: Lane) -> None:
    color = sheet.color(lane.role)
    sheet.box(_RIGHT - 3, 18, 20, says=lane.endless, shape="triangle", orientation="-90", fillcolor=color)


def _marker(sheet: _Sheet, timeline: Timeline, marker: Marker) -> None:
    if not timeline.axis.start <= marker.at <= timeline.axis.end:
        return
    x, color = _at(timeline, marker.at), sheet.color(marker.role)
    if sheet.look(marker.role).shape == "diamond":
        sheet.box(
            x - 5, 10, 10, shape="diamond", fillcolor=color, color=sheet.page.paper, penwidth="1", says=marker.label
        )
    elif marker.role is Role.OWNER_ENDED:
        sheet.box(x - 2.25, 4.5, _BAR + 6, fillcolor=color, color=sheet.page.paper, penwidth="1", says=marker.label)


_NO_LEGEND = {Role.HEALTHY, Role.LEAKED, Role.USED, Role.CLOSED_LATE, Role.RECOVERED, Role.PINNED, Role.HELD_LONG}


def _footer(sheet: _Sheet, timeline: Timeline) -> None:
    sheet.y -= 4
    for line in (*timeline.folded, *timeline.notes):
        sheet.text(0, _WIDTH, line, size=9.5, color=sheet.page.quiet)
        sheet.y -= 14
    x = 0.0
    sheet.y -= 6
    for role in [role for role in Role if role in sheet.used and role not in _NO_LEGEND]:
        words = look(role).words
        wide = points(words, 9) + 44
        if x + wide > _WIDTH:
            x, sheet.y = 0.0, sheet.y - 16
        _sample(sheet, x, role)
        sheet.text(x + 26, wide - 30, words, size=9, color=sheet.page.quiet)
        x += wide


def _sample(sheet: _Sheet, x: float, role: Role) -> None:
    seen, color = look(role), look(role).color(dark=sheet.dark)
    if seen.shape == "diamond":
        sheet.box(x + 6, 10, 10, shape="diamond", fillcolor=color)
    elif role is Role.OWNER_ENDED:
        sheet.box(x + 9, 4, 13, fillcolor=color)
    elif seen.pattern == "stripes":
        pale = tint(color, sheet.page.paper, 0.22)
        sheet.box(x, 20, 9, style="striped", fillcolor=f"{color}:{pale}:{color}:{pale}:{color}", color=color)
    elif seen.pattern == "dashed" and role is not Role.MAX:
        pale = tint(color, sheet.page.paper, 0.12)
        sheet.box(x, 20, 8, style="filled,dashed", fillcolor=pale, color=color, penwidth="1")
    else:
        thin = {"critical": 2.2, "max": 1.4, "idle": 5.0, "held": 5.0}.get(role, 9.0)
        sheet.box(x, 20, thin, fillcolor=color)
