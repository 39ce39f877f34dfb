"""`tracecollect run` around real programs on a real PostgreSQL: what is named, what is not, and the exit status."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from database import served
from probe_servers import MySQL, listening

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
PROGRAM = HERE / "forgetful.py"
TRACECOLLECT = str(Path(sys.executable).with_name("tracecollect"))
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def places() -> Iterator[tuple[str, int]]:
    with served() as dsn, listening(MySQL) as port:
        yield dsn, port


def run(*words: str, cwd: Path = ROOT, **environment: str) -> subprocess.CompletedProcess[str]:
    """In the checkout, so that paths are relative to it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "GITHUB_", "PYTEST_"))}
    return subprocess.run(
        [TRACECOLLECT, "run", *words], cwd=cwd, env=kept | environment, capture_output=True, text=True, timeout=100
    )


def labelled(word: str) -> Counter[int]:
    """The lines of the program with this label, each as often as it is run."""
    lines = PROGRAM.read_text().splitlines()
    found: Counter[int] = Counter()
    for number, text in enumerate(lines, 1):
        if f"# {word}" in text and not text.startswith('"') and "`" not in text:
            times = re.search(r"range\((\d)\)", lines[number - 2])
            found[number] = int(times[1]) if times else 1
    return found


def test_every_forgotten_connection_is_named_by_file_and_line_and_nothing_else(places, tmp_path):
    dsn, port = places
    sarif, junit, page = tmp_path / "x.sarif", tmp_path / "x.xml", tmp_path / "x.html"
    done = run(
        "--sarif", str(sarif), "--junit", str(junit), "--report", str(page),
        "--", sys.executable, str(PROGRAM.relative_to(ROOT)), dsn, str(port),
    )  # fmt: skip
    assert done.returncode == 1, done.stderr
    results = json.loads(sarif.read_text())["runs"][0]["results"]
    named = {
        one["locations"][0]["physicalLocation"]["region"]["startLine"]: one["locations"][0]["physicalLocation"]
        for one in results
    }
    assert set(named) == set(labelled("leak"))
    assert {one["artifactLocation"]["uri"] for one in named.values()} == {"tests/e2e/forgetful.py"}
    assert {one["level"] for one in results} == {"error"}
    told, _, dropped = done.stderr.partition("came back only because")
    counted = re.findall(r"^ +(\d+)  leaked +tests/e2e/forgetful\.py:(\d+) in", told, flags=re.M)
    assert Counter({int(line): int(count) for count, line in counted}) == labelled("leak")
    collected = re.findall(r"^ +(\d+)  recovered +tests/e2e/forgetful\.py:(\d+) in", dropped, flags=re.M)
    assert Counter({int(line): int(count) for count, line in collected}) == labelled("dropped")
    suite = ET.fromstring(junit.read_text())
    assert int(suite.get("failures")) == len(suite.findall("testcase")) == len(labelled("leak"))
    assert "<svg" in page.read_text()
    assert "http://" not in page.read_text().replace("http://www.w3.org", "")


def test_a_healthy_program_is_run_in_silence(places):
    dsn, port = places
    done = run("--", sys.executable, str(PROGRAM), dsn, str(port), "healthy")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def script(text: str, path: Path) -> Path:
    path.write_text(text)
    return path


LEAK = "import sqlite3\nkept = sqlite3.connect(':memory:')\n"


def test_the_shortest_program_is_judged_too(tmp_path):
    done = run("--", sys.executable, "leak.py", cwd=script(LEAK, tmp_path / "leak.py").parent)
    assert done.returncode == 1
    assert "1 connection was not given back" in done.stderr
    assert "leak.py:2 in <module>" in done.stderr


def test_pytest_runs_as_it_would_where_warnings_are_errors(tmp_path):
    script("import sqlite3\ndef test_pay():\n    sqlite3.connect(':memory:').close()\n", tmp_path / "test_shop.py")
    strict = ("-W", "error", "-o", "asyncio_default_fixture_loop_scope=function")
    done = run("--", sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *strict, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "1 passed" in done.stdout


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_what_worker_processes_forgot_is_told(tmp_path, method):
    text = f"""
import multiprocessing, sqlite3
from concurrent.futures import ProcessPoolExecutor
kept = []
def work(_):
    kept.append(sqlite3.connect(':memory:'))
if __name__ == '__main__':
    with ProcessPoolExecutor(1, multiprocessing.get_context('{method}')) as workers:
        list(workers.map(work, range(3)))
"""
    done = run("--", sys.executable, "jobs.py", cwd=script(text, tmp_path / "jobs.py").parent)
    assert done.returncode == 1
    assert "3 connections were not given back" in done.stderr
    assert "jobs.py:6 in" in done.stderr


def test_output_and_status_are_the_commands_own(tmp_path):
    path = script("import sys\nprint('out')\nprint('err', file=sys.stderr)\nsys.exit(7)\n", tmp_path / "x.py")
    done = run("--", sys.executable, str(path))
    assert (done.returncode, done.stdout) == (7, "out\n")
    assert done.stderr.startswith("err\n")


def test_a_command_that_a_signal_ends_has_the_status_of_a_shell(tmp_path):
    path = script("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", tmp_path / "x.py")
    assert run("--", sys.executable, str(path)).returncode == 128 + 9


def test_on_github_the_lines_are_annotated(tmp_path):
    path = script(LEAK, tmp_path / "leak.py")
    done = run("--", sys.executable, "leak.py", cwd=path.parent, GITHUB_ACTIONS="true")
    assert done.stdout.startswith("::error file=leak.py,line=2,title=connection leak::a connection was taken")


def test_a_command_that_says_nothing_is_not_called_healthy():
    done = run("--", "true")
    assert done.returncode == 0
    assert "nothing arrived" in done.stderr
    assert "hint:" in done.stderr


def test_a_command_that_does_not_exist_is_a_mistake_with_a_hint():
    done = run("--", "no-such-command")
    assert done.returncode == 2
    assert "error: no-such-command cannot be started" in done.stderr
    assert "hint:" in done.stderr


def test_the_environments_own_sitecustomize_is_still_loaded(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.OWN = 'loaded'\n")
    path = script("print(OWN)\n", tmp_path / "x.py")
    assert run("--", sys.executable, str(path), PYTHONPATH=str(tmp_path)).stdout == "loaded\n"
