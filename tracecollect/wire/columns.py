"""Small vectorised steps from protobuf columns to table columns: text, ids, times, parents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints: TypeAlias = npt.NDArray[np.int64]
Codes: TypeAlias = npt.NDArray[np.int32]
Nanos: TypeAlias = npt.NDArray[np.uint64]
Bytes: TypeAlias = npt.NDArray[np.uint8]
Mask: TypeAlias = npt.NDArray[np.bool_]
# A pyarrow array whose type the schema file decides: its stubs have no word for "some array with fields".
Column: TypeAlias = Any

CUT = "tracecollect.cut"
TIME = pa.timestamp("ns")
_MAX_TIME = np.uint64(2**63 - 1)
_HEX = np.frombuffer(b"".join(b"%02x" % n for n in range(256)), dtype=np.uint16)


def numbers(array: Column) -> npt.NDArray[Any]:
    """The numbers of a column without nulls."""
    return np.asarray(array.to_numpy(zero_copy_only=False))


def column(values: npt.NDArray[Any]) -> Column:
    """Numbers as a column."""
    return pa.array(values)


def buffer(values: npt.NDArray[Any]) -> pa.Buffer:
    """The memory of an array, not copied."""
    return pa.py_buffer(np.ascontiguousarray(values).data.cast("B"))


def list_column(offsets: Ints, values: Column) -> Column:
    """A column of lists."""
    return pa.ListArray.from_arrays(column(offsets.astype(np.int32)), values)


def offsets_of(array: Column) -> Ints:
    """Where each list, text or byte string begins, and where the last one ends, relative to the array's content."""
    width = np.int64 if pa.types.is_large_binary(array.type) else np.int32
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return np.zeros(1, np.int64)
    raw = np.frombuffer(buffer, width, count=len(array) + 1, offset=array.offset * np.dtype(width).itemsize)
    return raw.astype(np.int64)


def bytes_of(array: Column) -> Bytes:
    """The content of a binary column as one run of bytes; `offsets_of` says where in it."""
    buffer = array.buffers()[2]
    return np.frombuffer(buffer, np.uint8) if buffer is not None else np.zeros(0, np.uint8)


def text(array: Column) -> Column:
    """Bytes as text. What is not UTF-8 gets U+FFFD in its place: a sender's slip costs a character, not a span."""
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([value.decode("utf-8", "replace") for value in array.to_pylist()], pa.string())


def labels(array: Column) -> Column:
    """Text that repeats (names, units, scopes), looked at once per distinct value."""
    encoded = pc.dictionary_encode(array)
    return merged(encoded.indices, text(encoded.dictionary))


def merged(codes: Column, words: Column) -> Column:
    """A dictionary column whose words may have become equal by repair: equal words share one code again."""
    unique = pc.dictionary_encode(words)
    if len(unique.dictionary) < len(words):
        codes, words = unique.indices.take(codes).cast(codes.type), unique.dictionary
    return pa.DictionaryArray.from_arrays(codes, words)


def hex_ids(array: Column, size: int) -> Column:
    """Ids of `size` bytes in lower-case hex, '' for absent, all-zero or wrong-length ones."""
    good = good_ids(array, size)
    content, offsets = bytes_of(array), offsets_of(array)
    if good.all():
        raw = content[offsets[0] : offsets[-1]]
    else:
        raw = content[(offsets[:-1][good][:, None] + np.arange(size)).ravel()]
    ends = np.zeros(len(array) + 1, np.int32)
    np.cumsum(good * np.int32(2 * size), out=ends[1:])
    return pa.StringArray.from_buffers(len(array), buffer(ends), buffer(_HEX[raw]))


def good_ids(array: Column, size: int) -> Mask:
    """Which ids are `size` bytes long and not all zero."""
    offsets = offsets_of(array)
    good: Mask = np.diff(offsets) == size
    content = bytes_of(array)
    if good.all() and len(good):
        nonzero = content[offsets[0] : offsets[-1]].reshape(-1, size).any(axis=1)
    else:
        nonzero = content[offsets[:-1][good][:, None] + np.arange(size)].any(axis=1)
    good[good] = nonzero
    return good


def times(nanos: Nanos) -> Column:
    """Unsigned nanoseconds as timestamps; beyond the year 2262 they stay at its end."""
    return pa.array(np.minimum(nanos, _MAX_TIME).astype(np.int64), TIME)


def times_or(nanos: Nanos, came: Ints) -> Column:
    """The same, with the time of arrival where no time was given: 1970 would be beyond every retention."""
    return times(np.where(nanos != 0, nanos, came.astype(np.uint64)))


def parents(lists: Column) -> Ints:
    """For every child the row of the list it is in."""
    return np.repeat(np.arange(len(lists)), np.diff(offsets_of(lists)))


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attribute lists of many rows as two columns of codes and their words: nothing is copied until it must be."""

    offsets: Ints
    keys: Codes
    values: Codes
    key_words: Column
    value_words: Column

    def take(self, rows: Ints) -> Attributes:
        """The lists of these rows, in this order, as often as asked."""
        starts, lengths = self.offsets[:-1][rows], np.diff(self.offsets)[rows]
        offsets = np.zeros(len(rows) + 1, np.int64)
        np.cumsum(lengths, out=offsets[1:])
        children = np.repeat(starts - offsets[:-1], lengths) + np.arange(offsets[-1])
        return Attributes(offsets, self.keys[children], self.values[children], self.key_words, self.value_words)

    def with_entry(self, rows: Ints, key: str, value: str) -> Attributes:
        """The same with one more entry at the end of these rows' lists."""
        at = self.offsets[1:][rows]
        added = np.zeros(len(self.offsets) - 1, np.int64)
        added[rows] = 1
        offsets = self.offsets.copy()
        offsets[1:] += np.cumsum(added)
        return Attributes(
            offsets,
            np.insert(self.keys, at, np.int32(len(self.key_words))),
            np.insert(self.values, at, np.int32(len(self.value_words))),
            pa.concat_arrays([self.key_words, pa.array([key])]),
            pa.concat_arrays([self.value_words, pa.array([value])]),
        )

    def bounded(self, most: int) -> Attributes:
        """The same with at most `most` entries a row; how many were left out is said in one more."""
        lengths = np.diff(self.offsets)
        if not len(lengths) or lengths.max() <= most:
            return self
        kept = np.minimum(lengths, most)
        offsets = np.zeros(len(self.offsets), np.int64)
        np.cumsum(kept, out=offsets[1:])
        children = np.repeat(self.offsets[:-1] - offsets[:-1], kept) + np.arange(offsets[-1])
        fewer = Attributes(offsets, self.keys[children], self.values[children], self.key_words, self.value_words)
        for row in np.flatnonzero(lengths > most):
            fewer = fewer.with_entry(np.array([row]), CUT, f"{lengths[row] - most} attributes")
        return fewer

    def lookup(self, key: str) -> Column:
        """The value of one key for every row, '' where it is not there."""
        code = pc.index(self.key_words, key).as_py()
        found = np.flatnonzero(self.keys == code)
        rows = np.searchsorted(self.offsets, found, side="right") - 1
        codes = np.full(len(self.offsets) - 1, len(self.value_words), np.int32)
        codes[rows] = self.values[found]
        words = pa.concat_arrays([self.value_words, pa.array([""])])
        return words.take(pa.array(codes))

    def maps(self) -> Column:
        """As an Arrow map column with dictionary-encoded keys and values."""
        return pa.MapArray.from_arrays(
            column(self.offsets.astype(np.int32)),
            pa.DictionaryArray.from_arrays(column(self.keys), self.key_words),
            pa.DictionaryArray.from_arrays(column(self.values), self.value_words),
        )
