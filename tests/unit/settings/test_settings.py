"""Settings: one precedence, read whole, and every mistake is named."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tracecollect import settings
from tracecollect.errors import SettingsError
from tracecollect.settings import Address, Settings, load

DOCS = Path(__file__).parents[3] / "docs" / "settings.md"


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)


def test_defaults_are_on_loopback_and_in_the_home_directory(tmp_path):
    found = load(environment={})
    assert found.otlp_grpc == Address("127.0.0.1", 4317)
    assert found.web == Address("127.0.0.1", 16686)
    assert found.data_dir == tmp_path / "home" / ".local" / "share" / "tracecollect"
    assert found.store_url == f"chdb://{found.data_dir}/store"
    assert found.grace == 120 * 10**9
    assert found.origin("grace") == "default"


def test_a_flag_beats_the_environment_which_beats_the_file_which_beats_the_default(tmp_path):
    (tmp_path / "own.toml").write_text('grace = "1s"\nlinger = "2s"\nretention = "3d"\n')
    environment = {"TRACECOLLECT_GRACE": "2s", "TRACECOLLECT_LINGER": "3s"}
    found = load({"grace": "3s"}, environment=environment, config=tmp_path / "own.toml")
    assert (found.grace, found.linger, found.retention) == (3 * 10**9, 3 * 10**9, 3 * 86400 * 10**9)
    assert found.origin("grace") == "flag --grace"
    assert found.origin("linger") == "environment TRACECOLLECT_LINGER"
    assert found.origin("retention") == str(tmp_path / "own.toml")
    assert found.origin("web") == "default"


def test_the_file_in_the_working_directory_is_found_before_the_one_of_the_person(tmp_path):
    personal = tmp_path / "home" / ".config" / "tracecollect" / "tracecollect.toml"
    personal.parent.mkdir(parents=True)
    personal.write_text('grace = "7s"')
    assert load(environment={}).grace == 7 * 10**9
    Path("tracecollect.toml").write_text('grace = "8s"')
    assert load(environment={}).grace == 8 * 10**9


@pytest.mark.parametrize(
    ("flags", "environment", "file", "named", "hint"),
    [
        ({}, {"TRACECOLLECT_GRACEE": "1s"}, "", "TRACECOLLECT_GRACEE", "TRACECOLLECT_GRACE"),
        ({}, {}, 'retentoin = "1d"', "retentoin", "retention"),
        ({}, {}, "[web]\nport = 1", "web", "text"),
        ({}, {}, "grace = ", "tracecollect.toml", "TOML"),
        ({"grace": "soon"}, {}, "", "flag --grace", "grace is"),
        ({"web": "localhost"}, {}, "", "'localhost'", "web is"),
        ({"web": "127.0.0.1:70000"}, {}, "", "70000", "web is"),
        ({"linger": "-1s"}, {}, "", "-1s", "linger"),
        ({"max_request_bytes": "1"}, {}, "", "least", "max_request_bytes"),
        ({"log_level": "loud"}, {}, "", "loud", "log_level"),
        ({"allow_public": "perhaps"}, {}, "", "perhaps", "allow_public"),
        ({"data_dir": " "}, {}, "", "data_dir", "data_dir"),
        ({"store": "/var/lib"}, {}, "", "/var/lib", "chdb://"),
        ({"web": "0.0.0.0:1"}, {}, "", "0.0.0.0:1", "--allow-public"),
        ({"otlp_grpc": "[::]:1"}, {}, "", "[::]:1", "--allow-public"),
        ({"otlp_grpc": ":16686"}, {}, "", "127.0.0.1:16686", "own port"),
        ({"grace": "8d"}, {}, "", "grace", "forgotten"),
    ],
)
def test_a_mistake_stops_the_start_and_is_named_with_a_hint(flags, environment, file, named, hint):
    if file:
        Path("tracecollect.toml").write_text(file)
    with pytest.raises(SettingsError) as caught:
        load(flags, environment=environment)
    assert named in caught.value.message
    assert hint in caught.value.hint


def test_a_named_file_that_is_not_there_is_an_error():
    with pytest.raises(SettingsError, match=r"no configuration file elsewhere\.toml"):
        load(environment={"TRACECOLLECT_CONFIG": "elsewhere.toml"})


def test_what_kubernetes_and_the_demo_put_into_the_environment_is_not_taken_for_settings():
    environment = {
        "TRACECOLLECT_PORT": "tcp://10.0.0.1:4317",
        "TRACECOLLECT_PORT_4317_TCP": "tcp://10.0.0.1:4317",
        "TRACECOLLECT_SERVICE_HOST": "10.0.0.1",
        "TRACECOLLECT_DEMO_SEED": "1",
    }
    assert load(environment=environment) == load(environment={})


def test_a_public_address_is_possible_by_name():
    found = load({"web": "0.0.0.0:1", "allow_public": True}, environment={})
    assert found.web == Address("0.0.0.0", 1)


def test_every_value_can_be_written_into_a_file_and_read_back(tmp_path):
    found = load({"grace": "90s", "web": "[::1]:8", "journal_max_bytes": "1536MiB"}, environment={})
    lines = [f'{name} = "{text}"' for name, text in found.spelled().items()]
    (tmp_path / "all.toml").write_text("\n".join(lines))
    assert load(environment={}, config=tmp_path / "all.toml") == found


def test_a_password_in_the_store_s_address_is_not_shown():
    found = Settings(store="clickhouse://me:secret@host:8123/db")
    assert found.spelled()["store"] == "clickhouse://me:…@host:8123/db"


def test_every_setting_has_a_heading_in_the_documentation_and_no_other():
    text = DOCS.read_text(encoding="utf-8")
    assert set(re.findall(r"^### `(\w+)`", text, re.MULTILINE)) == set(settings.names())


def test_the_documentation_names_every_default():
    text = DOCS.read_text(encoding="utf-8")
    shown = dict(re.findall(r"^### `(\w+)`\n\nDefault `([^`]*)`", text, re.MULTILINE))
    spelled = dict(load(environment={}).spelled())
    spelled["data_dir"] = "~/.local/share/tracecollect"
    spelled["store"] = "chdb:///DATA_DIR/store"
    assert shown == spelled


def test_a_public_address_is_possible_where_somebody_is_asked_for():
    token = "a-token-of-some-length"
    load({"otlp_grpc": "0.0.0.0:1"}, environment={"TRACECOLLECT_INGEST_TOKENS": token})
    load({"web": "0.0.0.0:1"}, environment={"TRACECOLLECT_READ_TOKENS": token})
    with pytest.raises(SettingsError, match="web"):
        load({"web": "0.0.0.0:1"}, environment={"TRACECOLLECT_INGEST_TOKENS": token})


def test_tokens_come_from_a_file_and_are_never_printed(tmp_path):
    path = tmp_path / "tokens"
    path.write_text("the-first-token-of-all\nthe-second-token-of-all\n")
    found = load(environment={"TRACECOLLECT_READ_TOKENS": f"file:{path}"})
    assert found.read_tokens == ("the-first-token-of-all", "the-second-token-of-all")
    assert "first" not in str(found.spelled())
    assert found.spelled()["read_tokens"] == "(2 secret)"


@pytest.mark.parametrize("text", ["short", "file:/nowhere/at/all"])
def test_tokens_that_protect_nothing_stop_the_start(text):
    with pytest.raises(SettingsError, match="ingest_tokens") as error:
        load(environment={"TRACECOLLECT_INGEST_TOKENS": text})
    assert "short," not in error.value.message


def test_half_of_a_tls_setting_stops_the_start(tmp_path):
    path = tmp_path / "x.pem"
    path.write_text("x")
    with pytest.raises(SettingsError, match="belong together"):
        load({"tls_certificate": str(path)}, environment={})
    with pytest.raises(SettingsError, match="without TLS"):
        load({"tls_client_ca": str(path)}, environment={})


def test_a_retention_beyond_the_engine_s_times_stops_the_start():
    with pytest.raises(SettingsError, match="retention"):
        load({"retention": "36500d"}, environment={})
