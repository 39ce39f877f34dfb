"""What Dockerfile, .dockerignore and docker-compose.yml say, read as the engine reads them."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parent.parent
_INTERPOLATION = re.compile(r"\$\{(\w+):-([^}]*)\}")


@dataclass(frozen=True)
class Instruction:
    stage: int
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return shlex.split(self.text)

    @property
    def exec_form(self) -> list[str]:
        """The JSON list behind the flags and a possible CMD; raises when it is in shell form."""
        words: list[str] = json.loads(self.text[self.text.index("[") :])
        return words


def instructions() -> list[Instruction]:
    """Without comments, with continued lines joined. Stage -1 is before the first FROM."""
    lines = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if not line.startswith("#")]
    found: list[Instruction] = []
    stage = -1
    for line in re.sub(r"\\\n\s*", " ", "\n".join(lines)).splitlines():
        if line.strip():
            name, _, text = line.strip().partition(" ")
            stage += name == "FROM"
            found.append(Instruction(stage, name, " ".join(text.split())))
    return found


def final(name: str) -> list[Instruction]:
    """The instructions of that name in the stage that becomes the image."""
    everything = instructions()
    return [one for one in everything if one.name == name and one.stage == everything[-1].stage]


def image_environment() -> dict[str, str]:
    pairs = [word.partition("=") for one in final("ENV") for word in one.words]
    return {name: value for name, _, value in pairs}


def arguments() -> dict[str, str]:
    """Every ARG and its default."""
    pairs = [one.text.partition("=") for one in instructions() if one.name == "ARG"]
    return {name: value for name, _, value in pairs}


def ignored(path: Path) -> bool:
    """Whether .dockerignore keeps a path of the tree out of the build. The last rule that fits decides."""
    parts, verdict = path.relative_to(ROOT).as_posix(), False
    for rule in (ROOT / ".dockerignore").read_text().splitlines():
        pattern = rule.strip().removeprefix("!")
        if rule.strip() and not rule.startswith("#") and re.match(_pattern(pattern), parts):
            verdict = not rule.startswith("!")
    return verdict


def _pattern(pattern: str) -> str:
    text = (
        re.escape(pattern).replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*").replace(r"\[", "[").replace(r"\]", "]")
    )
    return f"{text}(/|$)"


def compose(environment: dict[str, str] | None = None) -> dict[str, Any]:
    """docker-compose.yml with variables of the caller's environment put in."""
    given = environment or {}
    text = (ROOT / "docker-compose.yml").read_text()
    text = _INTERPOLATION.sub(lambda found: given.get(found[1]) or found[2], text)
    document: dict[str, Any] = yaml.safe_load(text)
    return document


def services() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose()["services"]
    return found


def ours() -> dict[str, dict[str, Any]]:
    """The services that run our image."""
    return {name: one for name, one in services().items() if "build" in one}


def command(service: str) -> list[str]:
    one = services()[service]
    return [*one.get("entrypoint", final("ENTRYPOINT")[0].exec_form), *one.get("command", final("CMD")[0].exec_form)]


def environment(service: str) -> dict[str, str]:
    """What a container of our image has in its environment, but for PATH, which says where the image keeps Python."""
    said = image_environment() | services()[service].get("environment", {})
    return {name: value for name, value in said.items() if name != "PATH"}


def healthcheck(service: str) -> list[str]:
    kind, *words = services()[service]["healthcheck"]["test"]
    assert kind == "CMD", "the shell would be one more process, and one more way to quote"
    return words


def order() -> list[str]:
    """The services so that each comes after those it depends on."""
    waiting, done = services(), []
    while waiting:
        ready = [name for name, one in waiting.items() if not set(one.get("depends_on", ())) - set(done)]
        assert ready, f"these wait for each other: {sorted(waiting)}"
        done += ready
        waiting = {name: one for name, one in waiting.items() if name not in ready}
    return done


# --- the part of the Compose specification that we use: what it does not name is a typing mistake ------------------

_DURATION = {"type": "string", "pattern": r"^(\d+(ms|s|m|h))+$"}
_WORDS = {"type": "array", "items": {"type": "string"}, "minItems": 1}
_TEXTS = {"type": "object", "additionalProperties": {"type": "string"}}


def _object(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


_CHECK = {
    "oneOf": [
        _object(("disable",), disable={"const": True}),
        _object(
            ("test", "interval", "timeout", "start_period", "retries"),
            test=_WORDS,
            interval=_DURATION,
            timeout=_DURATION,
            start_period=_DURATION,
            retries={"type": "integer", "minimum": 1},
        ),
    ]
}
_SERVICE = _object(
    ("image", "restart", "networks", "healthcheck"),
    image={"type": "string", "pattern": r"^[a-z-]+(:[\w.-]+)?$"},
    build=_object(("context", "args"), context={"const": "."}, args=_TEXTS),
    profiles={"const": ["demo"]},
    entrypoint=_WORDS,
    command=_WORDS,
    environment=_TEXTS,
    ports={"type": "array", "items": {"type": "string", "pattern": r"^127\.0\.0\.1:\d+:\d+$"}},
    volumes={"type": "array", "items": {"type": "string", "pattern": r"^[a-z]+:/[\w/]+$"}},
    tmpfs={"type": "array", "items": {"type": "string", "pattern": "^/"}},
    networks=_WORDS,
    healthcheck=_CHECK,
    depends_on={"type": "object", "additionalProperties": _object(condition={"const": "service_healthy"})},
    restart={"enum": ["no", "always", "on-failure", "unless-stopped"]},
    init={"type": "boolean"},
    read_only={"type": "boolean"},
    stop_grace_period=_DURATION,
    cap_drop={"const": ["ALL"]},
    security_opt={"const": ["no-new-privileges:true"]},
)
SCHEMA = {
    "type": "object",
    "properties": {
        "name": {"const": "tracecollect"},
        "services": {"type": "object", "additionalProperties": _SERVICE},
        "networks": {
            "type": "object",
            "additionalProperties": {"oneOf": [{"type": "null"}, _object(internal={"type": "boolean"})]},
        },
        "volumes": {"type": "object", "additionalProperties": {"type": "null"}},
    },
    "patternProperties": {"^x-": {}},
    "required": ["services", "networks", "volumes"],
    "additionalProperties": False,
}
