"""The program as a process, what it told, and data directories with recordings in them."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

_OURS = ("TRACECOLLECT_", "XDG_", "NO_COLOR", "FORCE_COLOR", "COLUMNS")


@dataclass(frozen=True)
class Told:
    """What a command did: exit status, stdout, stderr."""

    status: int
    data: bytes
    err: str

    @property
    def out(self) -> str:
        return self.data.decode()


@dataclass(frozen=True)
class Recorded:
    """A data directory with one recording, and when that ended."""

    name: str
    directory: Path
    end: datetime

    @property
    def here(self) -> tuple[str, str]:
        """Where to look."""
        return ("--data-dir", str(self.directory))

    @property
    def judged(self) -> tuple[str, ...]:
        """Judged five minutes after its end: a recording has no future."""
        return (*self.here, "--as-of", self.at(300), "--grace", "5s")

    @property
    def window(self) -> tuple[str, ...]:
        """All of it."""
        return (*self.here, "--since", self.at(-300), "--until", self.at(10))

    def at(self, seconds: float) -> str:
        """So many seconds after its end."""
        return (self.end + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


def clean() -> dict[str, str]:
    """An environment that says nothing to us."""
    return {name: text for name, text in os.environ.items() if not name.startswith(_OURS)}


def run(*arguments: str, **environment: str) -> Told:
    """The program as a process of its own."""
    command = [sys.executable, "-W", "error", "-m", "tracecollect", *arguments]
    done = subprocess.run(
        command, capture_output=True, env=clean() | environment, stdin=subprocess.DEVNULL, timeout=60, check=False
    )
    return Told(done.returncode, done.stdout, done.stderr.decode())
