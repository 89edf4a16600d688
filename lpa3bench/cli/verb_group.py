"""Verbs below a verb, as `lpa3bench records upgrade`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

import click


class VerbGroup(click.Group):
    """A group that imports a verb when it is called.

    Args:
        lines: what the help says of each verb, in its order.
        modules: where those verbs are that are not added to the group, each as `command`.
        default: the verb that is meant where none is named.
        heading: above the verbs in the help.
    """

    def __init__(
        self,
        *args: Any,
        lines: Mapping[str, str],
        modules: Mapping[str, str] | None = None,
        default: str | None = None,
        heading: str = "Verbs",
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        self._lines = lines
        self._modules = modules or {}
        self._default = default
        self._heading = heading

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*self._lines]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name in self._modules:
            found: click.Command = import_module(self._modules[cmd_name]).command
            found.name = cmd_name  # all of them are called `command` in their modules
            return found
        return super().get_command(ctx, cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section(self._heading):
            formatter.write_dl([*self._lines.items()])

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self._default is not None and args and args[0] not in (*self._lines, *ctx.help_option_names):
            args = [self._default, *args]
        return super().parse_args(ctx, args)
