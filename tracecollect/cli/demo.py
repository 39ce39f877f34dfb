"""`tracecollect demo`: hands over to the demo, which has packages of its own."""

from __future__ import annotations

import importlib

import click

from tracecollect.errors import MissingExtra


@click.command("demo", context_settings={"ignore_unknown_options": True, "help_option_names": []})
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED)
def command(arguments: tuple[str, ...]) -> int:
    """A leaking shop on a real PostgreSQL: found and drawn."""
    try:
        demo = importlib.import_module("tracecollect.demo.__main__")
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("tracecollect"):
            raise
        raise MissingExtra("demo", "server,demo", error.name.partition(".")[0]) from error
    return int(demo.main(list(arguments)) or 0)
