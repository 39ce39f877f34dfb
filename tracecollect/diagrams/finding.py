"""A finding in one sentence, and as a small graph: entry operation → code or statement → pool, with the evidence."""

from __future__ import annotations

from tracecollect.diagrams.shapes import Edge, Graph, Node, Role
from tracecollect.diagrams.words import many, moment
from tracecollect.model import Finding, Verdict

_SAYS = {
    Verdict.LEAKED: "never came back",
    Verdict.SUSPECTED: "has not come back and its request has ended",
    Verdict.HELD_LONG: "is held long; its request still runs",
    Verdict.CLOSED_LATE: "came back after its request had ended",
    Verdict.RECOVERED: "was taken back by the pool or the garbage collector",
    Verdict.PINNED_BY_DESIGN: "is kept on purpose",
    Verdict.UNKNOWN: "cannot be followed to its end",
}
_BACK = {
    Verdict.LEAKED: "never returns",
    Verdict.CLOSED_LATE: "returns late",
    Verdict.RECOVERED: "taken back",
    Verdict.UNKNOWN: "not seen returning",
}
_PLURAL = {"has": "have", "is": "are", "was": "were", "its": "their", "request": "requests", "runs": "run"}


def sentence(finding: Finding) -> str:
    """How many connections, of which entry operation, since when, and where in the code or by which statement."""
    says = _SAYS[finding.verdict]
    if finding.leaked_count != 1:
        says = " ".join(_PLURAL.get(word, word) for word in says.split(" "))
        says = says.replace("their end", "their ends").replace("requests has", "requests have")
    count = f"{many(finding.leaked_count, 'connection')} of {finding.entry or finding.service or 'an unknown request'}"
    text = f"{count} {says}, since {moment(finding.first_at)} UTC"
    if finding.code:
        return f"{text}, taken in {finding.code}"
    return f"{text}, last used by {finding.statement}" if finding.statement else text


def caption(finding: Finding) -> str:
    """Where, how sure, how fast, until when: what the sentence left out."""
    parts = [
        f"pool {finding.pool or '(unnamed)'} of {finding.service}",
        f"{finding.verdict} at {finding.confidence:.0%}",
    ]
    if finding.per_hour is not None:
        parts.append(f"{finding.per_hour:,.0f} per hour")
    if finding.exhausted_at is not None:
        parts.append(f"pool empty at {moment(finding.exhausted_at)} UTC")
    if finding.starved_requests:
        parts.append(f"{many(finding.starved_requests, 'request')} starved")
    if finding.code and finding.statement:
        parts.append(f"last statement {finding.statement}")
    return " · ".join(parts)


def finding_summary(finding: Finding, *, limit: int = 6) -> Graph:
    """The leak's way in one picture; at most `limit` pieces of evidence, the rest counted."""
    verdict = Role(finding.verdict)
    nodes = [Node("entry", finding.entry or "(unknown operation)", Role.ENTRY, finding.service)]
    edges = []
    before = "entry"
    for id_, label, detail in (
        ("code", finding.code, "took the connection"),
        ("statement", finding.statement, "last statement on it"),
    ):
        if label:
            nodes.append(Node(id_, label, Role.CODE, detail))
            edges.append(Edge(before, id_))
            before = id_
    lost = Node("lost", f"{many(finding.leaked_count, 'connection')} {finding.verdict.replace('_', ' ')}", verdict)
    pool = Node("pool", finding.pool or "(unnamed pool)", Role.POOL, finding.instance or finding.service)
    nodes += [lost, pool]
    edges += [
        Edge(before, "lost", verdict, "takes"),
        Edge("lost", "pool", Role.MISSING, _BACK.get(finding.verdict, "not back yet")),
    ]
    return Graph(
        title=sentence(finding),
        caption=caption(finding),
        nodes=tuple(nodes),
        edges=tuple(edges),
        folded=(f"+{len(finding.evidence) - limit} more pieces of evidence",) if len(finding.evidence) > limit else (),
        notes=tuple(f"• {evidence.kind}: {evidence.text}" for evidence in finding.evidence[:limit]),
    )
