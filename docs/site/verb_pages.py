"""Loads every verb of the command line: sphinx-click sees only those that a group holds already."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from lpa3bench.cli import main

if TYPE_CHECKING:
    from sphinx.application import Sphinx


def load_verbs(group: click.Group) -> None:
    """Put them into the group, and so on below it."""
    ctx = click.Context(group)
    for name in group.list_commands(ctx):
        found = group.get_command(ctx, name)
        if found is not None:
            group.commands[name] = found
        if isinstance(found, click.Group):
            load_verbs(found)


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("builder-inited", lambda _: load_verbs(main))
    return {"parallel_read_safe": True}
