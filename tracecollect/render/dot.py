"""A `Graph` as Graphviz text."""

from __future__ import annotations

import html
import textwrap

import graphviz

from tracecollect.diagrams import Edge, Graph, Node, Role
from tracecollect.render.label import plain
from tracecollect.render.theme import Paper, look, paper

_SHAPES = {
    "octagon": "octagon",
    "hexagon": "hexagon",
    "note": "note",
    "cylinder": "cylinder",
    "plain": "box",
    "diamond": "diamond",
}
_LINE, _LINES = 30, 4


def spell(graph: Graph, *, dark: bool = False) -> str:
    """DOT text that lays out from left to right, one box per group."""
    page = paper(dark=dark)
    dot = graphviz.Digraph(
        graphviz.escape(plain(graph.title) or "empty"),
        graph_attr=_graph_attributes(graph, page),
        node_attr={"fontname": page.font, "fontsize": "11", "fontcolor": page.ink, "margin": "0.16,0.09"},
        edge_attr={"fontname": page.font, "fontsize": "9", "fontcolor": page.quiet, "arrowsize": "0.7"},
    )
    ids = {node.id: f"n{number}" for number, node in enumerate(graph.nodes)}
    groups = list(dict.fromkeys(node.group for node in graph.nodes))
    for number, group in enumerate(groups):
        inside = [node for node in graph.nodes if node.group == group]
        if not group:
            _add_nodes(dot, inside, ids, page, dark=dark)
            continue
        with dot.subgraph(name=f"cluster_{number}") as box:
            heading = f"<<B>{markup(graph.groups.get(group, group))}</B>>"
            box.attr(label=heading, style="rounded,filled", color=page.rule, fillcolor=page.band, margin="12")
            box.attr(fontcolor=page.quiet, fontsize="10", labeljust="l")
            _add_nodes(box, inside, ids, page, dark=dark)
    for edge in graph.edges:
        dot.edge(ids[edge.source], ids[edge.target], _attributes=_edge(edge, page, dark=dark))
    if not graph.nodes:
        dot.node("empty", "nothing to draw", shape="plaintext", fontcolor=page.quiet)
    source: str = dot.source
    return source


def _graph_attributes(graph: Graph, page: Paper) -> dict[str, str]:
    lines = [
        f'<B><FONT POINT-SIZE="15" COLOR="{page.ink}">{markup(line)}</FONT></B>' for line in _wrap(graph.title, 90)
    ]
    lines += ['<FONT POINT-SIZE="5"> </FONT>'] if lines else []
    for text in (graph.caption, *graph.folded, *graph.notes):
        lines += [f'<FONT POINT-SIZE="10" COLOR="{page.quiet}">{markup(line)}</FONT>' for line in _wrap(text, 120)]
    return {
        "rankdir": "LR",
        "bgcolor": page.paper,
        "fontname": page.font,
        "label": "<" + '<BR ALIGN="LEFT"/>'.join(lines) + '<BR ALIGN="LEFT"/><BR/>>' if lines else "",
        "labelloc": "t",
        "labeljust": "l",
        "nodesep": "0.22",
        "ranksep": "0.7",
        "pad": "0.3",
        "compound": "true",
    }


def _add_nodes(dot: graphviz.Digraph, nodes: list[Node], ids: dict[str, str], page: Paper, *, dark: bool) -> None:
    for node in nodes:
        dot.node(ids[node.id], _attributes=_node(node, page, dark=dark))


def _node(node: Node, page: Paper, *, dark: bool) -> dict[str, str]:
    seen = look(node.role)
    color = seen.color(dark=dark)
    loud = node.role in (Role.LEAKED, Role.SUSPECTED)
    ink = page.paper if loud else page.ink
    name = "<BR/>".join(markup(line) for line in _wrap(node.label or "(no name)", _LINE))
    name = f'<B><FONT COLOR="{ink}">{name}</FONT></B>' if loud else f'<FONT COLOR="{ink}">{name}</FONT>'
    if node.detail:
        small = "<BR/>".join(markup(line) for line in _wrap(node.detail, _LINE + 8))
        name += f'<BR/><FONT POINT-SIZE="9" COLOR="{ink if loud else page.quiet}">{small}</FONT>'
    shape = _SHAPES.get(seen.shape, "box")
    style = "filled" + (",rounded" if shape == "box" else "") + (",dashed" if seen.pattern == "dashed" else "")
    return {
        "label": f"<{name}>",
        "shape": shape,
        "style": style,
        "color": color,
        "fillcolor": color if loud else tint(color, page.paper),
        "penwidth": "2.5" if loud or node.role is Role.ERROR else "1.2",
    }


def _edge(edge: Edge, page: Paper, *, dark: bool) -> dict[str, str]:
    seen = look(edge.role)
    loud = edge.role not in (Role.CALL, Role.MISSING)
    color = seen.color(dark=dark)
    attributes = {"color": color, "penwidth": "2.2" if loud else "1.1"}
    if edge.label:
        text = "<BR/>".join(markup(line) for line in _wrap(edge.label, 40))
        attributes["label"] = f'<<FONT COLOR="{color if loud else page.quiet}">{text}</FONT>>'
    if edge.role is Role.MISSING:
        attributes |= {"style": "dashed", "arrowhead": "tee", "penwidth": "1.6"}
    return attributes


def _wrap(text: str, width: int) -> list[str]:
    lines = textwrap.wrap(plain(text), width, max_lines=_LINES, placeholder=" …", break_long_words=True)
    return lines or ([""] if text else [])


def markup(text: str) -> str:
    """A plain line inside an HTML-like label."""
    # An empty element is a syntax error in HTML-like labels.
    return html.escape(plain(text), quote=True) or " "


def tint(color: str, ground: str, share: float = 0.14) -> str:
    """A colour thinned with the ground it lies on, both `#rrggbb`."""
    mixed = (
        round(int(color[at : at + 2], 16) * share + int(ground[at : at + 2], 16) * (1 - share)) for at in (1, 3, 5)
    )
    return "#" + "".join(f"{part:02x}" for part in mixed)
