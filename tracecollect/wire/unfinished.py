"""Spans that are told of before they end: two protocols beside OTLP's own span without an end.

* A pending span (pydantic logfire) is an ordinary span with an id of its own whose parent is the real span, and an
  attribute that names the real parent.
* A partial span (G-Research's processors) is a log record with the span as OTLP/JSON in its body, sent again and
  again while the span runs.

Both become what they mean: the real span, without an end. The real one replaces it when it comes.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracecollect.errors import Rejected
from tracecollect.ports import Telemetry
from tracecollect.wire.columns import Attributes, Column, Ints, numbers, offsets_of
from tracecollect.wire.otlp_json import read_request

PENDING = "logfire.span_type"
_PENDING_SPAN = "pending_span"
_PENDING_PARENT = "logfire.pending_parent_id"
PARTIAL = "partial.event"
_RUNS = "heartbeat"


def pending_rows(own: Attributes) -> Ints:
    """Which spans stand for another one that has not ended."""
    if pc.index(own.key_words, PENDING).as_py() < 0:
        return np.zeros(0, np.int64)
    return _rows_of(own.lookup(PENDING), _PENDING_SPAN)


def _rows_of(texts: Column, wanted: str) -> Ints:
    equal: Column = pc.equal(texts, pa.scalar(wanted))
    return np.flatnonzero(numbers(equal))


def real_ids(ids: Column, parents: Column, own: Attributes, rows: Ints) -> tuple[Column, Column]:
    """Span and parent ids (hex) in which these rows have those of the span they stand for."""
    mine = np.zeros(len(ids), np.bool_)
    mine[rows] = True
    named = pc.replace_substring_regex(own.lookup(_PENDING_PARENT), "^(0{16}|.{0,15}|.{17,})$", "")
    mask = pa.array(mine & (np.diff(offsets_of(parents)) > 0))
    return pc.if_else(mask, parents, ids), pc.if_else(mask, pc.utf8_lower(named), parents)


def partial_requests(attributes: Attributes, bodies: Column, came: Ints) -> tuple[list[bytes], list[int]]:
    """The spans inside log records, as trace requests with the time each came; a body that is none is passed over."""
    if pc.index(attributes.key_words, PARTIAL).as_py() < 0:
        return [], []
    rows = _rows_of(attributes.lookup(PARTIAL), _RUNS)
    texts: Iterable[str] = bodies.take(pa.array(rows)).to_pylist()
    found, times = [], []
    for row, text in zip(rows.tolist(), texts, strict=True):
        try:
            found.append(read_request(Telemetry.TRACES, text.encode()))
        except Rejected:
            continue
        times.append(int(came[row]))
    return found, times
