"""`lpa3bench version`: versions for a bug report, read from metadata without importing a library."""

from __future__ import annotations

import json
import platform
import re
from importlib import metadata

import click

from lpa3bench._version import __version__
from lpa3bench.cli.options import json_option
from lpa3bench.cli.terminal import say
from lpa3bench.plugin.hookspecs import GROUP
from lpa3bench.runtime.terminal_text import aligned


@click.command()
@json_option
def command(as_json: bool) -> None:
    """Print the versions that a bug report needs.

    lpa3bench, Python, the system, the libraries that lpa3bench requires, and the distributions that bring
    plugins.
    """
    found = versions()
    if as_json:
        click.echo(json.dumps(found, indent=2))
        return
    say("\n".join(aligned([(name, version or "not installed") for name, version in found.items()])))


def versions() -> dict[str, str | None]:
    """Name → version; None for a library that is required and absent."""
    plugins = {point.dist.name for point in metadata.entry_points(group=GROUP) if point.dist}
    names = sorted(_required() | plugins - {"lpa3bench"}, key=str.lower)
    return {
        "lpa3bench": __version__,
        "Python": platform.python_version(),
        "system": platform.platform(),
        **{name: _version(name) for name in names},
    }


def _required() -> set[str]:
    """Names of the distributions that lpa3bench cannot do without."""
    requirements = metadata.requires("lpa3bench") or []
    names = (re.match(r"[\w.-]+", text) for text in requirements if "extra ==" not in text)
    return {name.group() for name in names if name}


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None
