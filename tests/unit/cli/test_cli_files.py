"""`import`, `export`, `dialects`, `completion`: what goes in and what comes out as files."""

from __future__ import annotations

import gzip
import json
import subprocess
from importlib.resources import files

import pytest
import recordings

from tracecollect.cli.group import COMMANDS
from tracecollect.lifecycle.dialects import shipped

# --- import ---------------------------------------------------------------------------------------------


def test_import_says_beside_the_data_what_it_took(ask, tmp_path):
    path, _ = recordings.young("nodepg-healthy", tmp_path)
    told = ask("import", "--data-dir", str(tmp_path / "data"), str(path))
    assert (told.status, told.out) == (0, "")
    assert told.err == f"{path}: 45 requests, 1660 metrics, 3882 traces\n"


def test_import_says_when_the_store_will_not_keep_what_it_takes(ask, tmp_path):
    path, ended = recordings.young("nodepg-healthy", tmp_path)
    settings = tmp_path / "tracecollect.toml"
    settings.write_text('retention = "1h"\n')
    told = ask("import", "--config", str(settings), "--data-dir", str(tmp_path / "data"), str(path))
    assert told.status == 0
    assert f"it ends {ended:%Y-%m-%d %H:%M}" in told.err
    assert "hint: keep it with a longer retention" in told.err


@pytest.fixture
def wrong(tmp_path):
    """A file of each kind that is no recording, and what is said of it."""
    (tmp_path / "words.jsonl").write_text("hello")
    (tmp_path / "other.jsonl").write_text('{"level": "info"}\n')
    (tmp_path / "broken.jsonl").write_text('{"signal": "traces", "t": 1, "b64": "!"}\n')
    (tmp_path / "cut.jsonl.gz").write_bytes(gzip.compress(b'{"resourceSpans": []}\n' * 99)[:-12])
    return {
        "words.jsonl": "message 1 has no believable length",
        "other.jsonl": ":1: neither resourceSpans nor resourceMetrics nor resourceLogs",
        "broken.jsonl": ":1: not OTLP JSON and no capture",
        "cut.jsonl.gz": "the gzip stream is damaged or ends in the middle",
        "missing.jsonl": "No such file or directory",
        ".": "Is a directory",
    }


@pytest.mark.parametrize("name", ["words.jsonl", "other.jsonl", "broken.jsonl", "cut.jsonl.gz", "missing.jsonl", "."])
def test_a_file_that_is_no_recording_is_named_with_the_reason(ask, tmp_path, wrong, name):
    told = ask("import", "--data-dir", str(tmp_path / "data"), str(tmp_path / name))
    error, hint = told.err.splitlines()
    assert (told.status, told.out) == (2, "")
    assert error.startswith(f"error: {tmp_path / name}:")
    assert wrong[name] in error
    assert hint.startswith("hint: import takes OTLP JSON lines")


def test_import_without_a_file_is_a_mistake(ask):
    told = ask("import")
    assert (told.status, told.out) == (2, "")
    assert told.err == "error: Missing argument 'FILES...'.\nhint: tracecollect import --help\n"


# --- export ---------------------------------------------------------------------------------------------


def test_a_wrong_trace_id_leaves_the_file_that_export_was_to_write_as_it_was(ask, served, tmp_path):
    there = tmp_path / "kept.jsonl"
    there.write_text("what I had\n")
    told = ask("export", *served.here, "f" * 32, "-o", str(there))
    assert (told.status, there.read_text()) == (2, "what I had\n")


def shape(trace: dict) -> list[tuple[str, ...]]:
    return [
        tuple(str(span[key]) for key in ("span_id", "parent_id", "name", "start", "kind")) for span in trace["spans"]
    ]


def test_what_is_exported_can_be_imported_again(ask, asyncpg, leaked_trace, tmp_path):
    path, here = tmp_path / "trace.jsonl", ("--data-dir", str(tmp_path / "again"))
    told = ask("export", leaked_trace[:10], *asyncpg.here, "-o", str(path))
    assert (told.status, told.out, told.err) == (0, "", "1 trace\n")
    assert ask("import", str(path), *here).status == 0
    before, after = (json.loads(ask("trace", leaked_trace, *w, "--json").out) for w in (asyncpg.here, here))
    assert shape(before) == shape(after) != []
    assert len(after["holds"]) == 1


def test_export_of_a_window_says_where_it_stopped(ask, asyncpg):
    told = ask("export", *asyncpg.window, "--service", "orders", "--limit", "2")
    lines = [json.loads(line) for line in told.out.splitlines()]
    assert sum("resourceSpans" in line for line in lines) == 2
    assert [line.partition(",")[0] for line in told.err.splitlines()] == ["stopped after 2 traces", "2 traces"]


def test_export_of_a_trace_that_does_not_exist_is_an_error(ask, asyncpg):
    told = ask("export", "0123456789abcdef", *asyncpg.here)
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith("error: there is no trace 0123456789abcdef\nhint: ")


def test_export_to_a_file_that_cannot_be_written_is_an_error(ask, asyncpg, leaked_trace, tmp_path):
    told = ask("export", leaked_trace, *asyncpg.here, "-o", str(tmp_path / "nowhere" / "x"))
    assert (told.status, told.out) == (2, "")
    assert told.err.endswith("No such file or directory\nhint: choose another file with -o\n")


# --- dialects -------------------------------------------------------------------------------------------

GOOD = """
[dialect]
name = "my-pool"
version = 1
library = "our own pool"
scopes = ["shop.pool"]
coverage = "blind"
why = "only statements are traced"
blind_to = "every acquire and every release"
"""


def test_dialects_lists_every_one_that_comes_with_us(ask):
    told = ask("dialects")
    assert {line.split()[0] for line in told.out.splitlines()[1:]} == {one.name for one in shipped()}
    assert (told.status, told.err) == (0, "")


def test_the_json_of_dialects_has_what_each_one_sees_and_does_not(ask):
    found = json.loads(ask("dialects", "--json").out)
    assert [one["name"] for one in found] == [one.name for one in shipped()]
    assert all(one["why"] and one["blind_to"] and one["scopes"] for one in found)


@pytest.mark.parametrize("name", [one.name for one in shipped()])
def test_every_dialect_that_comes_with_us_passes_its_own_check(ask, name):
    told = ask("dialects", "check", str(files("tracecollect.lifecycle") / "dialects" / f"{name}.toml"))
    assert (told.status, told.err) == (0, "")
    assert told.out.startswith(f"{name} ")


def test_a_good_dialect_is_summed_up(ask, tmp_path):
    (tmp_path / "my.toml").write_text(GOOD)
    told = ask("dialects", "check", str(tmp_path / "my.toml"))
    assert (told.status, told.out, told.err) == (0, "my-pool 1: coverage blind, 0 rules, 0 series\n", "")


@pytest.mark.parametrize(
    ("good", "bad", "complaint"),
    [
        ("[dialect]", "[dialect", "not TOML"),
        ('why = "only statements are traced"\n', "", "[dialect] needs why, a text"),
        ('coverage = "blind"', 'coverage = "perfect"', "[dialect] has coverage = 'perfect'"),
        ("version = 1", "version = 1\ncolour = 1", "[dialect] has the unknown key 'colour'"),
        ("shop.pool", "opentelemetry.instrumentation.asyncpg", "is claimed by python-asyncpg and by my-pool"),
    ],
    ids=["no TOML", "key missing", "no such coverage", "unknown key", "scope taken"],
)
def test_a_bad_dialect_is_told_what_is_wrong_with_it(ask, tmp_path, good, bad, complaint):
    (tmp_path / "my.toml").write_text(GOOD.replace(good, bad))
    told = ask("dialects", "check", str(tmp_path / "my.toml"))
    error, hint = told.err.splitlines()
    assert (told.status, told.out) == (2, "")
    assert complaint in error
    assert hint.startswith("hint: ")


@pytest.mark.parametrize("content", [None, b"\xff\xfe"], ids=["missing", "not UTF-8"])
def test_a_dialect_that_cannot_be_read_is_a_mistake(ask, tmp_path, content):
    if content is not None:
        (tmp_path / "my.toml").write_bytes(content)
    told = ask("dialects", "check", str(tmp_path / "my.toml"))
    assert (told.status, told.out) == (2, "")
    assert told.err.startswith(f"error: cannot read {tmp_path / 'my.toml'}: ")
    assert told.err.endswith("hint: a dialect is a TOML file in UTF-8\n")


# --- completion -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shell", "registers"), [("bash", "complete -o nosort"), ("zsh", "compdef"), ("fish", "complete --no-files")]
)
def test_completion_is_a_script_of_that_shell(ask, shell, registers):
    told = ask("completion", shell)
    assert (told.status, told.err) == (0, "")
    assert registers in told.out
    assert f"_TRACECOLLECT_COMPLETE={shell}_complete" in told.out


def test_bash_accepts_its_script(ask):
    checked = subprocess.run(["bash", "-n"], input=ask("completion", "bash").data, capture_output=True, check=False)
    assert (checked.returncode, checked.stderr) == (0, b"")


def test_completion_of_nothing_offers_every_command(program):
    told = program(_TRACECOLLECT_COMPLETE="bash_complete", COMP_WORDS="tracecollect ", COMP_CWORD="1")
    assert {line.partition(",")[2] for line in told.out.splitlines()} == set(COMMANDS)


def test_completion_for_another_shell_is_a_mistake(ask):
    told = ask("completion", "tcsh")
    assert (told.status, told.out) == (2, "")
    assert "'tcsh' is not one of 'bash', 'zsh', 'fish'" in told.err
