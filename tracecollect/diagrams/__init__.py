"""What a person sees, before it has a notation: `Timeline` and `Graph`, with roles and without colours.

One function per view; each takes nouns and returns a diagram that any renderer can spell:

    waterfall(trace)              Timeline   the trace's spans, its holds as lanes under the spans that used them
    lifecycle(lifecycle)          Timeline   the holds of a finding, a pool or a trace; leaked first, never released
    call_graph(trace | edges)     Graph      operations, calls, errors, durations
    service_graph(trace | edges)  Graph      services and databases
    finding_summary(finding)      Graph      entry operation → code or statement → pool, and the evidence
    starvation(starvation)        Graph      who kept whom waiting for a pool: leak sites, slow holders, the starved
    comparison(trace, trace)      Graph      what only one of two traces did, or did otherwise
    overview(report)              Overview   the leak sites of a report in one line each, and how much can be seen
    Scroll(trace)                 Stretch    a waterfall of any length, a stretch at a time
"""

from tracecollect.diagrams.calls import call_graph, service_graph
from tracecollect.diagrams.comparison import comparison
from tracecollect.diagrams.finding import finding_summary, sentence
from tracecollect.diagrams.lifecycle import lifecycle
from tracecollect.diagrams.overview import Overview, Row, overview, row
from tracecollect.diagrams.scroll import Scroll, Stretch
from tracecollect.diagrams.shapes import (
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
    Tick,
    Timeline,
)
from tracecollect.diagrams.starvation import starvation
from tracecollect.diagrams.waterfall import waterfall
from tracecollect.diagrams.words import axis, duration, moment

__all__ = [
    "Axis",
    "Diagram",
    "Edge",
    "Graph",
    "Lane",
    "Marker",
    "Node",
    "Occupancy",
    "Overview",
    "Role",
    "Row",
    "Sample",
    "Scroll",
    "Segment",
    "Stretch",
    "Tick",
    "Timeline",
    "axis",
    "call_graph",
    "comparison",
    "duration",
    "finding_summary",
    "lifecycle",
    "moment",
    "overview",
    "row",
    "sentence",
    "service_graph",
    "starvation",
    "waterfall",
]
