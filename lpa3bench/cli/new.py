"""`lpa3bench new`: a plugin of your own to start from."""

from __future__ import annotations

import json
import shlex
import shutil
from importlib.util import find_spec
from pathlib import Path

import click

from lpa3bench.cli.options import json_option
from lpa3bench.cli.terminal import say
from lpa3bench.config.bindings import RUN, SLOTS, SUITE
from lpa3bench.config.names import WEAK_VIEW
from lpa3bench.errors import RunFailed, UsageError
from lpa3bench.plugin.registry import Registry, load_registry
from lpa3bench.plugin.scaffold import (
    AUGMENTER_TEMPLATES,
    SCAFFOLD_KINDS,
    Names,
    files,
    run_command,
    template_folder,
    words,
)
from lpa3bench.runtime.files import make_folders, text_writer, write_all

WORDS = {"dataset": "data set"}
"""What a kind is called in a sentence, where it is not what the command line calls it."""
_RESERVED = {name.lower() for name in (RUN, SUITE, WEAK_VIEW, *SLOTS)}
"""What means something else in a config, where an augmenter's lower-case name is a scope too."""


@click.command()
@click.argument("kind", type=click.Choice([*SCAFFOLD_KINDS]))
@click.argument("name")
@click.option(
    "--template",
    type=click.Choice([*AUGMENTER_TEMPLATES]),
    help="What an augmenter starts from: a function of images (the default), one that calls the network, one "
    "with a part that learns, or a transform of another library.",
)
@click.option(
    "--into",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    default=Path(),
    help="Where to make the plugin's folder. [default: here]",
)
@json_option
def command(kind: str, name: str, template: str | None, into: Path, as_json: bool) -> None:
    """Write a plugin of your own to start from.

    NAME is a Python name such as SoftBlur. A folder `soft-blur` is made: an installable distribution with a
    plugin that works as it is, its test, and a gin file that binds it. Nothing that exists is touched.
    """
    names = Names(name)
    folder = into / names.folder
    _refuse_reserved(template_folder(kind, template), names)
    _refuse_taken(names, load_registry())
    if folder.exists():
        raise UsageError(f"{folder}: there is something of that name already; choose another name or --into")
    made = {folder / path: text_writer(text) for path, text in files(kind, names, template).items()}
    try:
        make_folders(path.parent for path in made)
        write_all(made)
    except RunFailed:
        shutil.rmtree(folder, ignore_errors=True)  # the same command would find something of that name
        raise
    commands = next_commands(kind, names, folder)
    if as_json:
        click.echo(
            json.dumps({"folder": str(folder), "files": [*map(str, made)], "next": commands}, indent=1)
        )
        return
    say(f"Written: {folder}, with {WORDS.get(kind, kind)} {name}, which works as it is. Next:\n")
    for line in commands:
        click.echo(f"  {line}")


def _refuse_reserved(templates: str, names: Names) -> None:
    """A class that is called like what its own file imports, or like a word of configs, would not work."""
    if names.plugin.lower() in _RESERVED:
        raise UsageError(f"the name {names.plugin} means something else in configs; choose another")
    if names.plugin in words(templates):
        raise UsageError(
            f"the name {names.plugin} means something else in the code of such a plugin; choose another"
        )


def _refuse_taken(names: Names, registry: Registry) -> None:
    """Names are unique over all kinds, and gin scopes are the lower-case names of augmenters."""
    for entry in registry.entries:
        if entry.name.lower() == names.plugin.lower():
            raise UsageError(
                f"the name {names.plugin} is taken: {entry.name} is registered by {entry.distribution}"
            )
    if find_spec(names.package) is not None:
        raise UsageError(f"the name {names.plugin} is taken: there is a package {names.package} already")


def next_commands(kind: str, names: Names, folder: Path) -> list[str]:
    """What to type next: install, test, run."""
    # "./": pip takes a bare name for a distribution to fetch.
    place = folder if folder.is_absolute() else f"./{folder}"
    return [
        f"pip install -e {shlex.quote(str(place))}",
        f"lpa3bench test-plugin {names.plugin}",
        run_command(kind, shlex.quote(f"{folder / names.snake}.gin")),
    ]
