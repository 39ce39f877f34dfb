"""The power is cut at any moment: what was acknowledged is there, once, when it is back."""

from __future__ import annotations

import logging
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from power import Disk, traced

pytestmark = [
    pytest.mark.torture,
    pytest.mark.timeout(3600),
    pytest.mark.skipif(shutil.which("strace") is None, reason="strace is not installed: nobody sees what is synced"),
]
PROGRAM = str(Path(__file__).parent / "power_process.py")
REQUESTS, SPANS = 60, (1, 2, 3)
CUTS = int(os.environ.get("TRACECOLLECT_TORTURE_CUTS", "40"))


@pytest.fixture
def dice() -> random.Random:
    seed = random.randrange(10**6)
    logging.getLogger(__name__).warning("seed %d", seed)
    return random.Random(seed)


def files(directory: Path) -> dict[str, bytes | str]:
    return {
        str(one.relative_to(directory)): str(one.readlink()) if one.is_symlink() else one.read_bytes()
        for one in directory.rglob("*")
        if one.is_symlink() or one.is_file()
    }


def test_a_power_cut_loses_and_doubles_nothing_that_was_acknowledged(tmp_path: Path, dice: random.Random) -> None:
    root, trace = tmp_path / "data", tmp_path / "trace"
    traced([sys.executable, PROGRAM, "send", str(root), str(REQUESTS)], trace)
    disk = Disk(root, trace)
    said = [(when, int(line)) for when, line in disk.said if line.strip().isdigit()]
    assert [request for _, request in said] == list(range(REQUESTS))
    for _ in range(CUTS):
        at = dice.randint(said[0][0], disk.last)
        disk.cut(at, dice)
        seen = subprocess.run(
            [sys.executable, PROGRAM, "after", str(root)], capture_output=True, text=True, check=False
        )
        assert seen.returncode == 0, seen.stderr
        spans = seen.stdout.split()
        assert len(set(spans)) == len(spans)
        requests = sum(when <= at for when, _ in said)
        acknowledged = {f"{request << 8 | span:016x}" for request in range(requests) for span in SPANS}
        # The next one may be on disk already.
        under_way = {f"{requests << 8 | span:016x}" for span in SPANS}
        assert set(spans) in (acknowledged, acknowledged | under_way), f"cut at line {at}"


def test_what_the_calls_say_is_what_is_on_disk_when_everything_is_written(tmp_path: Path) -> None:
    root, trace = tmp_path / "data", tmp_path / "trace"
    traced([sys.executable, PROGRAM, "send", str(root), "12"], trace)
    real = files(root)
    Disk(root, trace).all()
    assert files(root) == real
