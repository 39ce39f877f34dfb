"""`tracecollect completion SHELL`: the script that makes a shell complete our commands."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from tracecollect.errors import UsageError


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Completion for bash, zsh or fish.

    \b
    bash:  tracecollect completion bash > ~/.local/share/bash-completion/completions/tracecollect
    zsh:   tracecollect completion zsh > "${fpath[1]}/_tracecollect"
    fish:  tracecollect completion fish > ~/.config/fish/completions/tracecollect.fish
    """  # noqa: D301 -- for click, a real \b keeps the lines below as they are
    kind = get_completion_class(shell)
    if kind is None:
        raise UsageError(f"no completion for {shell}", hint="bash, zsh and fish are known")
    click.echo(kind(ctx.find_root().command, {}, "tracecollect", "_TRACECOLLECT_COMPLETE").source())
