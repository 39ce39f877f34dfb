"""A diagram as one offline page: the picture, and under it every label in full. No scripts, nothing from elsewhere."""

from __future__ import annotations

import html
import re

from tracecollect.diagrams import Diagram, Role, Timeline, duration, moment
from tracecollect.render.label import plain
from tracecollect.render.theme import look, paper

_STYLE = """
:root{{color-scheme:light dark}}
body{{margin:2rem auto;max-width:1480px;padding:0 1.5rem;font:14px/1.5 {font},"Liberation Sans",sans-serif;
color:{ink};background:{paper}}}
figure{{margin:0;overflow-x:auto;background:#fff;border-radius:6px}}svg{{max-width:100%;height:auto}}
h1{{font-size:1.25rem;margin:0 0 .25rem}}p{{color:{quiet};margin:.25rem 0}}
table{{border-collapse:collapse;width:100%;margin-top:1.5rem}}
th,td{{text-align:left;vertical-align:top;padding:.3rem .75rem .3rem 0;border-bottom:1px solid {rule};
overflow-wrap:anywhere}}th{{color:{quiet};font-weight:600}}.loud td{{font-weight:700;color:{loud}}}
@media(prefers-color-scheme:dark){{body{{color:{dark_ink};background:{dark_paper}}}p,th{{color:{dark_quiet}}}
th,td{{border-color:{dark_rule}}}.loud td{{color:{dark_loud}}}}}
"""


def spell(diagram: Diagram, svg: str) -> str:
    """The page around an SVG of the same diagram. A content security policy forbids whatever would load or run."""
    title = _escaped(diagram.title)
    said = "".join(f"<p>{_escaped(line)}</p>\n" for line in (diagram.caption, *diagram.folded, *diagram.notes) if line)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8"/>\n'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\"/>\n"
        '<meta name="viewport" content="width=device-width"/>\n'
        f"<title>{title}</title>\n<style>{_style()}</style>\n</head>\n<body>\n<h1>{title}</h1>\n{said}"
        f"<figure>\n{_inline(svg)}</figure>\n{_table(diagram)}</body>\n</html>\n"
    )


def _style() -> str:
    light, dark, loud = paper(), paper(dark=True), look(Role.LEAKED)
    return _STYLE.format(
        font=light.font,
        ink=light.ink,
        paper=light.paper,
        quiet=light.quiet,
        rule=light.rule,
        loud=loud.light,
        dark_ink=dark.ink,
        dark_paper=dark.paper,
        dark_quiet=dark.quiet,
        dark_rule=dark.rule,
        dark_loud=loud.dark,
    )


def _inline(svg: str) -> str:
    """The element without the prolog of a file; its title and comments repeat what the page says."""
    element = svg[svg.index("<svg") :]
    return re.sub(r"<!--.*?-->\n?", "", element, flags=re.DOTALL)


def _table(diagram: Diagram) -> str:
    if isinstance(diagram, Timeline):
        head = ("what", "trace or service", "begins (UTC)", "drawn for", "state")
        rows = [
            (
                lane.role,
                lane.label,
                lane.trace_id or lane.detail,
                moment(lane.segments[0].start, step=1_000_000) if lane.segments else "",
                duration(max(s.end for s in lane.segments) - lane.segments[0].start) if lane.segments else "",
                lane.note,
            )
            for lane in diagram.lanes
        ]
    else:
        names = {node.id: node.label for node in diagram.nodes}
        head = ("from", "to", "says", "", "")
        rows = [(e.role, names[e.source], names[e.target], e.label, "", "") for e in diagram.edges]
    if not rows:
        return ""
    lines = ["<tr>" + "".join(f"<th>{word}</th>" for word in head) + "</tr>"]
    for role, *cells in rows:
        loud = ' class="loud"' if role in (Role.LEAKED, Role.SUSPECTED) else ""
        lines.append(f"<tr{loud}>" + "".join(f"<td>{_escaped(cell)}</td>" for cell in cells) + "</tr>")
    return "<table>\n" + "\n".join(lines) + "\n</table>\n"


def _escaped(text: str) -> str:
    return html.escape(plain(text, 20_000), quote=True)
