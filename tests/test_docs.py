"""What the documents say exists, and what exists is in the documents."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from tracecollect import settings
from tracecollect.cli.group import COMMANDS, cli
from tracecollect.lifecycle.dialects import shipped

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
SHARED = ("--server", "--data-dir", "--config", "--since", "--until", "--as-of", "--grace", "--as", "--json")
SHARED_HERE = (*SHARED, "-o", "--output")


def command(name: str) -> click.Command:
    found = cli.get_command(click.Context(cli, info_name="tracecollect"), name)
    assert found is not None
    return found


def options(name: str) -> set[str]:
    return {opt for one in command(name).params if isinstance(one, click.Option) for opt in one.opts}


def sections(page: str) -> dict[str, str]:
    text = (ROOT / page).read_text()
    return {part.split("\n", 1)[0].strip(): part for part in re.split(r"^## ", text, flags=re.M)[1:]}


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_a_section_that_names_each_of_its_options(name):
    page = sections("docs/cli.md")
    text = page[name] + page["Options that several commands share"]
    missing = [opt for opt in options(name) if f"`{opt}" not in text]
    assert not missing


@pytest.mark.parametrize("name", COMMANDS)
def test_a_section_names_no_option_that_the_command_does_not_have(name):
    if name == "demo":
        from tracecollect.demo.__main__ import _parser

        known = set(_parser()._option_string_actions)
    else:
        known = options(name)
    said = set(re.findall(r"^\| `(--?[a-z-]+)", sections("docs/cli.md")[name], flags=re.M))
    assert said <= known


@pytest.mark.parametrize("option", SHARED_HERE)
def test_a_shared_option_is_taken_by_the_commands_that_its_table_names(option):
    text = sections("docs/cli.md")["Options that several commands share"]
    tables = [part for part in text.split("\n**")[1:] if re.search(rf"`{option}[ `]", part.split("\n`--json`")[0])]
    for table in tables:
        named = re.search(r"\*\*: `([a-z ]+)`", table)
        assert named is not None
        for name in named[1].split():
            assert option in options(name), f"{name} does not take {option}"


@pytest.mark.parametrize("name", settings.names())
def test_every_setting_is_documented(name):
    assert f"`{name}`" in (ROOT / "docs/settings.md").read_text()


@pytest.mark.parametrize("dialect", [one.name for one in shipped()])
def test_every_dialect_has_a_heading(dialect):
    assert re.search(rf"^##+ `?{dialect}`?", (ROOT / "docs/dialects.md").read_text(), flags=re.M)


def test_every_metric_of_the_program_is_documented():
    source = (ROOT / "tracecollect/web/metrics.py").read_text()
    names = {name.removesuffix("_total") for name in re.findall(r"tracecollect_[a-z_]+", source)}
    assert len(names) > 8
    text = (ROOT / "docs/api.md").read_text()
    assert not [name for name in names if name not in text]


def anchors(page: Path) -> set[str]:
    found = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.M)
    return {re.sub(r"[^\w\- ]", "", one.lower()).strip().replace(" ", "-") for one in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_between_pages_leads_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if "://" in target:
            continue
        name, _, anchor = target.partition("#")
        there = (page.parent / name) if name else page
        assert there.exists(), f"{page.name} links {target}"
        if anchor:
            assert anchor in anchors(there), f"{page.name} links {target}"


def shown() -> list[str]:
    lines = [line for page in PAGES for line in page.read_text().splitlines()]
    found = {line.removeprefix("$ ") for line in lines if line.startswith("$ tracecollect ")}
    return sorted(line.split("  #")[0].split(" > ")[0].strip() for line in found)


@pytest.mark.parametrize("line", shown())
def test_every_command_line_that_a_page_shows_is_understood(line):
    _, name, *words = shlex.split(line)
    if isinstance(command(name), click.Group) or name == "demo":
        return
    command(name).make_context(name, words)
