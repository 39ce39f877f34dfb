"""Receivers and pipelines in processes of their own, senders that insist, and a hand that kills."""

from __future__ import annotations

import contextlib
import itertools
import logging
import os
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
from contract.receiver import trace_request

from tracecollect.ports import Telemetry
from tracecollect.receivers.listeners import Listening
from tracecollect.receivers.otlp_grpc import SERVICES
from tracecollect.receivers.process import Receivers

# Seconds that the last pipeline has for what is left: many small batches on a busy machine.
PATIENCE = float(os.environ.get("TRACECOLLECT_TORTURE_PATIENCE", "100"))
EVERY = 100_000_000
"""More spans than any of these senders gets acknowledged."""
EXPORT = f"/{SERVICES[Telemetry.TRACES]}/Export"


@contextlib.contextmanager
def receiving(directory: Path) -> Iterator[Receivers]:
    process = Receivers(
        "tracecollect.journal:JournalWriter",
        {"path": str(directory / "journal.db")},
        Listening(grpc=("127.0.0.1", 0)),
        workers=2,
        restart_seconds=0.01,
    )
    process.start()
    try:
        yield process
    finally:
        process.stop()


def start_pipeline(directory: Path, kind: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [
            sys.executable,
            str(Path(__file__).parent / "unit" / "ingest" / "pipeline_process.py"),
            str(directory),
            kind,
            str(PATIENCE),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    return child


def end(child: subprocess.Popen[str]) -> int:
    try:
        child.communicate(timeout=PATIENCE + 10)
    finally:
        child.kill()
    return child.returncode


class Sender(threading.Thread):
    """Sends requests of three spans one after the other; each again until it is acknowledged."""

    def __init__(self, port: int, number: int) -> None:
        super().__init__()
        self.port, self.number = port, number
        self.enough = threading.Event()
        self.acknowledged: list[str] = []
        self.refusals: set[grpc.StatusCode] = set()

    def run(self) -> None:
        for request in itertools.count():
            if self.enough.is_set():
                return
            ids = [(1 + self.number << 48 | request << 8 | span).to_bytes(8, "big") for span in range(3)]
            body = trace_request(*((b"t" * 16, one, "x") for one in ids))
            while not self.sent(body):
                time.sleep(0.02)
            self.acknowledged += [one.hex() for one in ids]

    def sent(self, body: bytes) -> bool:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.initial_reconnect_backoff_ms", 20)]
        with grpc.insecure_channel(f"127.0.0.1:{self.port}", options=options) as channel:
            try:
                channel.unary_unary(EXPORT)(body, timeout=5)
            except grpc.RpcError as error:
                self.refusals.add(error.code())
                return False
            return True


def stored(directory: Path, kind: str) -> list[str]:
    if kind == "chdb":
        from tracecollect.storage.clickhouse import ClickHouseStore

        store = ClickHouseStore(f"chdb://{directory}/store")
        try:
            return [span.span_id for span in store.spans((b"t" * 16).hex(), EVERY)]
        finally:
            store.close()
    with contextlib.closing(sqlite3.connect(directory / "store.db")) as connection:
        return [one for (one,) in connection.execute("SELECT id FROM spans")]


def run_and_kill(directory: Path, kind: str, *, kills: int) -> list[str]:
    """Four senders, and that many kills of the receiver or the pipeline; what was acknowledged."""
    seed = random.randrange(10**6)
    logging.getLogger(__name__).warning("seed %d", seed)
    dice = random.Random(seed)
    with receiving(directory) as receiver:
        pipeline = start_pipeline(directory, kind)
        senders = [Sender(receiver.grpc_port, number) for number in range(4)]
        for sender in senders:
            sender.start()
        for _ in range(kills):
            time.sleep(dice.uniform(0.01, 0.25))
            if dice.random() < 0.5 and receiver.alive():
                receiver.kill(dice.randrange(2))
            else:
                pipeline.kill()
                pipeline.communicate()
                pipeline = start_pipeline(directory, kind)
        for sender in senders:
            sender.enough.set()
        for sender in senders:
            sender.join()
            assert sender.refusals <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED}
        assert end(pipeline) == 0
    return [one for sender in senders for one in sender.acknowledged]
