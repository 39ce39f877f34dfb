"""Columns in pieces, each with dictionaries of its own, are stored as the text that they stand for."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pytest

from tracecollect.storage.engine import Engine
from tracecollect.wire.decode import plain

_WORDS = ["", "a", "ä\x00b", "x" * 70_000, *(f"word {n}" for n in range(500))]
_COLUMNS = """
    number UInt64, word LowCardinality(String), text String, words Array(LowCardinality(String)),
    said Map(LowCardinality(String), String), events Array(Map(LowCardinality(String), String))
"""


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    engine = Engine(f"chdb://{tmp_path_factory.mktemp('pieces')}/store")
    for name in ("as_text", "as_words"):
        engine.command(f"CREATE TABLE {name} ({_COLUMNS}) ENGINE = MergeTree ORDER BY number")
    yield engine
    engine.close()


def piece(dice: np.random.Generator, begin: int, size: int, words: list[str]) -> pa.Table:
    """Rows whose dictionaries have words that nobody says and, now and then, one word twice."""

    def said(count: int) -> pa.DictionaryArray:
        known = [*dice.permutation(words).tolist(), *dice.choice(words, 3).tolist()]
        return pa.DictionaryArray.from_arrays(
            pa.array(dice.integers(0, len(known), count), pa.int32()), pa.array(known, pa.string())
        )

    def maps(count: int) -> pa.MapArray:
        ends = ends_of(count)
        return pa.MapArray.from_arrays(ends, said(ends[-1].as_py()), said(ends[-1].as_py()))

    def ends_of(count: int) -> pa.Array:
        return pa.array(np.concatenate([[0], np.cumsum(dice.integers(0, 4, count))]), pa.int32())

    ends = ends_of(size)
    return pa.table(
        {
            "number": pa.array(np.arange(begin, begin + size), pa.uint64()),
            "word": said(size),
            "text": said(size).cast(pa.string()),
            "words": pa.ListArray.from_arrays(ends, said(ends[-1].as_py())),
            "said": maps(size),
            "events": pa.ListArray.from_arrays(ends, maps(ends[-1].as_py())),
        }
    )


def same_as_text(engine: Engine, whole: pa.Table) -> None:
    for name, columns in (("as_words", whole), ("as_text", plain(whole).combine_chunks())):
        engine.command(f"TRUNCATE TABLE {name}")
        engine.insert(name, columns)
    assert stored(engine, "as_words") == stored(engine, "as_text")
    assert stored(engine, "as_words")[0]["rows"] == len(whole)


def stored(engine: Engine, table: str) -> list[dict[str, object]]:
    found = engine.select(
        f"SELECT count() AS rows, sum(cityHash64(*)) AS sum, max(length(word)) AS longest FROM {table}"
    )
    return found.to_pylist()


@pytest.mark.parametrize("sizes", [[1], [0, 3], [3, 0, 1000], [700, 1, 1, 300], [20_000, 50_000], [0]])
def test_pieces_with_words_of_their_own_are_stored_as_their_text(engine: Engine, sizes: list[int]) -> None:
    dice = np.random.default_rng(len(sizes) + sum(sizes))
    # More words than a short index can tell apart, where there are so many rows.
    words = _WORDS[:3] + [f"{n:x}" for n in range(80_000)] if sum(sizes) > 5_000 else _WORDS
    begins = np.concatenate([[0], np.cumsum(sizes)])[:-1].tolist()
    whole = pa.concat_tables([piece(dice, begin, size, words) for begin, size in zip(begins, sizes, strict=True)])
    same_as_text(engine, whole)


def test_a_part_of_a_piece_is_stored_alone(engine: Engine) -> None:
    same_as_text(engine, piece(np.random.default_rng(7), 0, 900, _WORDS).slice(37, 500))


def test_a_batch_that_comes_again_in_other_pieces_is_stored_once(engine: Engine) -> None:
    # So it does where a request that nobody can read was set aside before the crash.
    engine.command("CREATE TABLE again AS as_words")
    engine.command("ALTER TABLE again MODIFY SETTING non_replicated_deduplication_window = 1000")
    pieces = [piece(np.random.default_rng(n), 100 * n, 100, _WORDS) for n in range(4)]
    joined = pa.concat_tables([plain(one) for one in pieces]).combine_chunks()
    for columns in (pa.concat_tables(pieces), pa.concat_tables([joined.slice(0, 250), joined.slice(250)])):
        engine.insert("again", columns, "batch")
    assert stored(engine, "again")[0]["rows"] == 400
