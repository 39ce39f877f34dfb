"""A disk that is really full: a small one of its own, where this user may mount one."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from killing import Sender, stored

from tracecollect.storage.remote import RunningServer, find_server

pytestmark = [pytest.mark.torture, pytest.mark.timeout(600)]
_SIZE, _PIECE = "200m", 1 << 20


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    made = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={_SIZE}", "tmpfs", str(tmp_path)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("this user may not mount a disk of its own")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


def fill(disk: Path) -> None:
    """Down to the last bytes; again where something was deleted since."""
    for size in (_PIECE, 4096, 64):
        with (disk / "filler").open("ab", buffering=0) as file:
            try:
                while True:
                    file.write(b"x" * size)
            except OSError:
                continue


def until(what: str, happened: object, seconds: float = 60) -> object:
    end = time.monotonic() + seconds
    while not (found := happened()):  # type: ignore[operator]  # a callable of any answer
        assert time.monotonic() < end, what
        time.sleep(0.05)
    return found


def test_on_a_full_disk_senders_are_told_to_wait_and_nothing_acknowledged_is_lost(disk: Path) -> None:
    ports = ["--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--web", "127.0.0.1:0"]
    serve = [sys.executable, "-m", "tracecollect", "serve", "--data-dir", str(disk / "data"), *ports]
    # What the tests are told by the environment is no setting of the program, which refuses to guess.
    known = {name: value for name, value in os.environ.items() if not name.startswith("TRACECOLLECT_")}
    process = subprocess.Popen(serve, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=known)
    senders: list[Sender] = []
    try:
        where = until("not ready", lambda: find_server(disk / "data") or process.poll() is not None)
        assert process.poll() is None, process.communicate()[0].decode()
        assert isinstance(where, RunningServer)
        senders += [Sender(int(where.otlp_grpc.rpartition(":")[2]), number) for number in range(4)]
        for one in senders:
            one.start()
        until("nothing was taken", lambda: all(one.acknowledged for one in senders))
        until("no sender was refused", lambda: fill(disk) or all(one.refusals for one in senders))
        for _ in range(5):
            fill(disk)
            time.sleep(1)
        assert process.poll() is None
        (disk / "filler").unlink()
        before = [len(one.acknowledged) for one in senders]
        until(
            "nothing was taken afterwards",
            lambda: all(len(s.acknowledged) > n for s, n in zip(senders, before, strict=True)),
        )
    finally:
        for one in senders:
            one.enough.set()
        for one in senders:
            one.join()
        process.terminate()
        said = process.communicate(timeout=60)[0].decode()
    assert {code for one in senders for code in one.refusals} <= {grpc.StatusCode.UNAVAILABLE}
    assert "no room on the disk" in said
    assert process.returncode == 0
    assert sorted(stored(disk / "data", "chdb")) == sorted(one for each in senders for one in each.acknowledged)
