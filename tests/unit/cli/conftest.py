"""The program as a person has it, and data directories with recordings in them, each imported once per process."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import recordings
from cli_program import Recorded, Told, clean, run
from click.testing import CliRunner

from tracecollect.cli import cli
from tracecollect.storage.remote import find_server


@pytest.fixture(autouse=True)
def nobody_elses_settings(monkeypatch, tmp_path):
    """Neither variables nor files of whoever runs the tests; every test has an own working directory."""
    for name in os.environ.keys() - clean().keys():
        monkeypatch.delenv(name)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@pytest.fixture
def ask():
    """The program in this process: `ask("leaks", …)`."""

    def asked(*arguments: str) -> Told:
        result = CliRunner().invoke(cli, arguments, prog_name="tracecollect", catch_exceptions=False)
        assert "this is a mistake in tracecollect" not in result.stderr
        return Told(result.exit_code, result.stdout_bytes, result.stderr)

    return asked


@pytest.fixture
def program():
    """The program as a process of its own: `program("leaks", …, NO_COLOR="1")`."""
    return run


def imported(name: str, factory: pytest.TempPathFactory) -> Recorded:
    place = factory.mktemp(name)
    capture, end = recordings.young(name, place)
    told = run("import", "--data-dir", str(place / "data"), str(capture))
    assert told.status == 0, told.err
    return Recorded(name, place / "data", end)


@pytest.fixture(scope="session")
def asyncpg(tmp_path_factory):
    """Leaks that are named: 45 at three operations."""
    return imported("asyncpg-leak", tmp_path_factory)


@pytest.fixture(scope="session")
def served(asyncpg, tmp_path_factory):
    """The named leaks again, and a server on them: commands find it by its data directory, and answer at once."""
    directory = tmp_path_factory.mktemp("served") / "data"
    shutil.copytree(asyncpg.directory, directory, symlinks=True)
    ports = ("--otlp-grpc", "127.0.0.1:0", "--otlp-http", "127.0.0.1:0", "--web", "127.0.0.1:0")
    command = [sys.executable, "-m", "tracecollect", "serve", "--data-dir", str(directory), *ports]
    with (
        (directory / "log").open("wb") as log,
        subprocess.Popen(command, env=clean(), stdout=log, stderr=log) as server,
    ):
        try:
            _until_it_answers(server, directory)
            yield Recorded(asyncpg.name, directory, asyncpg.end)
        finally:
            server.terminate()
    assert server.returncode == 0


def _until_it_answers(server: subprocess.Popen, directory: Path) -> None:
    end = time.monotonic() + 30
    while find_server(directory) is None:
        log = (directory / "log").read_text()
        assert server.poll() is None, log
        assert time.monotonic() < end, log
        time.sleep(0.02)


@pytest.fixture(scope="session")
def nodepg(tmp_path_factory):
    """Leaks that are counted: 45."""
    return imported("nodepg-leak", tmp_path_factory)


@pytest.fixture(scope="session")
def psycopg(tmp_path_factory):
    """Leaks that nobody could know of."""
    return imported("psycopg3pool-leak", tmp_path_factory)


@pytest.fixture(scope="session")
def starving(tmp_path_factory):
    """A pool that leaks took whole, one of its connections known by its count only; eighty requests waited in vain."""
    return imported("go-otelpgx-exhausted", tmp_path_factory)


@pytest.fixture(scope="session")
def healthy(tmp_path_factory):
    """No leak, and a library that would show one."""
    return imported("asyncpg-healthy", tmp_path_factory)


@pytest.fixture(scope="session")
def report(asyncpg):
    """What `leaks --json` says of the named leaks."""
    told = run("leaks", *asyncpg.judged, "--json")
    assert told.status == 0, told.err
    return told


@pytest.fixture
def leaked_trace():
    """A trace that took a connection and never gave it back."""
    return recordings.labels("asyncpg-leak")["leaks"][0]["trace_id"]
