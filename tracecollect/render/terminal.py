"""A diagram for the terminal: readable without colour and at 80 columns, wider where there is room."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable, Sequence

from rich.cells import cell_len, chop_cells, set_cell_size
from rich.console import Console
from rich.text import Text

from tracecollect.diagrams import Axis, Diagram, Graph, Lane, Occupancy, Role, Timeline
from tracecollect.render.branches import branches, guides
from tracecollect.render.dot_timeline import occupancy_words
from tracecollect.render.label import plain
from tracecollect.render.theme import look

_LEAST_WIDTH = 40
_LOUD = (Role.LEAKED, Role.SUSPECTED)
# What is drawn later stays visible where two things share a cell: the rare and short over the common and long.
_ORDER = (Role.CRITICAL, Role.SPAN, Role.ERROR, Role.OPEN, Role.NEVER, Role.SUSPECTED, Role.UNKNOWN, Role.HELD)
_LEVELS = " ▁▂▃▄▅▆▇█"


def timeline(diagram: Diagram, *, width: int = 80, color: bool = False) -> str:
    """Lanes over a time axis; a `Graph`, which has no time, is written as a tree."""
    if isinstance(diagram, Graph):
        return tree(diagram, width=width, color=color)
    width = max(width, _LEAST_WIDTH)
    label, note = min(40, width * 30 // 100), min(40, width * 33 // 100)
    bar = width - label - note - 2
    lines = [*_head(diagram, width), Text()]
    if diagram.lanes or diagram.occupancy:
        lines.append(_axis_line(diagram.axis, label, bar))
    for row in _rows(diagram):
        lines += _occupancy_lines(row, diagram.axis, label, bar, note)
    group = ""
    for lane in diagram.lanes:
        if lane.group and lane.group != group:
            group = lane.group
            lines.append(Text(_fit(group, width), style=_style(lane.role, bold=True)))
        lines.append(_lane_line(lane, diagram.axis, label, bar, note))
    lines += _foot(diagram, width)
    return _printed(lines, width, color=color)


def _rows(diagram: Timeline) -> Iterable[Occupancy]:
    return (*((diagram.occupancy,) if diagram.occupancy is not None else ()), *diagram.beside)


def tree(diagram: Diagram, *, width: int = 80, color: bool = False) -> str:
    """An indented tree; spans with their durations and a bar of where in the trace they lie."""
    width = max(width, _LEAST_WIDTH)
    body = _graph_lines(diagram, width) if isinstance(diagram, Graph) else _span_lines(diagram, width)
    return _printed([*_head(diagram, width), Text(), *body, *_foot(diagram, width)], width, color=color)


def _head(diagram: Diagram, width: int) -> Iterable[Text]:
    for line in _wrapped(diagram.title, width, 4):
        yield Text(line, style="bold")
    for line in _wrapped(diagram.caption, width, 4):
        yield Text(line, style="dim")


def _foot(diagram: Diagram, width: int) -> list[Text]:
    lines = [] if (diagram.lanes if isinstance(diagram, Timeline) else diagram.nodes) else [Text("nothing to draw")]
    for text in (*diagram.folded, *diagram.notes):
        lines += [Text(line, style="dim") for line in _wrapped(text, width, 3)]
    if isinstance(diagram, Timeline) and diagram.lanes:
        used = {segment.role for lane in diagram.lanes for segment in lane.segments}
        used |= {marker.role for lane in diagram.lanes for marker in lane.markers}
        # A non-breaking space keeps a glyph and its words on one line.
        entries = [f"{look(role).glyph} {look(role).words}".replace(" ", "\xa0") for role in Role if role in used]
        rows = _wrapped("  ".join(entries), width, 4)
        lines += [Text(), *(Text(row.replace("\xa0", " "), style="dim") for row in rows)]
    return lines


def _axis_line(axis: Axis, label: int, bar: int) -> Text:
    cells = [" "] * bar
    longest = max((len(tick.label) for tick in axis.ticks), default=0) + 2
    step = max(1, -(-longest * len(axis.ticks) // bar))
    for tick in axis.ticks[::step]:
        at = round(axis.fraction(tick.at) * (bar - 1))
        text = f"╷{tick.label}"
        if at + len(text) <= bar:
            cells[at : at + len(text)] = text
    return Text(" " * (label + 1) + "".join(cells) + (" UTC" if axis.clock else ""), style="dim")


def _occupancy_lines(row: Occupancy, axis: Axis, label: int, bar: int, note: int) -> list[Text]:
    # A limit far above all values would make them one flat line; it is said in words.
    top = max([1, *((one.used or 0) + (one.pending or 0) for one in row.samples)]) if row.far else row.top
    used: list[int | None] = [None] * bar
    pending = [0] * bar
    for sample in row.samples:
        at = round(axis.fraction(sample.at) * (bar - 1))
        used[at:] = [sample.used] * (bar - at)
        pending[at:] = [sample.pending or 0] * (bar - at)
    last = row.samples[-1]
    line = Text(_fit(f"◉ {row.label}", label) + " ")
    line.append("".join(_level(value, top) for value in used), style=_style(Role.USED))
    line.append(" " + _fit(occupancy_words(last.used, last.max, None, row.says), note), style="bold")
    if not any(pending):
        return [line]
    waiting = Text(_fit("  waiting requests", label) + " ")
    waiting.append("".join(_level(value or None, top) for value in pending), style=_style(Role.PENDING))
    waiting.append(f" {last.pending} waiting" if last.pending else "", style="bold")
    return [line, waiting]


def _level(value: int | None, top: int) -> str:
    return " " if value is None else _LEVELS[math.ceil(value / top * (len(_LEVELS) - 1))]


def _lane_line(lane: Lane, axis: Axis, label: int, bar: int, note: int) -> Text:
    loud = lane.role in _LOUD
    indent = "  " * min(lane.depth, label // 4)
    trace = f"{plain(lane.trace_id[:8])} " if lane.trace_id and lane.group else ""
    name = f"{indent}{look(lane.role).glyph} {trace}{plain(lane.label)}"
    line = Text(_fit(name, label), style=_style(lane.role, bold=loud))
    line.append(" ")
    line.append_text(_bar(lane, axis, bar))
    line.append(" ")
    line.append(_fit(lane.note, note), style=_style(lane.role, bold=True) if loud else "dim")
    return line


def _bar(lane: Lane, axis: Axis, width: int) -> Text:
    cells: list[tuple[str, Role | None]] = [(" ", None)] * width
    ranked = sorted(lane.segments, key=lambda s: _ORDER.index(s.role) if s.role in _ORDER else len(_ORDER))
    for segment in ranked:
        if segment.role is Role.CRITICAL or segment.start > axis.end or segment.end < axis.start:
            continue
        first = min(width - 1, int(axis.fraction(segment.start) * width))
        last = max(first + 1, round(axis.fraction(segment.end) * width))
        cells[first:last] = [(look(segment.role).glyph, segment.role)] * (min(last, width) - first)
    for marker in lane.markers:
        if axis.start <= marker.at <= axis.end and marker.role is not Role.MISSING:
            at = min(width - 1, int(axis.fraction(marker.at) * width))
            cells[at] = (look(marker.role).glyph, marker.role)
    if lane.endless:
        cells[-1] = ("▶", lane.role)
    text = Text()
    for glyph, role in cells:
        text.append(glyph, style=_style(role) if role else "")
    return text


def _span_lines(diagram: Timeline, width: int) -> Iterable[Text]:
    grouped = any(lane.group for lane in diagram.lanes)
    depths = [lane.depth + grouped for lane in diagram.lanes]
    bar = max(12, width // 5)
    room = width - bar - 1
    group = None
    for lane, guide in zip(diagram.lanes, guides(depths), strict=True):
        if grouped and lane.group != group:
            group = lane.group
            yield Text(_fit(group, width), style=_style(lane.role, bold=True))
        loud = lane.role in _LOUD
        trace = f"{plain(lane.trace_id[:8])} " if lane.trace_id and lane.group else ""
        detail = f"  {plain(lane.detail)}" if lane.detail and not trace else ""
        name = f"{guide}{look(lane.role).glyph} {trace}{plain(lane.label)}"
        note = plain(lane.note)
        kept = min(cell_len(note), room // 2)
        line = Text(_fit(name + detail, room - kept - 1), style=_style(lane.role, bold=loud))
        line.append(" " + _fit(note, kept), style="bold" if loud else "dim")
        line.append(" ")
        line.append_text(_bar(lane, diagram.axis, bar))
        yield line


def _graph_lines(graph: Graph, width: int) -> Iterable[Text]:
    for branch in branches(graph):
        node = branch.node
        group = f"[{plain(graph.groups.get(node.group, node.group))}] " if node.group else ""
        said = "  ".join(filter(None, [plain(branch.edge.label) if branch.edge else "", plain(node.detail)]))
        again = " (see above)" if branch.again else ""
        name = f"{branch.guide}{look(node.role).glyph} {group}{plain(node.label)}{again}"
        kept = min(cell_len(said), width // 2)
        line = Text(_fit(name, width - kept - 1), style=_style(node.role, bold=node.role in _LOUD))
        line.append(" " + _fit(said, kept), style="dim")
        yield line


def _style(role: Role, *, bold: bool = False) -> str:
    shade = "" if role in (Role.SPAN, Role.HEALTHY, Role.OWNER_ENDED) and not bold else look(role).light
    return f"bold {shade}".strip() if bold else shade


def _fit(text: str, width: int) -> str:
    """Exactly `width` cells: cut with an ellipsis or filled with spaces; wide letters count as two."""
    text = plain(text)
    return set_cell_size(text if cell_len(text) <= width else set_cell_size(text, max(0, width - 1)) + "…", width)


def _wrapped(text: str, width: int, most: int) -> Sequence[str]:
    """Lines of at most `width` cells, at most `most` of them."""
    lines: list[str] = []
    line = ""
    for word in plain(text).split(" "):
        for piece in chop_cells(word, width) or [""]:
            joined = f"{line} {piece}" if line else piece
            if cell_len(joined) > width:
                lines.append(line)
                joined = piece
            line = joined
    lines = [line.rstrip() for line in [*lines, line] if line.strip()]
    return lines if len(lines) <= most else [*lines[: most - 1], _fit(" ".join(lines[most - 1 :]), width)]


def _printed(lines: Iterable[Text], width: int, *, color: bool) -> str:
    out = io.StringIO()
    console = Console(
        file=out,
        width=width,
        color_system="truecolor" if color else None,
        force_terminal=color,
        no_color=not color,
        highlight=False,
        markup=False,
        emoji=False,
        legacy_windows=False,
    )
    for line in lines:
        line.rstrip()
        console.print(line, no_wrap=True, overflow="crop", crop=True, soft_wrap=False)
    return out.getvalue()
