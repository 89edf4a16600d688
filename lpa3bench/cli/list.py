"""`lpa3bench list`: which plugins there are, whose they are, which are broken, and what one of them takes."""

from __future__ import annotations

import inspect
import json
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from lpa3bench.cli.options import json_option, plugin_option
from lpa3bench.errors import UsageError
from lpa3bench.plugin.hookspecs import KINDS
from lpa3bench.plugin.registry import Entry, Registry, load_registry


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    names = (*KINDS, *(entry.name for entry in load_registry().entries))
    return [CompletionItem(name) for name in names if name.startswith(incomplete)]


@click.command()
@click.argument("what", metavar="[KIND | NAME]", required=False, shell_complete=_complete)
@plugin_option
@json_option
def command(what: str | None, plugins: tuple[Path, ...], as_json: bool) -> None:
    """List the plugins, or say what one of them is.

    KIND is tasks, augmenters, backbones, datasets, labels or metrics. Broken plugins are listed with their
    distribution and what is wrong with them, whatever the kind. Of a plugin's NAME its description is
    printed, with the parameters that a config can bind and their defaults.
    """
    registry = load_registry(plugins)
    if what is not None and what not in KINDS:
        described = _described(registry, _entry(registry, what))
        click.echo(json.dumps(described, indent=2) if as_json else _description(described))
        return
    kinds = (what,) if what else KINDS
    click.echo(_json(registry, kinds) if as_json else _text(registry, kinds))


# ---------------------------------------------------------------------------------------------- one plugin
def _entry(registry: Registry, name: str) -> Entry:
    """Raises UsageError where there is none of that name."""
    entry = registry.get(name)
    if entry is None:
        near = get_close_matches(name.lower(), KINDS, cutoff=0.7) or registry.nearest(name)
        hint = f"did you mean {' or '.join(near)}?" if near else f"the kinds are {', '.join(KINDS)}"
        raise UsageError(f"there is no plugin and no kind {name}; {hint}")
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
    parts = [f"{name} ({described['kind']}, {described['distribution']})", described["description"]]
    return "\n\n".join([*filter(None, parts), "\n".join(_rows(pairs)) or "It has no parameters."])


# -------------------------------------------------------------------------------------------------- a list
def _json(registry: Registry, kinds: tuple[str, ...]) -> str:
    entries = (entry for kind in kinds for entry in registry.kind(kind))
    return json.dumps(
        {
            "plugins": [
                {"kind": e.kind, "name": e.name, "distribution": e.distribution, "target": _target(e.target)}
                for e in entries
            ],
            "broken": [{"distribution": b.distribution, "error": b.error} for b in registry.broken],
        },
        indent=2,
    )


def _target(target: type | str) -> str:
    return target if isinstance(target, str) else f"{target.__module__}:{target.__qualname__}"


def _text(registry: Registry, kinds: tuple[str, ...]) -> str:
    sections = [[kind, *_rows([(e.name, e.distribution) for e in registry.kind(kind)])] for kind in kinds]
    if registry.broken:
        sections.append(["broken", *_rows([(b.distribution, b.error) for b in registry.broken])])
    return "\n\n".join("\n".join(lines) for lines in sections)


def _rows(pairs: list[tuple[str, str]]) -> list[str]:
    """Two columns, indented."""
    width = max((len(left) for left, _ in pairs), default=0)
    return [f"  {left:<{width}}  {right}" for left, right in pairs]
