"""The house as a whole: its size, its words, its places, and what a start costs."""

from __future__ import annotations

import ast
import fnmatch
import gzip
import json
import os
import re
import statistics
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from captures import LEAKING

import tracecollect

ROOT = Path(__file__).resolve().parent.parent
SAMPLES = ROOT / "tests" / "samples"
CODE = (".py", ".sql", ".toml", ".proto", ".js", ".css", ".sh", "")
LONGEST = 400
TOP = {
    *("Makefile", "pyproject.toml", "Dockerfile", "docker-compose.yml"),
    *("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE"),
    *("proto", "tracecollect", "viz", "tests", "bench", "docs"),
    *(".ci", ".gitignore", ".dockerignore"),
}
BUDGET_SECONDS = 0.5
# Each takes a tenth of a second or more, or belongs to an extra.
HEAVY = {
    *("asyncio", "chdb", "clickhouse_connect", "google", "graphviz", "grpc", "httpx", "networkx", "numpy"),
    *("opentelemetry", "pandas", "ptars", "pyarrow", "rich", "sqlite3", "starlette", "uvicorn"),
}
IMPORT = "import tracecollect"
HELP = """
import contextlib, sys
from tracecollect.cli import main
sys.argv = ["tracecollect", "--help"]
with contextlib.suppress(SystemExit):
    main()
"""


def kept(under: str = "") -> Iterator[Path]:
    """The files that belong to the tree: not those which .gitignore names, nor what binary files hold."""
    rules = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().split() if not line.startswith("#")]
    for directory, below, names in os.walk(ROOT / under):
        below[:] = [one for one in below if one != ".git" and not _ignored(one, rules)]
        yield from (Path(directory) / name for name in names if not _ignored(name, rules))


def _ignored(name: str, rules: list[str]) -> bool:
    return any(fnmatch.fnmatch(name, rule) for rule in rules)


def code(*under: str) -> dict[str, str]:
    """Text by path."""
    paths = [path for one in under for path in kept(one) if path.suffix in CODE and "seeds" not in path.parts]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in paths}


def test_no_two_files_of_tests_have_one_name() -> None:
    """pytest imports them by it."""
    names = Counter(Path(name).name for name in code("tests") if Path(name).name.startswith("test_"))
    assert [name for name, count in names.items() if count > 1] == []


def test_no_file_is_longer_than_a_person_reads_at_once() -> None:
    sources = code("tracecollect", "tests", "bench", "proto", "viz")
    sizes = {name: text.count("\n") for name, text in sources.items()}
    assert {name: size for name, size in sizes.items() if size > LONGEST} == {}


def test_everything_public_says_what_it_is_for() -> None:
    silent = [
        f"{name}:{node.lineno} {node.name}"
        for name, text in code("tracecollect").items()
        if name.endswith(".py")
        for node in _public(ast.parse(text).body)
        if not ast.get_docstring(node)
    ]
    assert silent == []


Named = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef


def _public(body: list[ast.stmt]) -> Iterator[Named]:
    """Functions and classes of a module, and what public classes have: not what has a leading underscore."""
    for node in body:
        if isinstance(node, Named) and not node.name.startswith("_"):
            yield node
            if isinstance(node, ast.ClassDef):
                yield from _public(node.body)


def test_nothing_is_left_to_be_done_some_day() -> None:
    someday = re.compile(r"\b(TO" + r"DO|FIX" + r"ME|X" + r"XX|HA" + r"CK)\b")
    everything = code("tracecollect", "tests", "bench", "proto", "viz", ".ci") | _documents()
    assert _lines(everything, someday) == []


def test_what_is_shipped_names_no_place_of_a_machine() -> None:
    place = re.compile(r"""(?<![\w.~}/>-])/(work|home|root|tmp|Users)(?=[/"'\s)]|$)""")
    assert _lines(code("tracecollect", "proto", "viz", ".ci"), place) == []
    tops = {name: (ROOT / name).read_text() for name in ("Makefile", "pyproject.toml", "Dockerfile")}
    assert _lines(tops, place) == []


def _documents() -> dict[str, str]:
    names = [path for path in kept() if path.suffix in (".md", ".yml") or path.parent == ROOT]
    return {path.relative_to(ROOT).as_posix(): path.read_text("utf-8") for path in names}


def _lines(texts: dict[str, str], pattern: re.Pattern[str]) -> list[str]:
    return [
        f"{name}:{number} {line.strip()[:100]}"
        for name, text in texts.items()
        for number, line in enumerate(text.splitlines(), 1)
        if pattern.search(line)
    ]


def test_the_top_of_the_repository_is_what_the_design_names() -> None:
    assert {path.relative_to(ROOT).parts[0] for path in kept()} == TOP


def test_every_recording_says_what_really_happened_in_it() -> None:
    recordings = {path.name.removesuffix(".jsonl.gz"): path for path in SAMPLES.glob("*.jsonl.gz")}
    labels = {path.name.removesuffix(".labels.json"): path for path in SAMPLES.glob("*.labels.json")}
    assert recordings.keys() == labels.keys() != set()
    for name, path in recordings.items():
        said = json.loads(labels[name].read_text())
        assert (len(said["leaks"]) > 0) == name.endswith(LEAKING), name
        assert said["n_true_leaks"] == len(said["leaks"]), name
        with gzip.open(path, "rt", encoding="utf-8") as lines:
            assert json.loads(next(lines)).keys() >= {"signal", "t", "b64"}, name


def test_the_changes_of_this_version_are_written_down() -> None:
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == tracecollect.__version__


# --- what a start costs ----------------------------------------------------------------------------


def processor_seconds(program: str) -> float:
    """What this process alone took of the processor: a busy machine makes it later, hardly dearer."""
    child = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    child.returncode = os.waitstatus_to_exitcode(status)
    assert child.returncode == 0
    return used.ru_utime + used.ru_stime


@pytest.mark.parametrize("program", [IMPORT, HELP], ids=["import", "help"])
def test_a_start_costs_less_than_half_a_second_of_the_processor(program: str) -> None:
    assert statistics.median(processor_seconds(program) for _ in range(5)) < BUDGET_SECONDS


@pytest.mark.parametrize("program", [IMPORT, HELP], ids=["import", "help"])
def test_a_start_loads_nothing_heavy(program: str) -> None:
    tell = "\nimport sys\nprint(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program + tell], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "tracecollect" in loaded
    assert loaded & HEAVY == set()
