"""`lpa3bench completion`: completion of verbs, options and gin files in a shell."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
@click.pass_context
def command(ctx: click.Context, shell: str) -> None:
    """Print the completion script of a shell.

    SHELL is bash, zsh or fish. Put `eval "$(lpa3bench completion bash)"` into ~/.bashrc (zsh into ~/.zshrc),
    or `lpa3bench completion fish | source` into ~/.config/fish/config.fish.
    """
    kind = get_completion_class(shell)
    if kind is None:  # click knows all of SHELLS
        raise click.UsageError(f"click has no completion for {shell}")
    click.echo(kind(ctx.find_root().command, {}, "lpa3bench", "_LPA3BENCH_COMPLETE").source())
