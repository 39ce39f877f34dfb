"""Which code is the service's own, and which is Python's, a library's or ours.

What lies in an installation directory is a library's, unless it was installed from a directory of sources (as
by `pip install .`; PEP 610, `direct_url.json`) or is named. Where libraries lie beside the service (as by
`pip install --target`), the records of what was installed tell them apart (PEP 376, `RECORD`).
"""

from __future__ import annotations

import csv
import json
import os
import site
import sys
import sysconfig
from collections.abc import Iterable, Iterator
from contextlib import suppress
from functools import cached_property
from pathlib import Path
from types import CodeType

_NEVER = ("<frozen", "<string>", "<attrs", f"{Path(__file__).parent}{os.sep}")


class Own:
    """Call it with a code object.

    Files are read once, when the first code is asked about: where a service finds its modules is not settled before it
    runs, and the probe is often installed earlier.
    """

    def __init__(self, packages: Iterable[str] = ()) -> None:
        """`packages`: the installed ones that are the service's; none: those that were installed from a directory."""
        self._sites = _folders({*_paths("purelib", "platlib"), *_sites()})
        self._libraries = (*self._sites, *_folders(_paths("stdlib", "platstdlib")))
        self._scripts = _folders(_paths("scripts"))
        self._packages = tuple(packages)

    def __call__(self, code: CodeType) -> bool:
        """Whether it is the service's."""
        path = code.co_filename
        if path.startswith(_NEVER):
            return False
        if path.startswith(self._named) if self._packages else path in self._from_source:
            return True
        if path.startswith(self._libraries) or _is_site(path) or path in self._beside:
            return False
        # A command that was installed only calls what it was installed for.
        return not (code.co_name == "<module>" and path.startswith(self._scripts) and not path.endswith(".py"))

    def shown(self, path: str) -> str:
        """A path without the directory that it was installed to."""
        folder = next((one for one in self._sites if path.startswith(one)), "")
        return path.removeprefix(folder)

    @cached_property
    def _named(self) -> tuple[str, ...]:
        everywhere = (*self._sites, *_folders(filter(None, sys.path)))
        named = [f"{folder}{name.replace('.', os.sep)}" for name in self._packages for folder in everywhere]
        return tuple(one + end for one in named for end in (os.sep, ".py"))

    @cached_property
    def _from_source(self) -> frozenset[str]:
        return frozenset(file for folder in self._sites for file in _installed(Path(folder), source=True))

    @cached_property
    def _beside(self) -> frozenset[str]:
        folders = [one for one in _folders(filter(None, sys.path)) if not one.startswith(self._libraries)]
        others = (Path(one) for one in folders if not _is_site(one))
        return frozenset(file for folder in others for file in _installed(folder, source=False))


def _is_site(path: str) -> bool:
    """Whether it lies in an installation directory, be it another interpreter's (Debian's have a name of their own)."""
    return any(f"{os.sep}{name}{os.sep}" in path for name in ("site-packages", "dist-packages"))


def _installed(folder: Path, *, source: bool) -> Iterator[str]:
    """The files of what was installed to a directory: from sources, or otherwise."""
    with suppress(OSError):
        for record in folder.glob("*.dist-info/RECORD"):
            with suppress(OSError, ValueError, TypeError, csv.Error):  # what cannot be read tells nothing
                if _is_source(record.with_name("direct_url.json")) is source:
                    lines = record.read_text("utf-8").splitlines()
                    yield from (f"{folder}{os.sep}{row[0]}" for row in csv.reader(lines) if row)


def _is_source(told: Path) -> bool:
    return told.exists() and "dir_info" in json.loads(told.read_text("utf-8"))


def _paths(*names: str) -> set[str]:
    return {path for name in names if (path := sysconfig.get_path(name))}


def _sites() -> list[str]:
    # Not every environment has these two: some replace the module.
    everyone: list[str] = site.getsitepackages() if hasattr(site, "getsitepackages") else []
    return [*everyone, site.getusersitepackages() if hasattr(site, "getusersitepackages") else ""]


def _folders(paths: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({f"{path.rstrip(os.sep)}{os.sep}" for path in paths if path}))
