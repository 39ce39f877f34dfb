"""AnyValue bytes to text, once per distinct value, the way the Collector's ClickHouse exporter spells them.

Strings, booleans and integers are read with array arithmetic on their encoding; doubles, arrays, maps, bytes
and unusual encodings are rare and read one by one.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from google.protobuf.message import DecodeError

from tracecollect.wire.columns import Attributes, Bytes, Column, Ints, Mask, buffer, bytes_of, merged, offsets_of, text
from tracecollect.wire.schema import Message, strict_class

Json: TypeAlias = Any
MOST_ATTRIBUTES = 1024
"""So many attributes a span, event, link, resource, record or point may have; what is beyond is left out."""
LONGEST = 64 << 10
"""So many characters a value may have."""
# Tag bytes of AnyValue's fields: number << 3 | wire type.
_STRING, _BOOL, _INT = 0x0A, 0x10, 0x18


def values(raw: Column) -> Column:
    """A column of serialized AnyValues as text, spelled once per distinct one."""
    encoded = pc.dictionary_encode(raw)
    return merged(encoded.indices, _shortened(spelled(encoded.dictionary)))


def attributes(lists: Column) -> Attributes:
    """The KeyValue lists of a column as codes and words."""
    entries = lists.values
    offsets = offsets_of(lists)
    if not len(entries):
        nothing = np.zeros(0, np.int32)
        return Attributes(offsets, nothing, nothing, pa.array([], pa.string()), pa.array([], pa.string()))
    keys, values = pc.dictionary_encode(entries.field(0)), pc.dictionary_encode(entries.field(1))
    keys = merged(keys.indices, text(keys.dictionary))
    key_words, value_words = _shortened(keys.dictionary), _shortened(spelled(values.dictionary))
    return Attributes(offsets, keys.indices.to_numpy(), values.indices.to_numpy(), key_words, value_words).bounded(
        MOST_ATTRIBUTES
    )


def _shortened(words: Column) -> Column:
    """Words of at most `LONGEST` characters; one that is cut ends in an ellipsis."""
    if not len(words) or int(np.diff(offsets_of(words)).max()) <= LONGEST:
        return words
    cut = pc.binary_join_element_wise(pc.utf8_slice_codeunits(words, 0, LONGEST - 1), "…", "")
    return pc.if_else(pc.greater(pc.utf8_length(words), pa.scalar(LONGEST)), cut, words)


def spelled(raw: Column) -> Column:
    """Serialized AnyValues as text. Absent and empty values are ''."""
    content, offsets = bytes_of(raw), offsets_of(raw)
    starts, sizes = offsets[:-1], np.diff(offsets)
    tag = _byte(content, starts, sizes > 0)
    short, long = _strings(content, starts, sizes, tag)
    words = text(_without_headers(content, offsets, np.where(short, 2, np.where(long, 3, sizes))))
    rest = ~(short | long)
    if not rest.any():
        return words
    ints = (tag == _INT) & _varint_fills(content, starts + 1, sizes - 1)
    rows = np.flatnonzero(rest & ~ints)
    numbers = pa.array(_varints(content, starts[ints] + 1, sizes[ints] - 1)).cast(pa.string())
    others = pa.array([spell_bytes(one) for one in raw.take(pa.array(rows)).to_pylist()], pa.string())
    place = np.arange(len(raw))
    place[ints] = len(raw) + np.arange(len(numbers))
    place[rows] = len(raw) + len(numbers) + np.arange(len(rows))
    return pa.concat_arrays([words, numbers, others]).take(pa.array(place))


def _without_headers(content: Bytes, offsets: Ints, headers: Ints) -> Column:
    """The values without their first bytes; `binary_slice` of pyarrow 26 overflows on large columns."""
    base = int(offsets[0])
    keep = np.ones(int(offsets[-1]) - base, np.bool_)
    ends = np.cumsum(headers)
    keep[np.repeat(offsets[:-1] - base - (ends - headers), headers) + np.arange(ends[-1] if len(ends) else 0)] = False
    left = np.zeros(len(offsets), np.int32)
    np.cumsum(np.diff(offsets) - headers, out=left[1:])
    data = content[base : int(offsets[-1])][keep]
    return pa.BinaryArray.from_buffers(pa.binary(), len(headers), [None, buffer(left), buffer(data)])


def _byte(content: Bytes, at: Ints, where: Mask) -> Bytes:
    """The byte at each position, 0 where there is none."""
    if not len(content):
        return np.zeros(len(at), np.uint8)
    return np.where(where, content[np.minimum(at, len(content) - 1)], 0)


def _strings(content: Bytes, starts: Ints, sizes: Ints, tag: Bytes) -> tuple[Mask, Mask]:
    """Which values are exactly one string: with a one-byte length, and with a two-byte length."""
    first = _byte(content, starts + 1, sizes > 1).astype(np.int64)
    second = _byte(content, starts + 2, sizes > 2).astype(np.int64)
    is_string = tag == _STRING
    short = is_string & (sizes >= 2) & (first < 128) & (first == sizes - 2)
    long = is_string & (sizes >= 3) & (first >= 128) & (second < 128) & ((first & 127 | second << 7) == sizes - 3)
    return short, long


def _varint_fills(content: Bytes, starts: Ints, sizes: Ints) -> Mask:
    """Whether one varint takes exactly these bytes."""
    fills = (sizes > 0) & (sizes <= 10)
    for position in range(10):
        inside = position < sizes
        more = _byte(content, starts + position, inside & fills) >= 128
        fills &= ~inside | (more == (position < sizes - 1))
    return fills


def _varints(content: Bytes, starts: Ints, sizes: Ints) -> Ints:
    total = np.zeros(len(starts), np.uint64)
    for position in range(int(sizes.max(initial=0))):
        piece = _byte(content, starts + position, position < sizes).astype(np.uint64) & np.uint64(127)
        total |= piece << np.uint64(7 * position)
    return total.view(np.int64)


def spell_bytes(raw: bytes) -> str:
    """One serialized AnyValue as text; one that cannot be read is kept as base64."""
    try:
        value = strict_class("AnyValue").FromString(raw)
    except DecodeError:
        return base64.b64encode(raw).decode()
    kind = value.WhichOneof("value")
    if kind is None:
        return ""
    if kind == "string_value":
        return str(value.string_value.decode("utf-8", "replace"))
    if kind in ("array_value", "kvlist_value"):
        return json.dumps(_plain(value), ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    plain = _plain(value)
    return spell_double(plain) if isinstance(plain, float) else _scalar(plain)


def _scalar(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _plain(value: Message) -> Json:
    """An AnyValue as JSON-ready Python."""
    kind = value.WhichOneof("value")
    match kind:
        case None:
            return None
        case "string_value":
            return value.string_value.decode("utf-8", "replace")
        case "bytes_value":
            return base64.b64encode(value.bytes_value).decode()
        case "array_value":
            return [_plain(one) for one in value.array_value.values]
        case "kvlist_value":
            return {one.key.decode("utf-8", "replace"): _plain(one.value) for one in value.kvlist_value.values}
        case "double_value":
            number = value.double_value
            # JSON knows no NaN and no infinity; a quoted word can be read back, an invalid document cannot.
            return number if math.isfinite(number) else spell_double(number)
        case _:
            return getattr(value, kind)


def spell_double(number: float) -> str:
    """A double as the shortest text that reads back, whole numbers without a fraction, as ES6 and Go's JSON do."""
    if math.isnan(number):
        return "NaN"
    if math.isinf(number):
        return "+Inf" if number > 0 else "-Inf"
    if number == 0:
        return "-0" if math.copysign(1, number) < 0 else "0"
    if 1e-6 <= abs(number) < 1e21:
        return np.format_float_positional(number, trim="-")
    mantissa, _, exponent = repr(number).partition("e")
    if not exponent:
        mantissa, _, exponent = np.format_float_scientific(number, trim="-").partition("e")
    sign, digits = exponent[0] if exponent[0] in "+-" else "+", exponent.lstrip("+-").lstrip("0")
    return f"{mantissa.removesuffix('.0')}e{sign}{digits}"
