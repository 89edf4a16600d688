"""`lpa3bench list`: which plugins there are, which distribution each comes from, and which are broken."""

from __future__ import annotations

import json
from pathlib import Path

import click

from lpa3bench.cli.options import json_option, plugin_option
from lpa3bench.hookspecs import KINDS
from lpa3bench.registry import Registry, load


@click.command()
@click.argument("kind", type=click.Choice(KINDS), required=False)
@plugin_option
@json_option
def command(kind: str | None, plugins: tuple[Path, ...], as_json: bool) -> None:
    """List the plugins, kind by kind.

    KIND is tasks, augmenters, backbones, datasets or labels. Broken plugins are listed with their
    distribution and what is wrong with them, whatever the kind.
    """
    registry = load(plugins)
    kinds = (kind,) if kind else KINDS
    click.echo(_json(registry, kinds) if as_json else _text(registry, kinds))


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
