"""What a power cut is tried on: a journal, a pipeline and the embedded store in one process.

python power_process.py send DIRECTORY REQUESTS    each acknowledgement is a line on stdout
python power_process.py after DIRECTORY            opens it again, stores what waits, and says which spans there are
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from tracecollect.journal import JournalReader, JournalWriter
from tracecollect.pipeline import Pipeline
from tracecollect.ports import Telemetry
from tracecollect.storage.clickhouse import ClickHouseStore
from tracecollect.storage.local import LocalAnswers

sys.path.insert(0, str(Path(__file__).parents[1]))
from contract.receiver import trace_request

TRACE = b"t" * 16


def send(directory: Path, requests: int) -> None:
    store, reader, pipeline = _opened(directory)
    writer = JournalWriter(directory / "journal.db")
    for request in range(requests):
        body = trace_request(*((TRACE, (request << 8 | span).to_bytes(8, "big"), "x") for span in range(1, 4)))
        writer.append(Telemetry.TRACES, body, 3)
        os.write(1, f"{request}\n".encode())
        time.sleep(0.02)
    writer.close()
    _closed(store, reader, pipeline)


def after(directory: Path) -> None:
    store, reader, pipeline = _opened(directory)
    assert pipeline.drain(60)
    # As a reader sees it: a batch that is stored again after a crash may have spans twice.
    for span in LocalAnswers(store, grace=0).trace(TRACE.hex()).spans:
        sys.stdout.write(f"{span.span_id}\n")
    _closed(store, reader, pipeline)


def _opened(directory: Path) -> tuple[ClickHouseStore, JournalReader, Pipeline]:
    store = ClickHouseStore(f"chdb://{directory}/store")
    reader = JournalReader(directory / "journal.db")
    pipeline = Pipeline(reader, store, linger=0.05, batch_items=60)
    pipeline.start()
    return store, reader, pipeline


def _closed(store: ClickHouseStore, reader: JournalReader, pipeline: Pipeline) -> None:
    pipeline.stop(60)
    reader.close()
    store.close()


if __name__ == "__main__":
    if sys.argv[1] == "send":
        send(Path(sys.argv[2]), int(sys.argv[3]))
    else:
        after(Path(sys.argv[2]))
