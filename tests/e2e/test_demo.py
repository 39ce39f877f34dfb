"""What `make run` does: the shop leaks, the leaks are found, named and drawn, and nothing else is accused."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tracecollect.demo.ports import free_port


@pytest.mark.slow
@pytest.mark.timeout(180)
def test_the_demo_names_both_leaking_operations_and_draws_them(own_directory):
    ports = ["--otlp-grpc", f"127.0.0.1:{free_port()}", "--web", f"127.0.0.1:{free_port()}"]
    command = ["demo", "--once", "--data-dir", str(own_directory / "demo"), *ports]
    told = subprocess.run(
        [sys.executable, "-m", "tracecollect", *command], capture_output=True, text=True, timeout=150, check=False
    )
    assert told.returncode == 0, told.stderr
    findings = re.findall(r"leaked +(\d+) × (.+?)  \(orders\)", told.stdout, flags=re.I)
    assert len(findings) == 2, told.stdout
    drawn = re.findall(r"^drawn: (.+)$", told.stdout, flags=re.M)
    assert {path.rpartition(".")[2] for path in drawn} == {"svg", "png"}
    assert len(drawn) == 4
