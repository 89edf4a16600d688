"""`lpa3bench list`: which plugins, configs, suites and boards there are, and what one plugin takes."""

from __future__ import annotations

import inspect
import json
import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from lpa3bench.cli.options import json_option, plugin_option
from lpa3bench.cli.terminal import say, width
from lpa3bench.errors import UsageError, with_plugin_hint
from lpa3bench.plugin.description import opening, paper_of, summary
from lpa3bench.plugin.hookspecs import KINDS
from lpa3bench.plugin.registry import Entry, Registry, load_registry
from lpa3bench.runtime.paths import OVERLAYS, config_names, gin_root, shipped, suite_names
from lpa3bench.runtime.terminal_text import aligned, unfolded


def _configs() -> list[str]:
    return [name for name in config_names() if not name.startswith(OVERLAYS)]


def _overlays() -> list[str]:
    return [name for name in config_names() if name.startswith(OVERLAYS)]


LISTED_FILES = {"configs": _configs, "overlays": _overlays, "suites": suite_names}
"""What is shipped as gin files, and the names of each."""
LISTED_BOARDS = "boards"


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    names = (*KINDS, *LISTED_FILES, LISTED_BOARDS, *(entry.name for entry in load_registry().entries))
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command()
@click.argument("what", metavar="[KIND | NAME]", required=False, shell_complete=_complete)
@plugin_option
@json_option
def command(what: str | None, plugins: tuple[Path, ...], as_json: bool) -> None:
    """List what there is, or say what one plugin is.

    KIND is tasks, augmenters, backbones, datasets, labels, metrics or policies, all listed without it; or
    configs, overlays (which go over a config), suites or boards, as they are shipped. Broken plugins are
    listed with their distribution and what is wrong with them, whatever the kind. Of a plugin's NAME its
    description is printed, with the parameters that a config can bind and their defaults.
    """
    if what in (*LISTED_FILES, LISTED_BOARDS):
        rows = (
            _boards() if what == LISTED_BOARDS else [(name, _said_in(name)) for name in LISTED_FILES[what]()]
        )
        if as_json:
            told = [{"name": name, "description": said} for name, said in rows]
            click.echo(json.dumps({what: told}, indent=2))
        else:
            say("\n".join((what, *aligned(rows, indent="  ", width=width()))))
        return
    registry = load_registry(plugins)
    if what is not None and what not in KINDS:
        described = _described(registry, _entry(registry, what))
        say(json.dumps(described, indent=2) if as_json else _description(described), as_is=as_json)
        return
    kinds = (what,) if what else KINDS
    say(_json(registry, kinds) if as_json else _text(registry, kinds), as_is=as_json)


# ---------------------------------------------------------------------------------------------- one plugin
def _entry(registry: Registry, name: str) -> Entry:
    """Raises UsageError where there is none of that name."""
    entry = registry.get(name)
    if entry is None:
        kinds = (*KINDS, *LISTED_FILES, LISTED_BOARDS)
        near = get_close_matches(name.lower(), kinds, cutoff=0.7) or registry.nearest(name)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the kinds are {', '.join(kinds)}"
        raise UsageError(with_plugin_hint(f"there is no plugin and no kind {name}; {hint}"))
    return entry


def _described(registry: Registry, entry: Entry) -> dict[str, Any]:
    """Raises PluginError where it cannot be imported."""
    from lpa3bench.config.names import Catalogue
    from lpa3bench.config.typecheck import describe_annotation, literal

    found = Catalogue(registry).parameters(f"{entry.kind}.{entry.name}")
    return {
        "kind": entry.kind,
        "name": entry.name,
        "distribution": entry.distribution,
        "description": inspect.getdoc(entry.load()) or "",
        "paper": paper_of(entry),
        "parameters": {
            name: {
                "takes": describe_annotation(parameter.annotation),
                "required": parameter.required,
                "default": None if parameter.required else literal(parameter.default),
            }
            for name, parameter in found.items()
        },
    }


def _description(described: dict[str, Any]) -> str:
    name, parameters = described["name"], described["parameters"]
    pairs = [
        (f"{name}.{key}" + ("" if told["required"] else f" = {told['default']}"), f"takes {told['takes']}")
        for key, told in parameters.items()
    ]
    paper = f"Paper: {described['paper']}" if described["paper"] else ""
    prose = described["description"] if width() is None else unfolded(described["description"])
    parts = [f"{name} ({described['kind']}, {described['distribution']})", prose, paper]
    told = "\n".join(aligned(pairs, indent="  ", width=width())) or "It has no parameters."
    return "\n\n".join([*filter(None, parts), told])


# -------------------------------------------------------------------------------------------------- a list
def _json(registry: Registry, kinds: tuple[str, ...]) -> str:
    entries = (entry for kind in kinds for entry in registry.kind(kind))
    return json.dumps(
        {
            "plugins": [
                {
                    "kind": e.kind,
                    "name": e.name,
                    "distribution": e.distribution,
                    "target": _target(e.target),
                    "description": summary(e),
                }
                for e in entries
            ],
            "broken": [{"distribution": b.distribution, "error": b.error} for b in registry.broken],
        },
        indent=2,
    )


def _target(target: type | str) -> str:
    return target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"


def _text(registry: Registry, kinds: tuple[str, ...]) -> str:
    sections = [
        [
            kind,
            *aligned(
                [(e.name, e.distribution, summary(e)) for e in registry.kind(kind)],
                indent="  ",
                width=width(),
            ),
        ]
        for kind in kinds
    ]
    if registry.broken:
        sections.append(
            [
                "broken",
                *aligned([(b.distribution, b.error) for b in registry.broken], indent="  ", width=width()),
            ]
        )
    return "\n\n".join("\n".join(lines) for lines in sections)


# --------------------------------------------------------------------------------------- what is shipped
def _said_in(name: str) -> str:
    """The first sentence of a shipped gin file, which opens with what it is."""
    lines = (gin_root() / f"{name}.gin").read_text(encoding="utf-8").splitlines()
    said = opening("\n".join(line.removeprefix("#").strip() for line in lines if line[:1] == "#"))
    return said.removeprefix("Overlay: ")


def _boards() -> list[tuple[str, str]]:
    """The shipped boards, with the first sentence of their text."""
    files = sorted(shipped("leaderboards").glob("*/board.toml"))
    texts = [tomllib.loads(file.read_text(encoding="utf-8"))["text"] for file in files]
    return [(file.parent.name, opening(text)) for file, text in zip(files, texts, strict=True)]
