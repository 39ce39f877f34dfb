"""A diagram as Mermaid: timelines as gantt charts, graphs as flowcharts; what exceeds its limits is folded."""

from __future__ import annotations

from tracecollect.diagrams import Diagram, Graph, Lane, Role, Timeline
from tracecollect.render.label import plain
from tracecollect.render.theme import look

MOST_EDGES = 400
MOST_CHARACTERS = 45_000
"""Mermaid stops at 500 edges and 50,000 characters (`maxEdges`, `maxTextSize`); a host may add its own words."""

_LABEL = 70
_LOOKALIKES = {ord(char): like for char, like in zip(":;#<>%", "꞉；＃‹›％", strict=True)}
_SHAPES = {
    "octagon": ('{{"', '"}}'),
    "hexagon": ('{{"', '"}}'),
    "cylinder": ('[("', '")]'),
    "note": ('>"', '"]'),
}


def spell(diagram: Diagram) -> str:
    """Mermaid text without a code fence."""
    return _gantt(diagram) if isinstance(diagram, Timeline) else _flowchart(diagram)


def escaped(text: str, longest: int = _LABEL) -> str:
    """Words for a quoted label: what Mermaid, Markdown or HTML would read as markup becomes an entity code."""
    return "".join(
        char if char.isalnum() or char in " ,./_-×·•…" else f"#{ord(char)};" for char in plain(text, longest)
    )


def _flowchart(graph: Graph) -> str:
    head = ["---", f'title: "{_front(graph.title)}"', "---", "flowchart LR"]
    kept = sorted(graph.edges, key=lambda edge: (-edge.weight, edge.source, edge.target))[:MOST_EDGES]
    wanted = {edge.source for edge in kept} | {edge.target for edge in kept}
    nodes = [node for node in graph.nodes if node.id in wanted or len(graph.edges) <= MOST_EDGES]
    ids = {node.id: f"n{number}" for number, node in enumerate(nodes)}
    body: list[str] = []
    size, drawn = 1000, set()
    for group in dict.fromkeys(node.group for node in nodes):
        inside = [node for node in nodes if node.group == group]
        lines = [f'  subgraph g{len(body)}["{escaped(graph.groups.get(group, group))}"]'] if group else []
        for node in inside:
            begin, end = _SHAPES.get(look(node.role).shape, ('["', '"]'))
            detail = f"<br/>{escaped(node.detail)}" if node.detail else ""
            line = f"  {ids[node.id]}{begin}{escaped(node.label)}{detail}{end}:::{node.role}"
            size += len(line) + 1
            if size < MOST_CHARACTERS * 0.6:
                lines.append(line)
                drawn.add(node.id)
        body += [*lines, "  end"] if group else lines
    links = []
    for edge in kept:
        if edge.source not in drawn or edge.target not in drawn:
            continue
        arrow = "-.->" if edge.role is Role.MISSING else "==>" if edge.role is not Role.CALL else "-->"
        label = f'|"{escaped(edge.label)}"|' if edge.label else ""
        line = f"  {ids[edge.source]} {arrow}{label} {ids[edge.target]}"
        size += len(line) + 1
        if size < MOST_CHARACTERS:
            links.append(line)
    folded = list(graph.folded)
    if len(drawn) < len(graph.nodes) or len(links) < len(graph.edges):
        folded.append(f"+{len(graph.nodes) - len(drawn)} more nodes, +{len(graph.edges) - len(links)} more calls")
    body += [f'  fold{number}["{escaped(text)}"]:::fold' for number, text in enumerate(folded)]
    if not body:
        body = ['  empty["nothing to draw"]:::fold']
    return "\n".join([*head, *body, *links, *_classes(graph, bool(folded or not graph.nodes))]) + "\n"


def _classes(graph: Graph, fold: bool) -> list[str]:
    lines = []
    for role in sorted({node.role for node in graph.nodes} | ({Role.FOLD} if fold else set())):
        seen = look(role)
        dash = ",stroke-dasharray:4 3" if seen.pattern == "dashed" else ""
        fill = (
            f"fill:{seen.light},color:#ffffff"
            if role in (Role.LEAKED, Role.SUSPECTED)
            else "fill:#ffffff,color:#1b1f24"
        )
        width = "3px" if role in (Role.LEAKED, Role.SUSPECTED, Role.ERROR) else "1px"
        lines.append(f"  classDef {role} {fill},stroke:{seen.light},stroke-width:{width}{dash}")
    return lines


def _front(text: str) -> str:
    # The title is YAML in double quotes.
    return plain(text, 300).replace("\\", "\\\\").replace('"', '\\"').replace("<", "‹").replace(">", "›")


def _gantt(timeline: Timeline) -> str:
    lines = [
        "---",
        f'title: "{_front(timeline.title)}"',
        "---",
        "gantt",
        "  dateFormat x",
        f"  axisFormat {_ticks(timeline)}",
    ]
    size, shown = sum(map(len, lines)) + 500, 0
    heading = None
    for number, lane in enumerate(timeline.lanes):
        part = _tasks(timeline, lane, number)
        section = lane.group or lane.detail or "spans"
        if section != heading:
            part.insert(0, f"  section {_bare(section)}")
        size += sum(len(line) + 1 for line in part)
        if size > MOST_CHARACTERS:
            break
        heading = section
        lines += part
        shown += 1
    folded = [*timeline.folded]
    if shown < len(timeline.lanes):
        folded.append(f"+{len(timeline.lanes) - shown} more lanes")
    notes = [*folded, *timeline.notes]
    lines += ["  section Notes"] * bool(notes or not timeline.lanes)
    start = timeline.axis.start // 1_000_000
    lines += [f"  {_bare(text, 160)} :milestone, note{number}, {start}, 0ms" for number, text in enumerate(notes)]
    if not timeline.lanes:
        lines.append(f"  nothing to draw :milestone, empty, {start}, 0ms")
    return "\n".join(lines) + "\n"


def _tasks(timeline: Timeline, lane: Lane, number: int) -> list[str]:
    """One bar for each unbroken stretch: gantt has no segments inside a bar, and a row each would hide the leak."""
    stretches: list[tuple[int, int, bool]] = []
    for segment in lane.segments:
        alarm = segment.role in (Role.NEVER, Role.SUSPECTED, Role.ERROR)
        if segment.role is Role.CRITICAL:
            continue
        if stretches and segment.start <= stretches[-1][1]:
            start, end, before = stretches.pop()
            stretches.append((start, max(end, segment.end), before or alarm))
        else:
            stretches.append((segment.start, segment.end, alarm))
    stretches = stretches or [(timeline.axis.start, timeline.axis.start, False)]
    tasks = []
    for turn, (start, end, alarm) in enumerate(stretches):
        words = lane.label if turn < len(stretches) - 1 else f"{lane.label} · {lane.note}"
        first, last = start // 1_000_000, min(end, timeline.axis.end) // 1_000_000
        tasks.append(
            f"  {_bare(words)} :{'crit' if alarm else 'active'}, t{number}_{turn}, {first}, {max(last, first + 1)}"
        )
    return tasks


def _ticks(timeline: Timeline) -> str:
    return "%H:%M:%S" if timeline.axis.end - timeline.axis.start > 5_000_000_000 else "%S.%L s"


def _bare(text: str, longest: int = _LABEL) -> str:
    """Words for a gantt task, where no quotes exist: what ends a task or a line is replaced by a look-alike."""
    swapped = plain(text, longest).translate(_LOOKALIKES)
    return swapped.strip() or "(no name)"
