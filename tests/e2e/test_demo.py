"""What `make run` does: the shop leaks, the leaks are found, named and drawn, and nothing else is accused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tracecollect.demo import orders
from tracecollect.demo.ports import free_port

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]


def told(directory: Path, *options: str) -> str:
    ports = ["--otlp-grpc", f"127.0.0.1:{free_port()}", "--web", f"127.0.0.1:{free_port()}"]
    command = ["demo", "--once", "--data-dir", str(directory / "demo"), *ports, *options]
    done = subprocess.run(
        [sys.executable, "-m", "tracecollect", *command], capture_output=True, text=True, timeout=150, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_demo_names_both_leaking_operations_and_draws_them(own_directory):
    said = told(own_directory)
    findings = re.findall(r"leaked +(\d+) × (.+?)  \(orders\)", said, flags=re.I)
    assert len(findings) == 2, said
    drawn = re.findall(r"^drawn: (.+)$", said, flags=re.M)
    assert {path.rpartition(".")[2] for path in drawn} == {"svg", "png"}
    assert len(drawn) == 4


def test_with_the_probe_the_demo_names_the_lines_that_took_the_connections(own_directory):
    said = told(own_directory, "--probe", "--seconds", "12")
    source = Path(orders.__file__).read_text().splitlines()
    taken = [number for number, line in enumerate(source, 1) if "= await pool.acquire()" in line]
    assert re.findall(r"^ +code +\S+/orders\.py:(\d+) in \S+\.(\w+)$", said, flags=re.M) == [
        (str(taken[1]), "receipt"),
        (str(taken[0]), "pay"),
    ], said
    assert re.search(r"^ +certain +orders ", said, flags=re.M), said
