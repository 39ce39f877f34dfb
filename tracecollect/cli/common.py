"""What commands share: their options, the way to the answers, and how they write."""

from __future__ import annotations

import contextlib
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from tracecollect import codec
from tracecollect.cli.group import quiet_stdout
from tracecollect.errors import UsageError
from tracecollect.model import Instant, LeakQuery, Verdict, Window

if TYPE_CHECKING:
    from tracecollect.ports import Answers
    from tracecollect.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])
_WEIGHT = {Verdict.LEAKED: 2, Verdict.SUSPECTED: 1}


class _Read(click.ParamType[Any]):
    """A value that one of our readers understands."""

    def __init__(self, name: str, read: Callable[[str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401 -- as the base class has it
        if not isinstance(value, str):
            return value
        try:
            return self._read(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def now() -> Instant:
    """This moment."""
    return Instant(time.time_ns())


DURATION = _Read("duration", codec.read_duration)
MOMENT = _Read("time", lambda text: codec.read_moment(text, now()))
PAIR = _Read("name=value", codec.read_pair)


def where(command: F) -> F:
    """--server, --data-dir, --config: whom to ask."""
    command = click.option("--config", type=click.Path(path_type=Path), help="Settings file (TOML).")(command)
    command = click.option("--data-dir", metavar="DIR", help="Where the data is.")(command)
    return click.option("--server", metavar="URL", help="A running tracecollect (default: found by itself).")(command)


def as_json(command: F) -> F:
    """--json."""
    return click.option("--json", "json_", is_flag=True, help="Write JSON.")(command)


def about_leaks(command: F) -> F:
    """--since, --as-of, --grace, --service, --pool."""
    command = click.option("--pool", default="", help="Only this pool.")(command)
    command = click.option("--service", default="", help="Only this service.")(command)
    command = click.option(
        "--grace",
        type=DURATION,
        help="How long a connection may still come back (default: the setting of who answers).",
    )(command)
    command = click.option("--as-of", type=MOMENT, metavar="TIME", help="Judge as of this time, or so long ago.")(
        command
    )
    return click.option("--since", metavar="TIME", help="Only what began after this time, or so long ago (1h).")(
        command
    )


def in_window(command: F) -> F:
    """--since, --until: a stretch of time, the last hour if nothing is said."""
    command = click.option("--until", metavar="TIME", help="Up to this time, or so long ago (default: now).")(command)
    return click.option("--since", metavar="TIME", help="From this time, or so long ago (default: 1h before).")(command)


def leak_query(
    since: str | None, as_of: Instant | None, grace: int | None, service: str = "", pool: str = ""
) -> LeakQuery:
    """The options of `about_leaks` as a question. Raises `UsageError`."""
    begin = None
    if since is not None:
        with _usage():
            begin = codec.read_moment(since, as_of if as_of is not None else now())
    return LeakQuery(begin, as_of, grace, service, pool)


def window(since: str | None, until: str | None) -> Window:
    """The options of `in_window` as a window. Raises `UsageError`."""
    with _usage():
        return codec.read_window_parameters({"since": since or "", "until": until or ""}, now=now())


@contextlib.contextmanager
def _usage() -> Iterator[None]:
    try:
        yield
    except ValueError as error:
        raise UsageError(str(error), hint="write 1h, 30m or 2026-11-23T03:44:00Z") from error


def settings_of(data_dir: str | None, config: Path | None) -> Settings:
    """The settings of a command that reads."""
    from tracecollect import settings

    return settings.load({"data_dir": data_dir}, config=config)


@contextlib.contextmanager
def answers(server: str | None, settings: Settings) -> Iterator[Answers]:
    """Whom to ask, closed afterwards."""
    from tracecollect.app import open_answers

    opened = open_answers(settings, server, note)
    try:
        yield opened
    finally:
        opened.close()


def note(text: str) -> None:
    """Something that is not data."""
    click.echo(text, err=True)


@contextlib.contextmanager
def reader_may_leave() -> Iterator[None]:
    """For commands whose exit status is an answer, too: it stays the same when nobody reads on (`| head`)."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        quiet_stdout()


def write_json(noun: object, kind: object = None) -> None:
    """A noun as indented JSON."""
    click.echo(json_text(noun, kind), nl=False)


def json_text(noun: object, kind: object = None) -> str:
    """A noun as indented JSON text with its last newline."""
    return codec.dumps(noun, kind, indent=2) + "\n"


def status_of(verdicts: Iterator[Verdict] | list[Verdict], fail_on: str | None) -> int:
    """1 when a verdict is at or above --fail-on, else 0."""
    if fail_on is None:
        return 0
    limit = _WEIGHT[Verdict(fail_on)]
    return int(any(_WEIGHT.get(one, 0) >= limit for one in verdicts))


def fails_on(command: F) -> F:
    """--fail-on."""
    choice = click.Choice([Verdict.LEAKED.value, Verdict.SUSPECTED.value])
    return click.option("--fail-on", type=choice, help="Exit 1 when there is one of these, or worse.")(command)


def again(ctx: click.Context) -> str:
    """The options that a next command needs to ask about the same world: where, as of when, with which grace."""
    given = {name: ctx.params.get(name) for name in ("since", "as_of", "grace", "server", "data_dir", "config")}
    spelled = {"as_of": codec.spell_instant, "grace": codec.spell_duration}
    texts = {name: spelled.get(name, str)(value) for name, value in given.items() if value is not None}
    return "".join(f" --{name.replace('_', '-')} {shlex.quote(text)}" for name, text in texts.items())


def to_terminal() -> bool:
    """Whether a person looks at stdout."""
    return sys.stdout.isatty()
