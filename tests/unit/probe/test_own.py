"""Whose code took a connection: the service's, however it was installed, and never a library's."""

from __future__ import annotations

import sysconfig
from pathlib import Path

import pytest
from environments import OFFLINE, Installed, build, pip

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
    return build(source, tmp_path_factory.mktemp("wheel"))


def service(directory: Path, shop: Path) -> Installed:
    """The shop beside all that is installed here."""
    return Installed(directory, shop, ROOT, Path(sysconfig.get_path("purelib")))


def told(service: Installed, program: str, *words: str, own: str = "") -> str:
    """What the probe says of the line that took the shop's connection."""
    done = service.run(program, *words, TRACECOLLECT_PROBE_OWN=own)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


CALL = ("python", "-c", "from shop.pay import main; main()")


def test_a_service_that_was_installed_from_its_directory_is_told_by_its_own_line(source, tmp_path):
    shop = service(tmp_path / "env", source)
    assert told(shop, "shop") == CHARGED
    assert told(shop, *CALL) == CHARGED
    assert told(shop, "shop", own="another") == "None", "only what is named is its own then"


def test_a_service_that_came_as_a_wheel_is_a_library_until_it_is_named(wheel, tmp_path):
    shop = service(tmp_path / "env", wheel)
    assert told(shop, "shop") == "None", "the installed command is not the code that took it"
    assert told(shop, "shop", own="another, shop") == CHARGED
    assert told(shop, "shop", own="shop.pay") == CHARGED


def test_what_was_installed_beside_the_service_is_a_library(wheel, tmp_path):
    shop = service(tmp_path / "env", wheel)
    beside = tmp_path / "function"
    pip("install", *OFFLINE, "--target", str(beside), str(wheel))
    (beside / "handler.py").write_text("import shop.pay\n\ndef handle():\n    shop.pay.main()\n")
    call = f"import sys; sys.path.insert(0, {str(beside)!r}); import handler; handler.handle()"
    assert told(shop, "python", "-c", call) == f"{beside}/handler.py:4 in handler.handle"
    early = f"import tracecollect.probe; tracecollect.probe.install(); {call}"
    assert told(shop, "python", "-c", early, own="shop") == f"{beside}/{CHARGED}", "a path that came after the probe"
