"""Small vectorised steps from protobuf columns to table columns: text, ids, times, parents."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Ints = npt.NDArray[np.int64]
Bytes = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.bool_]

TIME = pa.timestamp("ns")
_MAX_TIME = np.uint64(2**63 - 1)
_HEX = np.frombuffer(b"".join(b"%02x" % n for n in range(256)), dtype=np.uint16)


def ints(array: pa.Array) -> npt.NDArray[np.int64]:
    """The numbers of a column without nulls."""
    return np.asarray(array.to_numpy(zero_copy_only=False))


def offsets_of(array: pa.Array) -> Ints:
    """Where each list, text or byte string begins, and where the last one ends, relative to the array's content."""
    width = np.int64 if pa.types.is_large_binary(array.type) else np.int32
    buffer = array.buffers()[1]
    if buffer is None or len(array) == 0:
        return np.zeros(1, np.int64)
    raw = np.frombuffer(buffer, width, count=len(array) + 1, offset=array.offset * np.dtype(width).itemsize)
    return raw.astype(np.int64)


def bytes_of(array: pa.Array) -> Bytes:
    """The content of a binary column as one run of bytes; `offsets_of` says where in it."""
    buffer = array.buffers()[2]
    return np.frombuffer(buffer, np.uint8) if buffer is not None else np.zeros(0, np.uint8)


def text(array: pa.Array) -> pa.Array:
    """Bytes as text. What is not UTF-8 gets U+FFFD in its place: a sender's slip costs a character, not a span."""
    try:
        return array.cast(pa.string())
    except pa.ArrowInvalid:
        return pa.array([value.decode("utf-8", "replace") for value in array.to_pylist()], pa.string())


def labels(array: pa.Array) -> pa.DictionaryArray:
    """Text that repeats (names, units, scopes), looked at once per distinct value."""
    encoded = pc.dictionary_encode(array)
    return merged(encoded.indices, text(encoded.dictionary))


def merged(codes: pa.Array, words: pa.Array) -> pa.DictionaryArray:
    """A dictionary column whose words may have become equal by repair: equal words share one code again."""
    unique = pc.dictionary_encode(words)
    if len(unique.dictionary) < len(words):
        return pa.DictionaryArray.from_arrays(unique.indices.take(codes), unique.dictionary)
    return pa.DictionaryArray.from_arrays(codes, words)


def hex_ids(array: pa.Array, size: int) -> pa.Array:
    """Ids of `size` bytes in lower-case hex, '' for absent, all-zero or wrong-length ones."""
    good, absent = ids_mask(array, size)
    content, offsets = bytes_of(array), offsets_of(array)
    if good.all():
        raw = content[offsets[0] : offsets[-1]]
        ends = np.arange(len(array) + 1, dtype=np.int32) * (2 * size)
    else:
        starts = offsets[:-1][good]
        raw = content[(starts[:, None] + np.arange(size)).ravel()]
        ends = np.zeros(len(array) + 1, np.int32)
        np.cumsum(good * (2 * size), out=ends[1:])
    del absent
    return pa.StringArray.from_buffers(len(array), pa.py_buffer(ends), pa.py_buffer(_HEX[raw]))


def ids_mask(array: pa.Array, size: int) -> tuple[Mask, Mask]:
    """Which ids are `size` bytes and not all zero; and which are absent (no bytes)."""
    offsets = offsets_of(array)
    lengths = np.diff(offsets)
    good = lengths == size
    starts = offsets[:-1][good]
    content = bytes_of(array)
    if len(starts):
        nonzero = (
            np.logical_or.reduceat(content[offsets[0] : offsets[-1]] != 0, starts - offsets[0])
            if good.all()
            else (content[starts[:, None] + np.arange(size)].any(axis=1))
        )
        good[good] = nonzero
    return good, lengths == 0


def times(nanos: npt.NDArray[np.uint64]) -> pa.Array:
    """Unsigned nanoseconds as timestamps; beyond the year 2262 they stay at its end."""
    return pa.array(np.minimum(nanos, _MAX_TIME).astype(np.int64), TIME)


def parents(lists: pa.Array) -> Ints:
    """For every child the row of the list it is in."""
    return np.repeat(np.arange(len(lists)), np.diff(offsets_of(lists)))


@dataclass(frozen=True, slots=True)
class Attributes:
    """Attribute lists of many rows as two columns of codes and their words: nothing is copied until it must be."""

    offsets: Ints
    keys: npt.NDArray[np.int32]
    values: npt.NDArray[np.int32]
    key_words: pa.Array
    value_words: pa.Array

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

    def lookup(self, key: str) -> pa.Array:
        """The value of one key for every row, '' where it is not there."""
        code = pc.index(self.key_words, key).as_py()
        found = np.flatnonzero(self.keys == code)
        rows = np.searchsorted(self.offsets, found, side="right") - 1
        codes = np.full(len(self.offsets) - 1, len(self.value_words), np.int32)
        codes[rows] = self.values[found]
        words = pa.concat_arrays([self.value_words, pa.array([""])])
        return words.take(pa.array(codes))

    def maps(self) -> pa.Array:
        """As an Arrow map column with dictionary-encoded keys and values."""
        return pa.MapArray.from_arrays(
            pa.array(self.offsets.astype(np.int32)),
            pa.DictionaryArray.from_arrays(pa.array(self.keys), self.key_words),
            pa.DictionaryArray.from_arrays(pa.array(self.values), self.value_words),
        )
