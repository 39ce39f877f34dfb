"""The program as a process: its exit status, its two streams, pipes that close, terminals, and what it loads."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest
from cli_program import clean

import tracecollect

HEAVY = {"grpc", "pyarrow", "chdb", "networkx", "clickhouse_connect", "starlette", "uvicorn", "ptars"}
PROGRAM = (sys.executable, "-m", "tracecollect")


def test_the_version_goes_to_stdout(program):
    told = program("--version")
    assert (told.status, told.err) == (0, "")
    assert told.out == f"tracecollect, version {tracecollect.__version__}\n"


def test_help_goes_to_stdout_when_asked_for_and_to_stderr_when_not(program):
    asked, bare = program("--help"), program()
    assert (asked.status, asked.err) == (0, "")
    assert (bare.status, bare.out) == (2, "")
    assert asked.out.strip() == bare.err.strip()


def test_findings_are_exit_status_1_and_their_report_is_all_of_stdout(program, asyncpg):
    told = program("leaks", *asyncpg.judged, "--fail-on", "leaked")
    assert (told.status, told.err) == (1, "")
    assert told.out.startswith("45 connections not given back at 3 places")
    assert "\x1b" not in told.out


def test_an_error_is_exit_status_2_and_leaves_stdout_empty(program, asyncpg):
    told = program("trace", "0123456789abcdef0123456789abcdef", *asyncpg.here)
    assert (told.status, told.out) == (2, "")
    assert re.fullmatch(r"error: there is no trace 0123456789abcdef0123456789abcdef\nhint: .+\n", told.err)


# --- pipes ----------------------------------------------------------------------------------------------


def into_a_closed_pipe(*arguments: str) -> tuple[int, bytes]:
    """What the program does when its reader has left before the first byte."""
    ours, its = os.pipe()
    os.close(ours)
    try:
        done = subprocess.run(
            [*PROGRAM, *arguments], stdout=its, stderr=subprocess.PIPE, env=clean(), timeout=60, check=False
        )
    finally:
        os.close(its)
    return done.returncode, done.stderr


@pytest.mark.parametrize("arguments", [("--help",), ("leaks", "--help"), ("completion", "bash"), ("dialects",)])
def test_a_reader_who_leaves_is_no_failure(arguments):
    assert into_a_closed_pipe(*arguments) == (0, b"")


@pytest.mark.parametrize(("more", "status"), [((), 0), (("--fail-on", "leaked"), 1), (("--json",), 0)])
def test_leaks_answers_with_its_exit_status_also_when_nobody_reads_on(asyncpg, more, status):
    assert into_a_closed_pipe("leaks", *asyncpg.judged, *more) == (status, b"")


def test_head_of_a_long_export_ends_it_quietly(asyncpg):
    reading, its = os.pipe()
    exporting = subprocess.Popen([*PROGRAM, "export", *asyncpg.window], stdout=its, stderr=subprocess.PIPE, env=clean())
    os.close(its)
    assert os.read(reading, 10) == b'{"resource'
    os.close(reading)
    _, err = exporting.communicate(timeout=60)
    assert (exporting.returncode, err) == (0, b"")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has a device that is always full")
@pytest.mark.parametrize("arguments", [("--help",), ("completion", "bash"), ("dialects", "--json")])
def test_a_full_disk_is_an_error_with_a_hint(arguments):
    with Path("/dev/full").open("wb") as full:
        done = subprocess.run(
            [*PROGRAM, *arguments], stdout=full, stderr=subprocess.PIPE, env=clean(), timeout=60, check=False
        )
    assert done.returncode == 2
    assert done.stderr == (
        b"error: there is no room where the answer is written to\nhint: free some space, or write it elsewhere\n"
    )


# --- terminals ------------------------------------------------------------------------------------------


def on_a_terminal(*arguments: str, **environment: str) -> tuple[int, str]:
    """Exit status and what the person sees; stderr goes to the same terminal."""
    ours, its = pty.openpty()
    running = subprocess.Popen(
        [*PROGRAM, *arguments],
        stdin=subprocess.DEVNULL,
        stdout=its,
        stderr=its,
        env=clean() | {"TERM": "xterm-256color"} | environment,
    )
    os.close(its)
    seen = bytearray()
    try:
        while piece := _read(ours):
            seen += piece
    finally:
        os.close(ours)
    return running.wait(timeout=60), seen.decode().replace("\r\n", "\n")


def _read(terminal: int) -> bytes:
    # Linux ends a terminal whose other side is closed with EIO.
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""


def test_a_person_sees_colours_unless_they_said_no(served):
    status, coloured = on_a_terminal("leaks", *served.judged)
    assert "\x1b[31m" in coloured
    plain_status, plain = on_a_terminal("leaks", *served.judged, NO_COLOR="1")
    assert plain == re.sub(r"\x1b\[[0-9;]*m", "", coloured)
    assert status == plain_status == 0


def test_pictures_and_errors_have_no_colour_either_when_there_should_be_none(served, leaked_trace):
    status, picture = on_a_terminal("lifecycle", leaked_trace, *served.here, NO_COLOR="1")
    assert (status, "\x1b" in picture) == (0, False)
    status, error = on_a_terminal("leeks", NO_COLOR="1")
    assert (status, "\x1b" in error) == (2, False)
    assert "\x1b[31m" in on_a_terminal("leeks")[1]


@pytest.mark.parametrize("command", ["leaks", "holders", "lifecycle", "search", "services"])
def test_everything_fits_eighty_columns(served, leaked_trace, command):
    subject = (leaked_trace,) if command == "lifecycle" else ()
    where = served.window if command in ("search", "services") else served.judged
    status, seen = on_a_terminal(command, *subject, *where, COLUMNS="80", NO_COLOR="1")
    # What is to be pasted stays in one piece.
    lines = [line for line in seen.splitlines() if not line.startswith("next: ")]
    assert (status, [line for line in lines if len(line) > 80]) == (0, [])
    assert len(lines) > 2


def test_pixels_are_not_thrown_at_a_person(served, leaked_trace):
    status, seen = on_a_terminal("trace", leaked_trace, *served.here, "--as", "png", NO_COLOR="1")
    assert status == 2
    assert seen == "error: png is nothing to read on a terminal\nhint: add -o picture.png\n"


# --- what is loaded -------------------------------------------------------------------------------------


@pytest.mark.parametrize("arguments", [None, ["--help"], ["leaks", "--help"], ["completion", "bash"]])
def test_neither_the_package_nor_its_help_loads_anything_heavy(arguments):
    lines = ["import atexit, sys, tracecollect"]
    lines.append("atexit.register(lambda: print(*{name.partition('.')[0] for name in sys.modules}, file=sys.stderr))")
    if arguments is not None:
        lines += ["from tracecollect.cli import main", f"sys.argv = ['tracecollect', *{arguments!r}]", "main()"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True)
    loaded = set(done.stderr.split())
    assert "tracecollect" in loaded
    assert loaded & HEAVY == set()
