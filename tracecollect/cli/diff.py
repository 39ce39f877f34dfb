"""`tracecollect diff`: two builds of a service beside each other, or two traces."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import click

from tracecollect import codec
from tracecollect.cli import common, diff_words
from tracecollect.errors import UsageError
from tracecollect.model import Build, BuildQuery, Window
from tracecollect.settings import Settings

# The dots that part two sides: not those of a path like ../a or a/../b.
_SIDES = re.compile(r"(.*?[^/.])\.\.(.+)")
_RECORDED = (".gz", ".jsonl", ".json", ".pb", ".binpb")
_HINT = "write A..B: versions (1.4.0..1.5.0), windows (2h/1h..1h/0s) or recorded files (old.jsonl.gz..new.jsonl.gz)"


@click.command("diff")
@click.argument("sides", metavar="A..B | A B", nargs=-1, required=True)
@click.option("--service", default="", help="The service whose builds are compared; without it, A and B are traces.")
@click.option("--grace", type=common.DURATION, help="How long a connection may still come back.")
@common.fails_on
@common.as_json
@common.where
def command(
    sides: tuple[str, ...],
    service: str,
    grace: int | None,
    fail_on: str | None,
    json_: bool,
    server: str | None,
    data_dir: str | None,
    config: Path | None,
) -> int:
    """Two builds of a service beside each other, or two traces.

    With --service, each side is a version (service.version), a window (2h/1h) or a recorded file. Without, A and B are
    trace ids. --fail-on looks at new leak sites only.
    """
    settings = common.settings_of(data_dir, config)
    before, after = _parted(sides)
    if not service:
        if fail_on is not None or grace is not None:
            raise UsageError("--fail-on and --grace are about builds", hint="say which service with --service")
        _traces(before, after, server, settings, json_=json_)
        return 0
    return _builds((_side(before), _side(after)), service, grace, fail_on, server, settings, json_=json_)


def _parted(sides: Sequence[str]) -> tuple[str, str]:
    if len(sides) == 2:
        return sides[0], sides[1]
    parts = _SIDES.fullmatch(sides[0]) if len(sides) == 1 else None
    if parts is None:
        raise UsageError(f"{' '.join(sides)!r} is not two sides", hint=_HINT)
    return parts[1], parts[2]


def _side(text: str) -> Window | Path | str:
    """A window, a file that is there, else a version."""
    since, stroke, until = text.partition("/")
    if stroke:
        try:
            return codec.read_window_parameters({"since": since, "until": until}, now=common.now())
        except ValueError as error:
            if not Path(text).is_file():
                reason = "neither a window nor a file that is there"
                raise UsageError(f"{text!r} is {reason}: {error}", hint=_HINT) from error
    path = Path(text)
    if not path.is_file() and path.suffix in _RECORDED:
        raise UsageError(f"there is no file {text}", hint=_HINT)
    return path if path.is_file() else text


# --- builds -----------------------------------------------------------------------------------------


def _builds(
    sides: tuple[Window | Path | str, Window | Path | str],
    service: str,
    grace: int | None,
    fail_on: str | None,
    server: str | None,
    settings: Settings,
    *,
    json_: bool,
) -> int:
    from tracecollect.lifecycle.builds import compare

    before, after = (_build(one, service, grace, server, settings) for one in sides)
    diff = compare(before, after)
    with common.reader_may_leave():
        if json_:
            common.write_json(diff)
        else:
            diff_words.builds(diff, *map(_named, sides))
    return common.status_of([one.verdict for one in diff.new], fail_on)


def _build(side: Window | Path | str, service: str, grace: int | None, server: str | None, settings: Settings) -> Build:
    if isinstance(side, Path):
        from tracecollect.app import open_file

        with open_file(settings, side) as answers:
            return answers.build(BuildQuery(service, grace=grace))
    version, window = ("", side) if isinstance(side, Window) else (side, None)
    with common.answers(server, settings) as answers:
        return answers.build(BuildQuery(service, version, window, grace))


def _named(side: Window | Path | str) -> str:
    return side.name if isinstance(side, Path) else "" if isinstance(side, Window) else f"version {side}"


# --- traces -----------------------------------------------------------------------------------------


def _traces(before: str, after: str, server: str | None, settings: Settings, *, json_: bool) -> None:
    with common.answers(server, settings) as answers:
        one, other = answers.trace(before), answers.trace(after)
    from tracecollect.graphs import trace_diff

    diff = trace_diff(one, other)
    if json_:
        common.write_json(diff)
    else:
        diff_words.traces(diff)
