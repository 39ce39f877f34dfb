"""The program's commands, and what becomes of every error: a message, a hint, a status, never a traceback."""

from __future__ import annotations

import contextlib
import difflib
import errno
import importlib
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

import click

import tracecollect
from tracecollect.errors import Ambiguous, TracecollectError

_REPORT = "this is a mistake in tracecollect; TRACECOLLECT_LOG_LEVEL=debug shows where"


@dataclass(frozen=True, slots=True)
class _Entry:
    """Where a command is, and its line in the overview: known without loading it."""

    module: str
    help: str


COMMANDS: Mapping[str, _Entry] = {
    "serve": _Entry("tracecollect.cli.serve", "Receive OTLP, keep it, judge it, answer."),
    "demo": _Entry("tracecollect.cli.demo", "A leaking shop on a real PostgreSQL: found and drawn."),
    "run": _Entry("tracecollect.cli.run", "A collector around any command; the gate for CI."),
    "leaks": _Entry("tracecollect.cli.leaks", "Who took a connection and never gave it back."),
    "explain": _Entry("tracecollect.cli.explain", "Everything behind one finding, and its history."),
    "trace": _Entry("tracecollect.cli.trace", "One trace, as a tree or a picture."),
    "lifecycle": _Entry("tracecollect.cli.lifecycle", "Connections from open to close: of a trace, finding or pool."),
    "pools": _Entry("tracecollect.cli.pools", "Every pool: occupancy and how much it lets us see."),
    "holders": _Entry(
        "tracecollect.cli.holders", "Who holds connections: now, as of a moment, or while a request waited."
    ),
    "search": _Entry("tracecollect.cli.search", "Traces by service, operation, attributes, duration, error."),
    "services": _Entry("tracecollect.cli.services", "Every instance that was heard of."),
    "stats": _Entry("tracecollect.cli.stats", "Where the bytes are."),
    "graph": _Entry("tracecollect.cli.graph", "Who calls whom in a stretch of time."),
    "diff": _Entry("tracecollect.cli.diff", "Two builds of a service beside each other, or two traces."),
    "watch": _Entry("tracecollect.cli.watch", "Open files and database sockets of a process that exports none."),
    "import": _Entry("tracecollect.cli.import_", "Take in recorded OTLP files."),
    "export": _Entry("tracecollect.cli.export", "Traces as OTLP JSON lines."),
    "dialects": _Entry("tracecollect.cli.dialects", "What each library lets us see; check an own dialect."),
    "doctor": _Entry("tracecollect.cli.doctor", "Is something arriving, what is seen of it, what would help."),
    "completion": _Entry("tracecollect.cli.completion", "Completion for bash, zsh or fish."),
}


# ruff: noqa: ARG002 -- click's methods take what we do not need
class Program(click.Group):
    """Loads a command when it is used; turns every error into a message with a hint."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of a day's work, not of the alphabet."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, loaded now."""
        entry = COMMANDS.get(cmd_name)
        return None if entry is None else importlib.import_module(entry.module).command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a suggestion for what is not there."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f"did you mean `tracecollect {near[0]}`?" if near else "tracecollect --help lists the commands"
            raise _Unknown(f"there is no command {args[0]!r}", hint=hint)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, without loading anything."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, entry.help) for name, entry in COMMANDS.items()])

    def make_context(self, *args: Any, **extra: Any) -> click.Context:  # noqa: ANN401 -- as the base class has it
        """As click does; here --help is written."""
        with _told_apart():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 -- as the base class has it
        """As click does; here commands write."""
        with _told_apart():
            return super().invoke(ctx)

    def main(self, *args: Any, **extra: Any) -> NoReturn:  # noqa: ANN401 -- as the base class has it
        """Run and exit."""
        status = 0
        try:
            result = super().main(*args, **extra | {"standalone_mode": False, "color": colour()})
            status = result if isinstance(result, int) else 0
            sys.stdout.flush()
        except (_ReaderLeft, BrokenPipeError):
            quiet_stdout()
        except (click.Abort, KeyboardInterrupt):
            # A question may still run inside the engine on its thread: nothing waits for it.
            os.write(2, b"interrupted\n")
            os._exit(130)
        except Exception as error:
            status = _say(error)
        sys.exit(status)


def _say(error: Exception) -> int:
    """Tell the person what went wrong, and the exit status."""
    match error:
        case TracecollectError():
            say_error(error.message, error.hint, error.candidates if isinstance(error, Ambiguous) else ())
        case click.exceptions.Exit():
            return error.exit_code
        case click.exceptions.NoArgsIsHelpError():
            click.echo(error.format_message(), err=True, color=colour())
        case click.ClickException():
            say_error(error.format_message(), _usage_hint(error))
        case OSError(errno=errno.ENOSPC):
            say_error("there is no room where the answer is written to", "free some space, or write it elsewhere")
            quiet_stdout()
        case _ if os.environ.get("TRACECOLLECT_LOG_LEVEL") == "debug":
            raise error
        case _:
            say_error(f"{type(error).__name__}: {error}", _REPORT)
    return 2


class _ReaderLeft(Exception):
    """The reader of a pipe left: `| head`."""


@contextlib.contextmanager
def _told_apart() -> Iterator[None]:
    # Of a broken pipe click would make exit status 1, which means findings here.
    try:
        yield
    except BrokenPipeError as error:
        raise _ReaderLeft from error


class _Unknown(TracecollectError):
    """There is no command of that name."""


def colour() -> bool | None:
    """Never with NO_COLOR (https://no-color.org); otherwise where a terminal is written to."""
    return False if os.environ.get("NO_COLOR") else None


def say_error(message: str, hint: str, candidates: Sequence[str] = ()) -> None:
    """An error as the person sees it: what happened, the choices if there are any, and what to do."""
    if candidates:
        hint = "type more characters of one of these"
    lines = (
        f"{click.style('error:', fg='red', bold=True)} {message}",
        *(f"  {candidate}" for candidate in candidates),
        f"{click.style('hint:', bold=True)} {hint or 'tracecollect doctor looks at everything'}",
    )
    click.echo("\n".join(lines), err=True, color=colour())


def _usage_hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"{context.command_path if context is not None else 'tracecollect'} --help"


def quiet_stdout() -> None:
    """The reader of a pipe left (`| head`): that is no failure, and nothing more is written."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


_SETTINGS: MutableMapping[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 100}


@click.group(cls=Program, context_settings=_SETTINGS, invoke_without_command=False)
@click.version_option(tracecollect.__version__, prog_name="tracecollect")
def cli() -> None:
    """Which request took a database connection and never gave it back, where in the code, and who is waiting?

    \b
    Start:   tracecollect serve      then send OTLP to 127.0.0.1:4317
    Ask:     tracecollect leaks
    Try it:  tracecollect demo
    """  # noqa: D301 -- for click, a real \b keeps the lines below as they are
