"""Spans, records and metric points as columns, straight into the tables that the decoder makes. No loop over rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tracecollect.wire.columns import Attributes, hex_ids, list_column, times

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Words = tuple[Ints, Sequence[str]]
"""Codes and what they mean; -1: the row has none."""
EPOCH = 1_790_000_000 * 1_000_000_000
KINDS = ("Unspecified", "Internal", "Server", "Client", "Producer", "Consumer")


def nanos(seconds: Floats) -> Ints:
    """Seconds of the world as nanoseconds since 1970."""
    return EPOCH + np.round(seconds * 1e9).astype(np.int64)


@dataclass(frozen=True)
class Block:
    """Spans (with `parent`, `end`) or log records, one a row. Constant things are given once."""

    trace: Ints
    own: Ints
    parent: Ints
    start: Floats
    end: Floats
    process: Ints
    scope: str
    name: Words
    kind: str = "Client"
    failed: npt.NDArray[np.bool_] | None = None
    attributes: Mapping[str, Words] | None = None
    event: str = ""  # that each of these spans has 1 ms after its start
    record: bool = False

    def __len__(self) -> int:
        return len(self.trace)


def spans(blocks: Sequence[Block], traces: Ints, resources: Sequence[Mapping[str, str]], arrived: Floats) -> pa.Table:
    """`otel_traces`. `traces` has two numbers a trace, its id; `resources` the attributes of each process."""
    return pa.table(
        {
            **_identity(blocks, traces),
            "ParentSpanId": _ids(np.concatenate([one.parent for one in blocks])),
            "SpanName": _labels([one.name for one in blocks]),
            "SpanKind": _repeated([one.kind for one in blocks], blocks),
            "Flags": pa.array(np.where(np.concatenate([one.parent for one in blocks]) != 0, 0x101, 0x301), pa.uint32()),
            "ScopeName": _repeated([one.scope for one in blocks], blocks),
            **_resource(blocks, resources),
            "Timestamp": times(nanos(np.concatenate([one.start for one in blocks])).astype(np.uint64)),
            "Duration": pa.array(np.concatenate([nanos(one.end) - nanos(one.start) for one in blocks]), pa.uint64()),
            "StatusCode": _status(blocks),
            "SpanAttributes": attributes([one.attributes or {} for one in blocks], [len(one) for one in blocks]),
            **_events(blocks),
            "Arrived": times(nanos(arrived).astype(np.uint64)),
        }
    )


def _events(blocks: Sequence[Block]) -> dict[str, pa.Array]:
    happened = np.repeat([bool(one.event) for one in blocks], [len(one) for one in blocks])
    offsets = np.zeros(len(happened) + 1, np.int64)
    np.cumsum(happened, out=offsets[1:])
    names = pa.array([one.event for one in blocks for _ in range(len(one) if one.event else 0)], pa.string())
    at = np.concatenate([one.start for one in blocks])[happened] + 0.001
    return {
        "Events.Timestamp": list_column(offsets, times(nanos(at).astype(np.uint64))),
        "Events.Name": list_column(offsets, names),
        "Events.Attributes": list_column(offsets, attributes([{}], [len(at)])),
    }


def records(blocks: Sequence[Block], traces: Ints, resources: Sequence[Mapping[str, str]], arrived: Floats) -> pa.Table:
    """`otel_logs`: events, whose span is their `parent`."""
    table = {
        **_identity(blocks, traces),
        "SpanId": _ids(np.concatenate([one.parent for one in blocks])),
        "EventName": _labels([one.name for one in blocks]),
        "ScopeName": _repeated([one.scope for one in blocks], blocks),
        **_resource(blocks, resources),
        "Timestamp": times(nanos(np.concatenate([one.start for one in blocks])).astype(np.uint64)),
        "LogAttributes": attributes([one.attributes or {} for one in blocks], [len(one) for one in blocks]),
        "Arrived": times(nanos(arrived).astype(np.uint64)),
    }
    return pa.table(table)


def levels(
    name: str, scope: str, said: Mapping[str, str], at: Floats, values: Ints, process: Ints, since: Floats,
    resources: Sequence[Mapping[str, str]], lag: float = 1.0,
) -> pa.Table:  # fmt: skip
    """`otel_metrics_sum`: one cumulative up-down counter."""
    everywhere = {key: (np.zeros(len(at), np.int64), [value]) for key, value in said.items()}
    block = Block(process, process, process, at, at, process, scope, (np.zeros(len(at), np.int64), [name]))
    return pa.table(
        {
            "MetricName": _labels([block.name]),
            "ScopeName": _repeated([scope], [block]),
            **_resource([block], resources),
            "Attributes": attributes([everywhere], [len(at)]),
            "StartTimeUnix": times(nanos(since).astype(np.uint64)),
            "TimeUnix": times(nanos(at).astype(np.uint64)),
            "Value": pa.array(values, pa.float64()),
            "AggregationTemporality": pa.array(np.full(len(at), 2), pa.int32()),
            "Arrived": times(nanos(at + lag).astype(np.uint64)),
        }
    )


def attributes(said: Sequence[Mapping[str, Words]], lengths: Sequence[int]) -> pa.Array:
    """Maps for blocks of rows: a key has a word in each row, or none where its code is -1."""
    keys = sorted({key for one in said for key in one})
    total = sum(lengths)
    codes = np.full((total, len(keys)), -1, np.int64)
    words: list[str] = []
    first = 0
    for block, length in zip(said, lengths, strict=True):
        for key, (own, meanings) in block.items():
            codes[first : first + length, keys.index(key)] = np.where(own >= 0, own + len(words), -1)
            words += meanings
        first += length
    rows, columns = np.nonzero(codes >= 0)
    offsets = np.zeros(total + 1, np.int64)
    np.cumsum(np.bincount(rows, minlength=total), out=offsets[1:])
    found = Attributes(
        offsets, columns.astype(np.int32), codes[rows, columns].astype(np.int32), pa.array(keys, pa.string()),
        pa.array(words, pa.string()),
    )  # fmt: skip
    return found.maps()


def _identity(blocks: Sequence[Block], traces: Ints) -> dict[str, pa.Array]:
    whole = traces[np.concatenate([one.trace for one in blocks])]
    return {
        "TraceId": hex_ids(_fixed(whole, 16), 16),
        "SpanId": _ids(np.concatenate([one.own for one in blocks])),
    }


def _ids(numbers: Ints) -> pa.Array:
    return hex_ids(_fixed(numbers, 8), 8)


def _fixed(numbers: Ints, size: int) -> pa.Array:
    raw = np.ascontiguousarray(numbers).astype(">i8").tobytes()
    count = len(raw) // size
    offsets = np.arange(count + 1, dtype=np.int32) * size
    return pa.BinaryArray.from_buffers(pa.binary(), count, [None, pa.py_buffer(offsets.tobytes()), pa.py_buffer(raw)])


def _labels(names: Sequence[Words]) -> pa.Array:
    words: list[str] = []
    codes = []
    for own, meanings in names:
        codes.append(own + len(words))
        words += meanings
    return pa.DictionaryArray.from_arrays(pa.array(np.concatenate(codes), pa.int32()), pa.array(words, pa.string()))


def _repeated(values: Sequence[str], blocks: Sequence[Block]) -> pa.Array:
    codes = np.repeat(np.arange(len(values)), [len(one) for one in blocks])
    return pa.DictionaryArray.from_arrays(pa.array(codes, pa.int32()), pa.array(values, pa.string()))


def _status(blocks: Sequence[Block]) -> pa.Array:
    failed = [one.failed if one.failed is not None else np.zeros(len(one), bool) for one in blocks]
    codes = np.concatenate(failed).astype(np.int32)
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(["Unset", "Error"]))


def _resource(blocks: Sequence[Block], resources: Sequence[Mapping[str, str]]) -> dict[str, pa.Array]:
    process = np.concatenate([one.process for one in blocks])
    names = pa.array([one["service.name"] for one in resources])
    said = [{key: (np.zeros(1, np.int64), [value]) for key, value in one.items()} for one in resources]
    maps = attributes(said, [1] * len(resources))
    return {
        "ServiceName": pa.DictionaryArray.from_arrays(pa.array(process, pa.int32()), names),
        "ResourceAttributes": maps.take(pa.array(process)),
    }
