"""Export requests, many at once, to the tables of the store."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pyarrow as pa

from tracecollect.errors import Rejected
from tracecollect.ports import Telemetry
from tracecollect.wire.columns import Column, Ints, merged
from tracecollect.wire.logs import log_columns
from tracecollect.wire.metrics import metric_columns
from tracecollect.wire.traces import trace_columns


def decode(telemetry: Telemetry, bodies: Sequence[bytes], arrived: Sequence[int]) -> Mapping[str, pa.Table]:
    """Tables by name, without empty ones; `arrived[i]` in nanoseconds belongs to `bodies[i]`.

    Text that repeats is dictionary-encoded: whoever looks at its words looks once, and half the memory holds it.
    Raises `Rejected` when one of the bodies is malformed: which one, the caller finds out by halving.
    """
    came = np.asarray(arrived, np.int64)
    try:
        tables = _DECODERS[telemetry](bodies, came)
    except (ValueError, pa.ArrowException) as error:
        raise Rejected(f"cannot be decoded: {error}") from error
    return {name: table for name, table in tables.items() if table.num_rows}


def distinct(table: pa.Table) -> pa.Table:
    """The same table, no dictionary of which has a word twice: redaction makes words equal."""
    for number, field in enumerate(table.schema):
        chunks = [_distinct(chunk) for chunk in table.column(number).chunks]
        table = table.set_column(number, field, pa.chunked_array(chunks, field.type))
    return table


def _distinct(array: Column) -> Column:
    kind = array.type
    if pa.types.is_dictionary(kind):
        return merged(array.indices, array.dictionary)
    if pa.types.is_map(kind):
        return pa.MapArray.from_arrays(array.offsets, _distinct(array.keys), _distinct(array.items))
    if pa.types.is_list(kind):
        return pa.ListArray.from_arrays(array.offsets, _distinct(array.values), type=kind)
    return array


def plain(table: pa.Table) -> pa.Table:
    """The same table without dictionaries, for who cannot read them."""
    return table.cast(pa.schema([pa.field(one.name, _plain(one.type)) for one in table.schema]))


def _plain(kind: Column) -> Column:
    if pa.types.is_dictionary(kind):
        return kind.value_type
    if pa.types.is_map(kind):
        return pa.map_(_plain(kind.key_type), _plain(kind.item_type))
    if pa.types.is_list(kind):
        return pa.list_(_plain(kind.value_type))
    return kind


_DECODERS: Mapping[Telemetry, Callable[[Sequence[bytes], Ints], Mapping[str, pa.Table]]] = {
    Telemetry.TRACES: lambda bodies, came: {"otel_traces": trace_columns(bodies, came)},
    Telemetry.LOGS: log_columns,
    Telemetry.METRICS: metric_columns,
}
