"""What a person gets wrong: exit status 2, nothing on stdout, what happened and what to do on stderr."""

from __future__ import annotations

import fcntl

import pytest

from tracecollect.cli.group import COMMANDS

NO_DATA = "there is no telemetry in "
TIME = "is not a time like 2026-11-23T03:44:00Z"

MISTAKES = {
    "a command that nearly exists": (["leeks"], "there is no command 'leeks'", "did you mean `tracecollect leaks`?"),
    "a command like no other": (["frob"], "there is no command 'frob'", "tracecollect --help lists the commands"),
    "an option that nearly exists": (["leaks", "--asof", "1h"], "'--as-of'", "tracecollect leaks --help"),
    "an unknown option": (["pools", "--colour"], "'--colour'", "tracecollect pools --help"),
    "an unknown option of the program": (["--colour"], "'--colour'", "tracecollect --help"),
    "one argument too many": (["leaks", "now"], "unexpected extra argument (now)", "tracecollect leaks --help"),
    "a missing argument": (["trace"], "Missing argument 'ID'", "tracecollect trace --help"),
    "an unknown verdict": (["leaks", "--fail-on", "bad"], "'bad' is not one of", "tracecollect leaks --help"),
    "an unknown notation": (["trace", "ab", "--as", "bmp"], "'bmp' is not one of", "tracecollect trace --help"),
    "a bad moment": (["leaks", "--as-of", "yesterday"], f"'yesterday' {TIME}", "tracecollect leaks --help"),
    "a bad beginning": (["leaks", "--since", "1y"], f"'1y' {TIME}", "write 1h, 30m or 2026-11-23T03:44:00Z"),
    "a bad beginning of a window": (["search", "--since", "x"], f"'x' {TIME}", "write 1h, 30m or 2026"),
    "a moment without a zone": (["leaks", "--as-of", "2026-11-23T03:44:00"], TIME, "tracecollect leaks --help"),
    "a bad duration": (["leaks", "--grace", "5"], "'5' is not a duration like", "tracecollect leaks --help"),
    "a bad attribute": (["search", "--attr", "x"], "'x' is not NAME=VALUE", "tracecollect search --help"),
    "a limit of nothing": (["holders", "--limit", "0"], "0 is not in the range", "tracecollect holders --help"),
    "a limit beyond all": (["search", "--limit", "1001"], "1001 is not in", "tracecollect search --help"),
    "a missing settings file": (["leaks", "--config", "no.toml"], "no configuration file no.toml", "check --config"),
    "a server that is none": (["leaks", "--server", "http://"], "'http://' is not the address", "write it like"),
    "a server that is gone": (["leaks", "--server", "127.0.0.1:1"], "nothing answers at", "`tracecollect serve`"),
    "an unknown part of dialects": (["dialects", "chek", "x"], "'chek'", "tracecollect dialects --help"),
    "serving on no address": (["serve", "--otlp-grpc", "x"], "otlp_grpc: 'x' is not an address", "otlp_grpc is where"),
    "serving everybody": (["serve", "--web", "0.0.0.0:1"], "can be reached from other machines", "--allow-public"),
    "serving twice on one port": (
        ["serve", "--web", ":4317"],
        "otlp_grpc and web are both 127.0.0.1:4317",
        "give each its own port",
    ),
    "serving with a grace without unit": (["serve", "--grace", "3"], "'3' is not a duration", "grace is how long"),
    "serving with too short a retention": (["serve", "--retention", "5m"], "is less than 1h", "retention is how long"),
    "serving with a grace beyond it": (["serve", "--grace", "8d"], "grace is longer than the retention", "forgotten"),
    "serving out of no store": (["serve", "--store", "foo"], "store: 'foo' is not an address", "write it like chdb:"),
    "serving silently": (["serve", "--log-level", "loud"], "'loud' is none of debug", "what is written to stderr"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_named_with_what_to_do_instead(ask, mistake):
    arguments, error, hint = MISTAKES[mistake]
    told = ask(*arguments)
    lines = told.err.splitlines()
    assert (told.status, told.out) == (2, "")
    assert lines[0].startswith("error: ")
    assert error in told.err
    assert lines[-1].startswith("hint: ")
    assert hint in lines[-1]


READING = {
    "leaks": (), "explain": ("f_1",), "trace": ("ab",), "lifecycle": ("ab",), "pools": (), "holders": (),
    "search": (), "services": (), "graph": (), "export": (),
}  # fmt: skip


@pytest.mark.parametrize("command", READING)
def test_without_a_data_directory_a_question_is_an_error_and_makes_none(ask, tmp_path, command):
    told = ask(command, *READING[command], "--data-dir", str(tmp_path / "none"))
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith(f"error: {NO_DATA}{tmp_path / 'none'} and no server runs on it\nhint: start ")
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize("command", ["leaks", "serve", "doctor", "import"])
def test_an_unknown_key_in_the_settings_file_is_named_with_the_nearest_one(ask, tmp_path, command):
    (tmp_path / "my.toml").write_text('graze = "1s"\n')
    told = ask(command, *(["x"] if command == "import" else []), "--config", str(tmp_path / "my.toml"))
    assert (told.status, told.out) == (2, "")
    assert told.err == f"error: unknown key in {tmp_path / 'my.toml'}: graze\nhint: did you mean grace?\n"


def test_the_settings_file_of_the_working_directory_is_read(ask, tmp_path):
    (tmp_path / "here" / "tracecollect.toml").write_text(f'data_dir = "{tmp_path / "told"}"\n')
    assert f"{NO_DATA}{tmp_path / 'told'} " in ask("leaks").err


def test_an_unknown_variable_is_named_with_the_nearest_one(ask, monkeypatch):
    monkeypatch.setenv("TRACECOLLECT_GRAZE", "1s")
    told = ask("leaks")
    assert (told.status, told.out) == (2, "")
    assert told.err == (
        "error: unknown environment variable TRACECOLLECT_GRAZE\nhint: did you mean TRACECOLLECT_GRACE?\n"
    )


def test_a_window_that_ends_before_it_begins_is_a_mistake(ask, asyncpg):
    told = ask("services", *asyncpg.here, "--since", "1h", "--until", "2h")
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith("error: the window is empty: since is not before until\nhint: ")


def test_a_directory_that_another_process_uses_is_not_touched(ask, asyncpg):
    with (asyncpg.directory / "server.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        told = ask("leaks", *asyncpg.judged)
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith(f"error: another process uses the data directory {asyncpg.directory}\nhint: wait ")


@pytest.mark.parametrize("command", [name for name in COMMANDS if name != "demo"])
def test_every_command_has_help_that_fits_the_terminal(ask, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    told = ask(command, "--help")
    assert (told.status, told.err) == (0, "")
    assert told.out.startswith(f"Usage: tracecollect {command} ")
    # What is to be pasted stays in one piece.
    assert [line for line in told.out.splitlines() if len(line) > 80 and " > ~/" not in line] == []


@pytest.mark.parametrize("command", [("trace", ""), ("lifecycle", " "), ("explain", "")])
def test_an_empty_name_is_told_as_such_also_when_a_server_is_asked(ask, served, command):
    told = ask(*command, *served.here)
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith("error: ")
    assert "hint: " in told.err
    assert "is not a tracecollect" not in told.err
