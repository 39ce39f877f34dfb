"""Every guide, executed as it is written: its files, its commands, and the lines that it shows."""

from __future__ import annotations

import importlib.metadata
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import guide
import pytest
from database import served

PYTHON = ("celery", "django", "fastapi", "flask")
# What each of the others needs on PATH. They download much and take minutes: only when asked for by name, or all.
TOOLS = {"express": ("node", "npm"), "go": ("go",), "spring-boot": ("java", "mvn")}
ASKED = os.environ.get("TRACECOLLECT_GUIDES", "").split(",")
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def dsn() -> Iterator[str]:
    with served() as address:
        yield address


def environment(dsn: str) -> dict[str, str]:
    here = Path(sys.executable).parent
    return guide.bare() | {"PATH": f"{here}{os.pathsep}{os.environ['PATH']}", "DATABASE_URL": dsn}


def commands(name: str) -> list[guide.Command]:
    return [step for step in guide.steps(name) if isinstance(step, guide.Command)]


@pytest.mark.parametrize("name", PYTHON)
def test_a_guide_does_what_it_says(name, dsn, tmp_path):
    files = [step for step in guide.steps(name) if isinstance(step, guide.File)]
    assert len(files) >= 2
    for file in files:
        guide.put(file, tmp_path)
    # The order of this repository's own tests is random; that of a reader is not.
    kept = environment(dsn) | {"PYTEST_ADDOPTS": "-p no:randomly"}
    install, *rest = commands(name)
    for package in shlex.split(install.line)[2:]:
        assert importlib.metadata.version(package.partition("[")[0])
    assert rest
    for one in rest:
        done = subprocess.run(
            ["bash", "-c", one.line], cwd=tmp_path, env=kept, capture_output=True, text=True, timeout=100, check=False
        )
        told = " ".join((done.stdout + done.stderr).split())
        assert done.returncode == 1, told
        for shown in one.shown:
            # How long it was held differs from run to run.
            words = " ".join(re.sub(r"  \d+ ms$", "", shown).split())
            assert words in told, done.stdout + done.stderr


@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", TOOLS)
def test_a_guide_of_another_language_does_what_it_says(name, dsn, tmp_path):
    if not {name, "all"} & set(ASKED):
        pytest.skip(f"TRACECOLLECT_GUIDES={name} runs it: it downloads much and takes minutes")
    missing = [tool for tool in TOOLS[name] if shutil.which(tool) is None]
    if missing:
        pytest.skip(f"{' and '.join(missing)} of this guide not found on PATH")
    address = urlsplit(dsn)
    spring = {
        "SPRING_DATASOURCE_URL": f"jdbc:postgresql://{address.hostname}:{address.port}{address.path}",
        "SPRING_DATASOURCE_USERNAME": address.username or "",
    }
    work, data = tmp_path / "shop", {"TRACECOLLECT_DATA_DIR": str(tmp_path / "data")}
    work.mkdir()
    reader = guide.Reader(work, environment(dsn) | spring | data)
    try:
        for step in guide.steps(name):
            reader.follow(step)
    finally:
        reader.leave()


def test_every_guide_is_executed_by_one_of_these_tests():
    assert {path.stem for path in guide.GUIDES.glob("*.md")} == {*PYTHON, *TOOLS}


@pytest.mark.parametrize("name", PYTHON)
def test_the_python_of_a_guide_can_be_compiled(name):
    for step in guide.steps(name):
        if isinstance(step, guide.File):
            compile(step.text, step.path, "exec")


@pytest.mark.parametrize("name", TOOLS)
def test_what_a_guide_of_another_language_writes_copies_and_changes_fits_together(name, tmp_path):
    steps = guide.steps(name)
    for step in steps:
        if not isinstance(step, guide.Command):
            guide.put(step, tmp_path)
    assert {type(step) for step in steps} == {guide.File, guide.Change, guide.Copy, guide.Command}


@pytest.mark.parametrize("name", TOOLS)
def test_a_guide_of_another_language_installs_starts_asks_and_compares(name):
    lines = [one.line for one in commands(name)]
    assert next(line for line in lines if line.startswith("tracecollect ")).startswith("tracecollect serve")
    assert lines[-1].startswith("tracecollect diff ")
    assert {one.service for one in commands(name)} > {"tracecollect serve"}
    for one in commands(name):
        assert one.shown or not one.service, f"nothing says when it has started: {one.line}"


@pytest.mark.parametrize("name", [*PYTHON, *TOOLS])
def test_every_guide_is_in_the_readme(name):
    assert f"](docs/guides/{name}.md)" in (guide.DOCS.parent / "README.md").read_text()
