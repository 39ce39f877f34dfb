"""Environments of their own for tests of what is installed: made without a network, beside packages that are here."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

OFFLINE = ("--quiet", "--no-deps", "--no-build-isolation", "--no-index")


def pip(*arguments: str) -> None:
    """pip, with this environment's build tools and nothing from anywhere else."""
    words = [sys.executable, "-m", "pip", "--disable-pip-version-check", *arguments]
    done = subprocess.run(words, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr


def build(source: Path, directory: Path) -> Path:
    """The wheel of a project."""
    pip("wheel", *OFFLINE, "--wheel-dir", str(directory), str(source))
    (built,) = directory.glob("*.whl")
    return built


class Installed:
    """A wheel, or a project, in an environment of its own, which sees other packages where we say."""

    def __init__(self, directory: Path, what: Path, *packages: Path) -> None:
        venv.create(directory, symlinks=True, with_pip=False)
        self._bin = directory / "bin"
        (self.site,) = directory.glob("lib/python*/site-packages")
        # Behind its own packages; the .pth files in those directories, such as an editable install's, are not followed.
        (self.site / "others.pth").write_text("".join(f"{one}\n" for one in packages))
        pip("--python", str(self._bin / "python"), "install", *OFFLINE, str(what))
        self._cwd = directory

    def run(self, program: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A program of this environment, with little else around it."""
        keep = {name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ}
        return subprocess.run(
            [str(self._bin / program), *arguments],
            cwd=self._cwd,
            env={**keep, "HOME": str(self._cwd), **environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=100,
        )

    def tracecollect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """The command that was installed."""
        return self.run("tracecollect", *arguments)
