"""Whose code took a connection: the service's, however it was installed, and never a library's."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parents[3]
PROJECT = """
[project]
name = "shop"
version = "1"
scripts = {shop = "shop.pay:main"}
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"
"""
PAY = """
import sqlite3

def charge():
    return sqlite3.connect(":memory:")

def main():
    import tracecollect.probe

    probe = tracecollect.probe.install()
    mine = charge()
    print(*(hold.code for hold in probe.holds.open()))
    mine.close()
"""
CHARGED = "shop/pay.py:5 in shop.pay.charge"


def pip(*words: str) -> None:
    offline = ("--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation")
    command, *rest = words
    done = subprocess.run(
        [sys.executable, "-m", "pip", command, *offline, *rest], capture_output=True, text=True, timeout=100
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("source")
    (directory / "pyproject.toml").write_text(PROJECT)
    (directory / "shop").mkdir()
    (directory / "shop" / "__init__.py").touch()
    (directory / "shop" / "pay.py").write_text(PAY)
    return directory


@pytest.fixture(scope="module")
def wheel(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("wheel")
    pip("wheel", "--wheel-dir", str(directory), str(source))
    (built,) = directory.glob("*.whl")
    return built


class Service:
    """An environment with the shop in it, beside all that is installed here."""

    def __init__(self, directory: Path, shop: Path) -> None:
        venv.create(directory, symlinks=True, with_pip=False)
        self._bin = directory / "bin"
        (site,) = directory.glob("lib/python*/site-packages")
        (site / "others.pth").write_text(f"{ROOT}\n{sysconfig.get_path('purelib')}\n")
        words = [sys.executable, "-m", "pip", "--python", str(self._bin / "python"), "install", "--quiet"]
        words += ["--disable-pip-version-check", "--no-deps", "--no-index", "--no-build-isolation", str(shop)]
        subprocess.run(words, check=True, capture_output=True, timeout=100)

    def told(self, program: str, *words: str, own: str = "") -> str:
        """What the probe says of the line that took its connection."""
        done = subprocess.run(
            [str(self._bin / program), *words],
            env={"TRACECOLLECT_PROBE_OWN": own},
            cwd=self._bin.parent,
            capture_output=True,
            text=True,
            check=True,
            timeout=100,
        )
        return done.stdout.strip()


CALL = ("python", "-c", "from shop.pay import main; main()")


def test_a_service_that_was_installed_from_its_directory_is_told_by_its_own_line(source, tmp_path):
    service = Service(tmp_path / "env", source)
    assert service.told("shop") == CHARGED
    assert service.told(*CALL) == CHARGED
    assert service.told("shop", own="another") == "None", "only what is named is its own then"


def test_a_service_that_came_as_a_wheel_is_a_library_until_it_is_named(wheel, tmp_path):
    service = Service(tmp_path / "env", wheel)
    assert service.told("shop") == "None", "the installed command is not the code that took it"
    assert service.told("shop", own="another, shop") == CHARGED
    assert service.told("shop", own="shop.pay") == CHARGED


def test_what_was_installed_beside_the_service_is_a_library(wheel, tmp_path):
    service = Service(tmp_path / "env", wheel)
    beside = tmp_path / "function"
    pip("install", "--target", str(beside), str(wheel))
    (beside / "handler.py").write_text("import shop.pay\n\ndef handle():\n    shop.pay.main()\n")
    call = f"import sys; sys.path.insert(0, {str(beside)!r}); import handler; handler.handle()"
    assert service.told("python", "-c", call) == f"{beside}/handler.py:4 in handler.handle"
