"""Two traces beside each other, operation by operation."""

from __future__ import annotations

from tracecollect.graphs.tree import TraceTree, trace_tree
from tracecollect.model import OperationCalls, OperationChange, StatusCode, Trace, TraceDiff

_Operation = tuple[str, str]


def trace_diff(before: Trace, after: Trace) -> TraceDiff:
    """Counts, durations and errors of every operation (service and span name) in both traces.

    Operations are in the order of the first trace, then those that only the second has. A span that was delivered
    twice counts once; a parent that never arrived is no operation.
    """
    old, new = trace_tree(before), trace_tree(after)
    known, now = _operations(old), _operations(new)
    return TraceDiff(
        before.trace_id,
        after.trace_id,
        old.end - old.start,
        new.end - new.start,
        tuple(OperationChange(*name, known.get(name), now.get(name)) for name in {**known, **now}),
    )


def _operations(tree: TraceTree) -> dict[_Operation, OperationCalls]:
    found: dict[_Operation, OperationCalls] = {}
    for span in (node.span for node in tree):
        if span is None:
            continue
        name = span.service, span.name
        known = found.get(name, OperationCalls(0, 0, 0, 0))
        found[name] = OperationCalls(
            known.count + 1,
            known.errors + (span.status == StatusCode.ERROR),
            known.total + span.duration,
            max(known.longest, span.duration),
        )
    return found
