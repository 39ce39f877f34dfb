"""The command line: one module per command, loaded when it is used."""

from __future__ import annotations

from tracecollect.cli.group import cli


def main() -> None:
    """The program. Exits 0 fine, 1 findings at or above --fail-on, 2 usage or failure."""
    cli.main(prog_name="tracecollect")


__all__ = ["cli", "main"]
