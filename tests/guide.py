"""A guide as its reader has it: files to write, to change and to copy, and commands with the lines that they show."""

from __future__ import annotations

import os
import re
import shlex
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

DOCS = Path(__file__).parents[1] / "docs"
GUIDES = DOCS / "guides"
_BLOCK = r"(?:^`(?P<path>[\w./-]+)`:\n\n)?^```(?P<language>\w+)\n(?P<text>.*?)^```$"
_COPY = r"\[`[\w.-]+`\]\(\.\./(?P<source>emitters/[\w./-]+)\)\sto\s`(?P<target>[\w./-]+)`"
# Programs that run on, each until its next version is started.
_SERVICES = re.compile(r"^(?:\w+=\S+ )*(tracecollect serve|node|java|\./shop)(?= |$)")
_BUILDING, _STARTING, _ANSWERING = 900, 90, 120


@dataclass(frozen=True)
class File:
    """A file to write."""

    path: str
    language: str
    text: str


@dataclass(frozen=True)
class Change:
    """A file to change: its lines with a minus, and with a plus, between those that stay."""

    path: str
    diff: str


@dataclass(frozen=True)
class Copy:
    """A file of this repository to take over."""

    source: Path
    path: str


@dataclass(frozen=True)
class Command:
    """A line to type, and lines that it is said to print."""

    line: str
    shown: list[str]

    @property
    def service(self) -> str | None:
        """What runs on, if it does."""
        found = _SERVICES.search(self.line)
        return found[1] if found else None

    def told(self, text: str) -> bool:
        """Are the lines in what was printed, one after the other? An ellipsis is what differs from run to run."""
        text, at = " ".join(text.split()), 0
        for part in (" ".join(part.split()) for line in self.shown for part in line.split("…")):
            found = text.find(part, at)
            if found < 0:
                return False
            at = found + len(part)
        return True


Step = File | Change | Copy | Command


def steps(name: str) -> list[Step]:
    """What the page tells to do, in its order."""
    text = (GUIDES / f"{name}.md").read_text()
    return [step for found in re.finditer(f"{_BLOCK}|{_COPY}", text, flags=re.M | re.S) for step in _steps(found)]


def _steps(found: re.Match[str]) -> Iterator[Step]:
    if found["source"]:
        yield Copy(DOCS / found["source"], found["target"])
    elif found["language"] == "console":
        yield from commands(found["text"])
    elif found["language"] == "diff":
        yield Change(found["path"], found["text"])
    elif found["path"]:
        yield File(found["path"], found["language"], found["text"])


def commands(block: str) -> Iterator[Command]:
    """Each line behind a dollar, with those until the next."""
    for part in re.split(r"^\$ ", block.replace("\\\n", " "), flags=re.M)[1:]:
        line, *shown = part.splitlines()
        yield Command(line, shown)


def changed(text: str, diff: str) -> str:
    """The text after the change, which has to fit at one place and no other."""
    lines = diff.splitlines(keepends=True)
    before = "".join(line[1:] for line in lines if line[0] != "+")
    after = "".join(line[1:] for line in lines if line[0] != "-")
    assert text.count(before) == 1, before
    return text.replace(before, after)


def put(step: File | Change | Copy, directory: Path) -> None:
    """Write what the step says."""
    path = directory / step.path
    path.parent.mkdir(parents=True, exist_ok=True)
    match step:
        case File():
            path.write_text(step.text)
        case Change():
            path.write_text(changed(path.read_text(), step.diff))
        case Copy():
            path.write_text(step.source.read_text())


@dataclass
class Reader:
    """Somebody who follows a guide in a directory, with as many terminals as it takes."""

    directory: Path
    environment: dict[str, str]
    running: dict[str, subprocess.Popen[bytes]] = field(default_factory=dict)

    def follow(self, step: Step) -> None:
        """Do what the step says, and see what it says."""
        if not isinstance(step, Command):
            put(step, self.directory)
        elif step.line.startswith("export "):
            words = (word.partition("=") for word in shlex.split(step.line)[1:])
            self.environment |= {name: text for name, _, text in words}
        elif step.service:
            self.stop(step.service)
            self._start(step, step.service)
        else:
            self._ask(step)

    def _start(self, step: Command, service: str) -> None:
        log = self.directory / f"{service.split('/')[-1]}.log"
        with log.open("wb") as out:
            self.running[service] = subprocess.Popen(
                ["bash", "-c", f"exec env {step.line}"],
                cwd=self.directory,
                env=self.environment,
                stdout=out,
                stderr=subprocess.STDOUT,
            )
        end = time.monotonic() + _STARTING
        while not step.told(log.read_text()):
            assert self.running[service].poll() is None, log.read_text()
            assert time.monotonic() < end, log.read_text()
            time.sleep(0.2)

    def _ask(self, step: Command) -> None:
        """A question is asked until it has its answer: what runs has to send, and a grace to pass."""
        end = time.monotonic() + _ANSWERING
        while True:
            done = subprocess.run(
                ["bash", "-c", step.line],
                cwd=self.directory,
                env=self.environment,
                capture_output=True,
                text=True,
                timeout=_BUILDING,
                check=False,
            )
            if done.returncode == 0 and step.told(done.stdout):
                return
            said = f"{step.line}\n{done.stdout}{done.stderr}"
            assert step.line.startswith("tracecollect "), said
            assert time.monotonic() < end, said
            time.sleep(2)

    def stop(self, service: str) -> None:
        """As with Ctrl-C."""
        process = self.running.pop(service, None)
        if process is not None:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()

    def leave(self) -> None:
        """Close every terminal."""
        for service in list(self.running):
            self.stop(service)


def bare() -> dict[str, str]:
    """An environment without what an instrumentation, a test runner or this repository's own tests are told by it."""
    mine = ("OTEL_", "PYTEST_", "GITHUB_", "TRACECOLLECT_", "NODE_OPTIONS")
    return {name: value for name, value in os.environ.items() if not name.startswith(mine)}
