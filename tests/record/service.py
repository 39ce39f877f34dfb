"""A service to be recorded: a folder with sources and service.toml, built and run in a cache outside the tree."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
SERVICES = Path(__file__).parent / "services"
CACHE = Path(os.environ.get("RECORD_CACHE", "~/.cache/tracecollect-record")).expanduser()
_PATIENCE = 10.0


class Broken(Exception):
    """The recording cannot be made; the message says why and what to do."""


def every() -> list[str]:
    """The names of the services."""
    return sorted(path.parent.name for path in SERVICES.glob("*/service.toml"))


@dataclass(frozen=True)
class Service:
    """What service.toml says.

    `build` and `run` are argument lists; in them `{python}` is this interpreter and `{root}` this repository.
    """

    name: str
    run: list[str]
    library: str
    scenarios: list[str]
    build_with: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, name: str) -> Service:
        path = SERVICES / name / "service.toml"
        if not path.is_file():
            raise Broken(f"there is no service {name}\nhint: one of {', '.join(every())}")
        said = tomllib.loads(path.read_text())
        return cls(name, said["run"], said["library"], said["scenarios"], said.get("build", []), said.get("env", {}))

    @property
    def home(self) -> Path:
        """Where it is built and run: a copy of its sources, with the folders that services share beside it."""
        return CACHE / self.name

    def build(self) -> None:
        """Copy the sources and build them, unless that was done with these sources before."""
        sources = [SERVICES / self.name, *SERVICES.glob("_*/")]
        stamp, now = self.home / ".built", _digest(sources)
        if stamp.is_file() and stamp.read_text() == now:
            return
        for source in sources:
            shutil.copytree(
                source, CACHE / source.name, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__")
            )
        if self.build_with:
            done = subprocess.run(self._words(self.build_with), cwd=self.home, check=False)
            if done.returncode:
                raise Broken(f"{self.name} could not be built (exit {done.returncode})\nhint: its output is above")
        stamp.write_text(now)

    @contextmanager
    def running(self, env: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
        """Run it with this environment added; its whole process group is stopped at the end."""
        whole = {**os.environ, **env, **self.env}
        process = subprocess.Popen(self._words(self.run), cwd=self.home, env=whole, start_new_session=True)
        try:
            yield process
        finally:
            for number in (signal.SIGTERM, signal.SIGKILL):
                try:
                    os.killpg(process.pid, number)
                    process.wait(_PATIENCE)
                except ProcessLookupError:
                    break
                except subprocess.TimeoutExpired:
                    continue

    def _words(self, words: list[str]) -> list[str]:
        return [word.replace("{python}", sys.executable).replace("{root}", str(ROOT)) for word in words]


def _digest(folders: list[Path]) -> str:
    files = sorted(path for folder in folders for path in folder.rglob("*") if path.is_file())
    whole = hashlib.sha256()
    for path in files:
        if "__pycache__" not in path.parts:
            whole.update(path.relative_to(SERVICES).as_posix().encode() + b"\0" + path.read_bytes())
    return whole.hexdigest()
