"""Dockerfile and docker-compose.yml say nothing that the program does not understand."""

from __future__ import annotations

import json
import re
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import click
import container_files as files
import jsonschema
import pytest
from container_host import Host, foreign_postgres
from packaging.specifiers import SpecifierSet

from tracecollect import codec, settings
from tracecollect.cli import cli
from tracecollect.demo import child
from tracecollect.model import SECOND
from tracecollect.settings import Settings

PROJECT = tomllib.loads((files.ROOT / "pyproject.toml").read_text())["project"]
SERVICES, OURS = files.services(), files.ours()
SHOP = [name for name in OURS if SERVICES[name].get("profiles") == ["demo"]]
DATA = "/var/lib/tracecollect"
PORTS = {"orders": 8002, "gateway": 8001}


def environ(monkeypatch: pytest.MonkeyPatch, service: str) -> dict[str, str]:
    """This process as if it ran in the service's container."""
    said = files.environment(service)
    for name in ("TRACECOLLECT_DEMO_DSN", "TRACECOLLECT_DEMO_ORDERS", "TRACECOLLECT_DEMO_GATEWAY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in said.items():
        monkeypatch.setenv(name, value)
    return said


def serving(environment: dict[str, str]) -> Settings:
    """The settings that the collector's container starts with."""
    program, subcommand, *words = files.command("collector")
    assert program == "tracecollect"
    known = cli.get_command(click.Context(cli), subcommand)
    assert known is not None, f"there is no command {subcommand}"
    flags = known.make_context(subcommand, words).params
    return settings.load({name: flags[name] for name in flags if name != "config"}, environment=environment)


def shop(service: str) -> dict[str, Any]:
    """What a part of the shop makes of its command line, with the environment of this process."""
    *program, part = files.command(service)[:4]
    assert program == ["python", "-m", "tracecollect.demo.child"]
    return vars(child.parser().parse_args([part, *files.command(service)[4:]]))


# --- docker-compose.yml ----------------------------------------------------------------------------


def test_the_compose_file_has_only_what_the_schema_names() -> None:
    jsonschema.Draft202012Validator(files.SCHEMA).validate(files.compose())


@pytest.mark.parametrize("wrong", [{"port": []}, {"ports": ["4317:4317"]}, {"restart": "sometimes"}])
def test_the_schema_refuses_a_typing_mistake_and_a_port_for_everybody(wrong: dict[str, Any]) -> None:
    document = files.compose()
    document["services"]["collector"] |= wrong
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(files.SCHEMA).validate(document)


def test_without_a_profile_only_the_collector_starts() -> None:
    assert [name for name, one in SERVICES.items() if "profiles" not in one] == ["collector"]
    assert set(SHOP) == {"orders", "gateway", "load"}
    assert set(SERVICES) == {"collector", "postgres", *SHOP}


def test_the_collector_listens_where_its_ports_are_published_and_the_numbers_are_the_defaults() -> None:
    found = serving(files.environment("collector"))
    published = {tuple(map(int, text.split(":")[1:])) for text in SERVICES["collector"]["ports"]}
    default = Settings()
    ports = [default.otlp_grpc.port, default.otlp_http.port, default.web.port]
    assert {found.otlp_grpc.port, found.otlp_http.port, found.web.port} == set(ports)
    assert published == {(port, port) for port in ports}
    assert not found.otlp_grpc.loopback
    assert not found.web.loopback
    assert {int(port) for port in files.final("EXPOSE")[0].words} == {port for port, _ in published}


def test_every_variable_of_the_image_and_the_collector_is_a_setting() -> None:
    environment = files.environment("collector")
    named = {name for name in environment if name.startswith("TRACECOLLECT_")}
    found = serving(environment)
    assert {name for name in settings.names() if found.origin(name) != "default"} == {
        name.removeprefix("TRACECOLLECT_").lower() for name in named
    }
    assert found.allow_public


def test_the_grace_is_the_default_unless_the_caller_says_another() -> None:
    assert serving(files.environment("collector")).grace == Settings().grace
    said = files.compose({"TRACECOLLECT_GRACE": "10s"})["services"]["collector"]["environment"]
    assert serving(files.environment("collector") | said).grace == 10 * SECOND


def test_the_volume_is_where_the_data_goes() -> None:
    assert str(serving(files.environment("collector")).data_dir) == DATA
    assert [one.text for one in files.final("VOLUME")] == [DATA]
    assert SERVICES["collector"]["volumes"] == [f"collector:{DATA}"]
    named = {text.partition(":")[0] for one in SERVICES.values() for text in one.get("volumes", ())}
    assert named == set(files.compose()["volumes"])


def test_a_stop_has_more_time_than_the_drain_needs() -> None:
    found = serving(files.environment("collector"))
    patience = codec.read_duration(SERVICES["collector"]["stop_grace_period"])
    assert patience >= found.drain_timeout + 5 * SECOND


@pytest.mark.parametrize("service", SHOP)
def test_each_part_of_the_shop_reads_every_variable_it_is_given(service: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = environ(monkeypatch, service)
    own = set(SERVICES[service]["environment"])
    read = {value for value in shop(service).values() if isinstance(value, str)}
    assert {said[name] for name in own} <= read
    for name in own:
        monkeypatch.delenv(name)
    if service == "orders":
        with pytest.raises(SystemExit):
            shop(service)
    else:
        assert not {said[name] for name in own} & {value for value in shop(service).values() if isinstance(value, str)}


@pytest.mark.parametrize("service", ["orders", "gateway"])
def test_each_service_of_the_shop_is_reached_under_the_name_and_port_it_has(
    service: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    environ(monkeypatch, service)
    listens = shop(service)
    assert listens["host"] == "0.0.0.0"
    callers = [text for name in SHOP for text in SERVICES[name]["environment"].values() if f"/{service}:" in text]
    assert [urlsplit(text).port for text in callers] == [listens["port"]]
    assert f"('127.0.0.1', {listens['port']})" in files.healthcheck(service)[-1]


def test_the_shop_sends_to_the_port_of_the_collector() -> None:
    endpoints = [SERVICES[name]["environment"].get("OTEL_EXPORTER_OTLP_ENDPOINT") for name in ("orders", "gateway")]
    assert endpoints == [f"http://collector:{Settings().otlp_grpc.port}"] * 2


def test_everybody_shares_a_network_with_whom_they_call_and_all_networks_are_used() -> None:
    hosts = {urlsplit(text).hostname: name for name in SHOP for text in SERVICES[name]["environment"].values()}
    for host, caller in hosts.items():
        assert set(SERVICES[str(host)]["networks"]) & set(SERVICES[caller]["networks"]), f"{caller} cannot call {host}"
    used = {network for one in SERVICES.values() for network in one["networks"]}
    assert used == set(files.compose()["networks"])


def test_the_database_and_its_password_stay_on_a_network_without_a_way_out() -> None:
    said = SERVICES["postgres"]["environment"]
    dsn = urlsplit(SERVICES["orders"]["environment"]["TRACECOLLECT_DEMO_DSN"])
    assert (dsn.username, dsn.password, dsn.path.strip("/")) == (
        said["POSTGRES_USER"],
        said["POSTGRES_PASSWORD"],
        said["POSTGRES_DB"],
    )
    assert [
        name for name in SERVICES["postgres"]["networks"] if not files.compose()["networks"][name]["internal"]
    ] == []
    assert not set(SERVICES["collector"]["networks"]) & set(SERVICES["postgres"]["networks"])
    assert [name for name, one in SERVICES.items() if "ports" in one] == ["collector"]


def test_whom_a_service_waits_for_has_a_health_check_and_comes_before_it() -> None:
    for name, one in SERVICES.items():
        for other in one.get("depends_on", ()):
            assert files.healthcheck(other), f"{name} waits for {other}"
    assert files.order()[-1] == "load"


@pytest.mark.parametrize("service", OURS)
def test_our_containers_cannot_write_to_their_image_nor_gain_rights(service: str) -> None:
    one = SERVICES[service]
    assert (one["read_only"], one["init"], one["restart"]) == (True, True, "unless-stopped")
    assert one["cap_drop"] == ["ALL"]
    assert one["security_opt"] == ["no-new-privileges:true"]


# --- Dockerfile ------------------------------------------------------------------------------------


def test_the_image_does_not_run_as_root_and_its_data_belongs_to_who_runs() -> None:
    user, group = files.final("USER")[-1].text.split(":")
    assert int(user) >= 1000
    assert int(group) >= 1000
    setup = next(one.text for one in files.final("RUN"))
    assert f"--uid {user} " in setup
    assert f"--owner={user} --group={group}" in setup
    assert DATA in setup[setup.index("install ") :]
    names = [one.name for one in files.instructions()]
    assert names.index("VOLUME") > names.index("USER"), "a new volume would belong to root"


def test_everything_that_is_copied_is_there_and_not_ignored() -> None:
    copied = [one.words for one in files.instructions() if one.name == "COPY" and "--from" not in one.text]
    sources = {files.ROOT / word for words in copied for word in words[:-1]}
    assert {one.name for one in sources if not one.exists() or files.ignored(one)} == set()
    build = tomllib.loads((files.ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    needed = {*build["packages"], *build["force-include"], PROJECT["readme"], "pyproject.toml"}
    assert {one.name for one in sources} == needed


@pytest.mark.parametrize("path", [".git", ".venv/bin/python", "tests/conftest.py", "tracecollect/__pycache__/a.pyc"])
def test_the_build_is_not_sent_what_it_does_not_copy(path: str) -> None:
    assert files.ignored(files.ROOT / path)
    assert not files.ignored(files.ROOT / "tracecollect/cli/serve.py")


def test_every_extra_that_is_installed_exists() -> None:
    asked = [files.arguments()["EXTRAS"], *(one["build"]["args"]["EXTRAS"] for one in OURS.values())]
    assert {extra for text in asked for extra in text.split(",")} == {"server", "demo"}
    assert {"server", "demo"} <= set(PROJECT["optional-dependencies"])
    assert {name: one["build"]["args"]["EXTRAS"] for name, one in OURS.items()} == {
        name: "server,demo" if name in SHOP else "server" for name in OURS
    }
    images = {one["image"]: one["build"]["args"]["EXTRAS"] for one in OURS.values()}
    assert len(images) == len(set(images.values())), "one name for two images"


def test_the_image_has_a_python_that_the_package_accepts() -> None:
    assert files.arguments()["PYTHON"] in SpecifierSet(PROJECT["requires-python"])
    bases = {one.text.split()[0] for one in files.instructions() if one.name == "FROM"}
    assert bases == {"python:${PYTHON}-slim"}


def test_the_image_and_the_compose_file_check_health_alike() -> None:
    check, said = files.final("HEALTHCHECK")[0], SERVICES["collector"]["healthcheck"]
    assert check.exec_form == files.healthcheck("collector")
    assert dict(re.findall(r"--([\w-]+)=(\S+)", check.text.partition(" CMD ")[0])) == {
        name.replace("_", "-"): str(value) for name, value in said.items() if name != "test"
    }
    assert f":{Settings().web.port}/healthz" in check.exec_form[-1]


def test_the_image_starts_the_program_itself_which_hears_the_stop() -> None:
    assert files.final("ENTRYPOINT")[0].exec_form[0] in PROJECT["scripts"]
    assert files.final("STOPSIGNAL")[0].text == "SIGTERM"
    assert files.final("CMD")[0].exec_form == SERVICES["collector"]["command"]


def test_the_labels_say_what_the_package_says_and_name_no_host() -> None:
    labels = dict(word.split("=", 1) for one in files.final("LABEL") for word in one.words)
    assert labels == {
        "org.opencontainers.image.title": PROJECT["name"],
        "org.opencontainers.image.description": PROJECT["description"],
        "org.opencontainers.image.licenses": PROJECT["license"],
    }


# --- the same commands, run ------------------------------------------------------------------------


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    made = Host(tmp_path)
    with ExitStack() as stack:
        stack.callback(made.close)
        yield made


def test_the_collector_as_composed_is_healthy_answers_inside_and_stops_in_time(host: Host) -> None:
    assert not host.healthy("collector"), "nobody listens yet"
    host.start("collector")
    host.until_healthy("collector")
    inside = host.run("collector", ["tracecollect", "doctor"])
    assert f":{host.port(16686)}" in inside.stdout, inside.stderr
    assert host.stop("collector") == 0
    assert not host.healthy("collector")


@pytest.mark.slow
def test_the_shop_as_composed_fills_an_empty_database_and_all_its_telemetry_is_kept(
    host: Host, own_directory: Path
) -> None:
    with foreign_postgres(own_directory) as port:
        host.move(5432, port)
        for service in files.order():
            if service in ("collector", "orders", "gateway"):
                host.start(service, *(("--port", str(host.port(PORTS[service]))) if service in PORTS else ()))
                host.until_healthy(service)
        assert host.start("load", "--seconds", "2", "--rate", "20").wait(60) == 0
        with urllib.request.urlopen(f"http://127.0.0.1:{host.port(8001)}/api/orders/1", timeout=20) as answer:
            assert json.load(answer)["customer"] == "customer 1"
        assert [host.stop(service) for service in ("gateway", "orders", "collector")] == [0, 0, 0]
    heard = json.loads(host.run("collector", ["tracecollect", "services", "--json"]).stdout)
    assert {one["service"] for one in heard} == {"gateway", "orders"}
    found = host.run(
        "collector", ["tracecollect", "search", "--service", "gateway", "--limit", "1000", "--json"]
    ).stdout
    assert len(json.loads(found)) == 41, "forty customers and we: also what was sent in the last moment"
    kept = host.run("collector", ["tracecollect", "export", "--since", "1h"]).stdout
    assert "SELECT id, customer, total, status" in kept
    assert SERVICES["postgres"]["environment"]["POSTGRES_PASSWORD"] not in kept
