"""Every guide, executed as it is written: its files, its commands, and the lines that it shows."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from database import served

GUIDES = Path(__file__).parents[2] / "docs" / "guides"
# Guides of languages whose toolchain `make test` does not ask for are executed by hand when they change.
PYTHON = ("celery", "django", "fastapi", "flask")
pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Guide:
    """A page: packages to install, files by name, and each command with the lines it is said to print."""

    packages: list[str]
    files: dict[str, str]
    commands: list[tuple[str, list[str]]]


def read(name: str) -> Guide:
    text = (GUIDES / f"{name}.md").read_text()
    files = dict(re.findall(r"^`([\w.]+)`:\n\n```python\n(.*?)^```", text, flags=re.M | re.S))
    packages, commands = [], []
    for block in re.findall(r"^```console\n(.*?)^```", text, flags=re.M | re.S):
        line, *shown = block.replace("\\\n", " ").removeprefix("$ ").splitlines()
        if line.startswith("pip install "):
            packages += shlex.split(line)[2:]
        else:
            commands.append((line, shown))
    return Guide(packages, files, commands)


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.mark.parametrize("name", PYTHON)
def test_a_guide_does_what_it_says(name, dsn, tmp_path):
    guide = read(name)
    assert len(guide.files) >= 2
    assert guide.commands
    for package in guide.packages:
        assert importlib.metadata.version(package.partition("[")[0])
    for path, text in guide.files.items():
        (tmp_path / path).write_text(text)
    here = Path(sys.executable).parent
    kept = {one: value for one, value in os.environ.items() if not one.startswith(("OTEL_", "PYTEST_", "GITHUB_"))}
    # The order of this repository's own tests is random; that of a reader is not.
    kept |= {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}", "DATABASE_URL": dsn, "PYTEST_ADDOPTS": "-p no:randomly"}
    for line, shown in guide.commands:
        done = subprocess.run(
            ["bash", "-c", line], cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=100, check=False
        )
        told = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 1, told
        for one in shown:
            # How long it was held differs from run to run.
            words = " ".join(re.sub(r"  \d+ ms$", "", one).split())
            assert words in told, done.stdout + done.stderr


@pytest.mark.parametrize("path", sorted(GUIDES.glob("*.md")), ids=lambda path: path.stem)
def test_the_python_of_a_guide_can_be_compiled(path):
    for name, text in read(path.stem).files.items():
        compile(text, name, "exec")
