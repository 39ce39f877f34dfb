"""The wheel, not the checkout: what is inside, and that it works where it is installed."""

from __future__ import annotations

import json
import sysconfig
import zipfile
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
from environments import Installed, build
from packaging.requirements import Requirement
from recordings import labels, young

import tracecollect

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
SAMPLE = ROOT / "tests" / "samples" / "asyncpg-leak.jsonl.gz"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def whole(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Beside everything that is installed here, also the one package that is a program."""
    directory = tmp_path_factory.mktemp("whole")
    made = Installed(directory, wheel, Path(sysconfig.get_path("purelib")))
    (directory / "bin" / "graphviz-pure").symlink_to(Path(sysconfig.get_path("scripts")) / "graphviz-pure")
    return made


@pytest.fixture(scope="module")
def base(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """Beside what `pip install tracecollect` brings, and nothing else."""
    packages = tmp_path_factory.mktemp("base-packages")
    for name in _closure(metadata.requires("tracecollect") or ()):
        for file in metadata.files(name) or ():
            top, place = file.parts[0], packages / file.parts[0]
            if top not in ("..", "__pycache__") and not place.exists():
                place.symlink_to(Path(str(metadata.distribution(name).locate_file(top))))
    return Installed(tmp_path_factory.mktemp("base"), wheel, packages)


def _closure(requirements: Iterator[str] | list[str] | tuple[str, ...], extra: str = "") -> set[str]:
    """The distributions that these need, and those need."""
    found: set[str] = set()
    waiting = [(Requirement(one), extra) for one in requirements]
    while waiting:
        one, extra = waiting.pop()
        if (one.marker is None or one.marker.evaluate({"extra": extra})) and one.name not in found:
            found.add(one.name)
            waiting += [(Requirement(text), "") for text in metadata.requires(one.name) or ()]
    return found


def test_the_only_top_level_name_is_tracecollect_and_the_files_beside_the_package_are_inside(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.split("/")[0] for name in names} == {
        "tracecollect",
        f"tracecollect-{tracecollect.__version__}.dist-info",
    }
    for source, place in (("viz", "_viz"), ("proto", "_proto")):
        files = {path.relative_to(ROOT / source).as_posix() for path in (ROOT / source).rglob("*") if path.is_file()}
        shipped = {name.removeprefix(f"tracecollect/{place}/") for name in names if f"/{place}/" in name}
        assert shipped == files


def test_every_file_of_the_package_is_inside_and_nothing_compiled(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    package = ROOT / "tracecollect"
    wanted = {
        path.relative_to(ROOT).as_posix()
        for path in package.rglob("*")
        if path.is_file() and path.suffix in (".py", ".sql", ".toml", ".typed")
    }
    assert wanted <= names
    assert not [name for name in names if name.endswith((".pyc", ".db"))]


def test_what_is_imported_is_the_wheel_and_its_pictures_come_from_inside(whole: Installed) -> None:
    said = whole.run("python", "-c", "import tracecollect.render.theme as t; print(t.__file__, t.viz_dir())")
    module, viz = (Path(word) for word in said.stdout.split())
    assert module.is_relative_to(whole.site)
    assert viz == whole.site / "tracecollect" / "_viz"


def test_the_installed_program_finds_and_draws_the_leaks_of_a_recording(whole: Installed, tmp_path: Path) -> None:
    truth = labels("asyncpg-leak")
    recording, ended = young("asyncpg-leak", tmp_path)
    world = ("--data-dir", str(tmp_path / "data"))
    when = ("--grace", "5s", "--as-of", ended.isoformat())
    done = whole.tracecollect("import", *world, str(recording))
    assert done.returncode == 0, done.stderr
    done = whole.tracecollect("leaks", *world, *when, "--json", "--fail-on", "leaked")
    assert done.returncode == 1, done.stderr
    found = [one for one in json.loads(done.stdout)["findings"] if one["verdict"] == "leaked"]
    assert sum(one["leaked_count"] for one in found) == truth["n_true_leaks"]
    guilty = {hold["trace_id"] for one in found for hold in one["instances"]}
    assert guilty == {leak["trace_id"] for leak in truth["leaks"]}
    picture = tmp_path / "leak.svg"
    done = whole.tracecollect("lifecycle", found[0]["id"], *world, *when, "--as", "svg", "-o", str(picture))
    assert done.returncode == 0, done.stderr
    assert picture.read_text().rstrip().endswith("</svg>")
    assert found[0]["instances"][0]["trace_id"][:8] in picture.read_text()


def test_the_base_install_shows_its_commands(base: Installed) -> None:
    done = base.tracecollect("--help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "serve" in done.stdout


@pytest.mark.parametrize(
    ("command", "extra"), [(["serve"], "server"), (["import", str(SAMPLE)], "server"), (["demo"], "server,demo")]
)
def test_a_command_beyond_the_base_install_says_which_extra_brings_it(
    base: Installed, command: list[str], extra: str, tmp_path: Path
) -> None:
    done = base.tracecollect(*command, "--data-dir", str(tmp_path / "data"))
    assert done.returncode == 2, done.stdout + done.stderr
    assert done.stdout == ""
    assert f"hint: pip install 'tracecollect[{extra}]'" in done.stderr
    assert "Traceback" not in done.stderr
