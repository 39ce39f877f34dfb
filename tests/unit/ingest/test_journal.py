"""The journal: on disk before it is answered, in batches that survive a crash, bounded."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tracecollect.errors import Busy, StoreError
from tracecollect.journal import JournalReader, JournalWriter
from tracecollect.journal.file import connect
from tracecollect.ports import Telemetry

BIG = bytes(range(256)) * 40


@contextlib.contextmanager
def opened(path: Path, **options: float):
    reader = JournalReader(path)
    writer = JournalWriter(path, **options)
    try:
        yield reader, writer
    finally:
        writer.close()
        reader.close()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal.db"


def take(reader: JournalReader, items: int = 10**6):
    return reader.next_batch(max_items=items, max_bytes=10**9)


def test_what_was_appended_comes_out_in_order_and_unchanged(path: Path) -> None:
    with opened(path) as (reader, writer):
        writer.append(Telemetry.TRACES, b"small", 1)
        writer.append(Telemetry.LOGS, BIG, 7)
        first, second = take(reader)
        assert (first.telemetry, first.body, first.items) == (Telemetry.TRACES, b"small", 1)
        assert (second.telemetry, second.body, second.items) == (Telemetry.LOGS, BIG, 7)
        assert first.id < second.id
        assert first.arrived > 1_700_000_000_000_000_000


def test_an_acknowledged_request_is_there_for_another_connection(path: Path) -> None:
    with opened(path) as (_, writer):
        writer.append(Telemetry.TRACES, b"x", 1)
        with contextlib.closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT count(*) FROM requests").fetchone() == (1,)


def test_a_batch_comes_again_with_the_same_token_until_it_is_forgotten(path: Path) -> None:
    with opened(path) as (reader, writer):
        for number in range(4):
            writer.append(Telemetry.TRACES, b"%d" % number, 1)
        batch, token = take(reader, items=2), reader.token()
    with opened(path) as (reader, writer):
        writer.append(Telemetry.TRACES, b"late", 1)
        assert take(reader, items=100) == batch
        assert reader.token() == token
        reader.forget()
        assert [entry.body for entry in take(reader)] == [b"2", b"3", b"late"]
        assert reader.token() != token


def test_tokens_never_come_twice_even_when_the_journal_was_empty_between(path: Path) -> None:
    tokens = []
    for _ in range(3):
        with opened(path) as (reader, writer):
            writer.append(Telemetry.TRACES, b"%d" % len(tokens), 1)
            take(reader)
            tokens.append(reader.token())
            reader.forget()
            assert reader.depth().entries == 0
    assert len(set(tokens)) == 3


def test_a_new_journal_has_other_tokens_than_one_that_was_deleted(tmp_path: Path) -> None:
    with opened(tmp_path / "a.db") as (one, _), opened(tmp_path / "b.db") as (other, _):
        assert one.epoch != other.epoch


def test_depth_counts_what_waits(path: Path) -> None:
    with opened(path) as (reader, writer):
        assert reader.depth().oldest is None
        writer.append(Telemetry.TRACES, b"abc", 5)
        writer.append(Telemetry.TRACES, b"de", 6)
        depth = reader.depth()
        assert (depth.entries, depth.items, depth.bytes) == (2, 11, 5)
        assert depth.oldest is not None
        take(reader)
        reader.forget()
        assert (reader.depth().entries, reader.depth().items, reader.depth().bytes) == (0, 0, 0)


def test_over_the_bound_in_bytes_the_sender_is_told_to_come_again(path: Path) -> None:
    with opened(path, max_bytes=10) as (reader, writer):
        writer.append(Telemetry.TRACES, b"0123456789", 1)
        with pytest.raises(Busy, match="full"):
            writer.append(Telemetry.TRACES, b"x", 1)
        take(reader)
        reader.forget()
        assert writer.append(Telemetry.TRACES, b"x", 1)


def test_over_the_bound_in_age_the_sender_is_told_to_come_again(path: Path) -> None:
    with opened(path, max_age_seconds=0) as (_, writer):
        writer.append(Telemetry.TRACES, b"x", 1)
        with pytest.raises(Busy, match="old"):
            writer.append(Telemetry.TRACES, b"x", 1)


def test_a_full_disk_is_busy_and_nothing_is_lost(path: Path) -> None:
    with opened(path) as (reader, writer):
        writer.append(Telemetry.TRACES, b"before", 1)
        pages = writer._connection.execute("PRAGMA page_count").fetchone()[0]
        writer._connection.execute(f"PRAGMA max_page_count={pages}")
        with pytest.raises(Busy, match="full") as refused:
            writer.append(Telemetry.TRACES, random.Random(1).randbytes(200_000), 1)
        assert refused.value.retry_after > 0
        kept = reader.depth().entries
        writer._connection.execute("PRAGMA max_page_count=1000000")
        writer.append(Telemetry.TRACES, b"after", 1)
        bodies = [entry.body for entry in take(reader)]
        assert bodies[0] == b"before"
        assert bodies[-1] == b"after"
        assert len(bodies) == kept + 1


def test_an_error_of_any_kind_is_answered_and_the_next_request_is_taken(path: Path, monkeypatch) -> None:
    with opened(path) as (reader, writer):
        with monkeypatch.context() as patch:
            patch.setattr(writer, "_sort_out", lambda _: 1 / 0)
            with pytest.raises(Busy, match="the journal cannot be written: division by zero"):
                writer.append(Telemetry.TRACES, b"lost", 1)
        writer.append(Telemetry.TRACES, b"kept", 1)
        assert [one.body for one in take(reader)] == [b"kept"]


def test_many_threads_share_commits_and_nothing_is_lost(path: Path) -> None:
    with opened(path) as (reader, writer):
        threads = [
            threading.Thread(
                target=lambda n=n: [writer.append(Telemetry.LOGS, b"%d.%d" % (n, i), 1) for i in range(20)]
            )
            for n in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {e.body for e in take(reader)} == {b"%d.%d" % (n, i) for n in range(8) for i in range(20)}


def test_the_same_request_again_is_a_retry_and_kept_once(path: Path) -> None:
    with opened(path) as (reader, writer):
        assert writer.append(Telemetry.TRACES, BIG, 1)
        assert not writer.append(Telemetry.TRACES, BIG, 1)
        assert writer.append(Telemetry.LOGS, BIG, 1)
        take(reader)
        reader.forget()
    with opened(path) as (reader, writer):
        assert not writer.append(Telemetry.TRACES, BIG, 1)
        assert reader.depth().entries == 0


def test_a_retry_to_another_process_is_recognised_too(path: Path) -> None:
    with opened(path) as (reader, writer):
        other = JournalWriter(path)
        try:
            assert writer.append(Telemetry.TRACES, b"x", 1)
            assert not other.append(Telemetry.TRACES, b"x", 1)
            assert other.append(Telemetry.TRACES, b"y", 1)
            assert not writer.append(Telemetry.TRACES, b"y", 1)
            assert reader.depth().entries == 2
        finally:
            other.close()


def test_several_may_make_the_journal_at_once(tmp_path: Path) -> None:
    together = threading.Barrier(6)

    def make(path: Path) -> None:
        together.wait()
        connect(path).close()

    with ThreadPoolExecutor(6) as openers:
        for number in range(40):
            list(openers.map(make, [tmp_path / f"{number}.db"] * 6))


def test_an_entry_set_aside_leaves_the_batch_and_is_kept(path: Path) -> None:
    with opened(path) as (reader, writer):
        for body in (b"good", b"bad", b"fine"):
            writer.append(Telemetry.TRACES, body, 1)
        batch, token = take(reader), reader.token()
        reader.set_aside(batch[1], "because")
        assert [entry.body for entry in take(reader)] == [b"good", b"fine"]
        assert reader.token() == token
        assert reader.depth().entries == 2
        with contextlib.closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT reason, body FROM set_aside").fetchall() == [("because", b"bad")]


def test_after_close_the_sender_is_told_to_come_again(path: Path) -> None:
    writer = JournalWriter(path)
    writer.close()
    with pytest.raises(Busy):
        writer.append(Telemetry.TRACES, b"x", 1)


def _fill(path: Path) -> None:
    with opened(path) as (reader, writer):
        for number in range(50):
            writer.append(Telemetry.TRACES, b"%04d" % number * 500, 1)
        take(reader, items=10)


def test_a_damaged_tail_is_cut_and_what_can_be_read_is_kept(path: Path) -> None:
    _fill(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    reader = JournalReader(path)
    try:
        assert 0 < reader.repaired < 50
        assert reader.depth().entries == reader.repaired
        assert take(reader, items=10)[0].body == b"0000" * 500
        assert path.with_name("journal.db.damaged-1").exists()
    finally:
        reader.close()


def test_a_file_that_is_no_journal_is_put_beside_and_a_new_one_begun(path: Path) -> None:
    path.write_bytes(b"this is no database at all" * 300)
    with opened(path) as (reader, writer):
        assert reader.repaired == 0
        writer.append(Telemetry.TRACES, b"x", 1)
        assert reader.depth().entries == 1


def test_a_journal_that_cannot_be_opened_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a directory")
    with pytest.raises(StoreError, match="cannot open the journal") as error:
        JournalReader(tmp_path / "file" / "journal.db")
    assert error.value.hint
