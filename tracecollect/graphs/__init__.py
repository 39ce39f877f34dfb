"""What calls what: trace trees, call graphs, critical paths and service graphs, as pure functions of the nouns.

Nothing here looks at a clock, a file or a store. Broken input is normal input: a missing parent, a cycle,
a duplicate or a skewed clock is marked in the result and never hidden.
"""

from tracecollect.graphs.calls import call_graph, service_graph
from tracecollect.graphs.critical import PathStep, critical_path
from tracecollect.graphs.diff import trace_diff
from tracecollect.graphs.tree import Mark, TraceTree, TreeNode, trace_tree

__all__ = [
    "Mark",
    "PathStep",
    "TraceTree",
    "TreeNode",
    "call_graph",
    "critical_path",
    "service_graph",
    "trace_diff",
    "trace_tree",
]
