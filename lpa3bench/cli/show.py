"""`lpa3bench show`: what gin files add up to, where each value comes from, and what the run will cost."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpa3bench.cli.options import (
    config_options,
    data_option,
    device_option,
    grid_options,
    json_option,
    run_line_options,
)
from lpa3bench.cli.terminal import say, width
from lpa3bench.errors import UsageError, blamed
from lpa3bench.runtime.duration import TIMED_DOUBT, about, busy
from lpa3bench.runtime.paths import data_root
from lpa3bench.runtime.terminal_text import aligned
from lpa3bench.types import STILL

if TYPE_CHECKING:
    from lpa3bench.api import Augmenter
    from lpa3bench.config import Config
    from lpa3bench.suites import Suite


_Row = tuple[str, ...]


@click.command()
@run_line_options
@config_options
@grid_options
@device_option
@data_option
@click.option(
    "--no-forecast", is_flag=True, help="Leave out the forecast, which takes a few steps of training."
)
@json_option
def command(
    files: tuple[Path, ...],
    setting: str | None,
    bindings: tuple[str, ...],
    plugins: tuple[Path, ...],
    grid: tuple[str, ...],
    seeds: str | None,
    device: str,
    data: Path | None,
    no_forecast: bool,
    as_json: bool,
    seed: int | None,
) -> None:
    """Show what gin files add up to, and what it will cost.

    Every value with the line that it comes from, what lies dormant, what differs from the published setting,
    the size of the network, and a forecast of time and memory from a few timed steps on made-up images. Of a
    suite: its cells and seeds, a grid expanded.
    """
    from lpa3bench.config import load_config
    from lpa3bench.plugin.registry import load_registry as load_plugins
    from lpa3bench.suites import is_suite, parse_axis, parse_seeds, read_suite

    varied = bool(grid or seeds)
    if varied and (len(files) != 1 or setting is not None or bindings):
        raise UsageError("--grid and --seeds take one FILE, as `suite` does; write the rest as axes")
    if len(files) == 1 and (varied or is_suite(files[0])) and setting is None and not bindings:
        suite = read_suite(files[0], [*map(parse_axis, grid)], parse_seeds(seeds) if seeds else ())
        say(json.dumps(suite_description(suite), indent=1) if as_json else suite_text(suite), as_is=as_json)
        return
    config = load_config(files, setting=setting, bindings=bindings, registry=load_plugins(plugins))
    shown = description(config)
    if not no_forecast:
        from lpa3bench.training.dry_run import forecast

        load = busy()
        shown["forecast"] = forecast(config, root=data_root(data), device=device) | {"busy": load}
    say(json.dumps(shown, indent=1) if as_json else text(shown), as_is=as_json)


def description(config: Config) -> dict[str, Any]:
    """Everything but the forecast, as plain data."""
    experiment = config.experiment()
    return {
        "files": [str(path) for path in config.files],
        "setting": config.setting,
        "settings": list(config.settings),
        "slots": config.slots,
        "weak": {**asdict(experiment.spec.weak), "does": str(experiment.spec.weak)},
        "parameters": count_parameters(config),
        "values": [{"name": v.name, "value": v.text, "origin": v.origin} for v in config.values],
        "changed": [
            {"name": c.name, "published": c.published, "value": c.text, "origin": c.origin}
            for c in config.changed
        ],
        "dormant": [{"name": d.name, "origin": d.origin, "reason": d.reason} for d in config.dormant],
        "augmenters": {
            slot: said.splitlines()
            for slot, augmenter in experiment.slots().items()
            if (said := _said_of(augmenter))
        },
        "operative": config.operative,
    }


def _said_of(augmenter: Augmenter) -> str:
    """What the augmenter says of itself."""
    with blamed(f"{type(augmenter).__name__}.describe"):
        return augmenter.describe()


def suite_description(suite: Suite) -> dict[str, Any]:
    """A suite as plain data; a cell is what stands after `lpa3bench run`, word by word."""
    return {
        "cells": [list(cell.words) for cell in suite.cells],
        "seeds": list(suite.seeds),
        "bindings": list(suite.bindings),
        "threads": suite.threads,
        "plugins": [*map(str, suite.plugins)],
        "search": suite.search.as_data() if suite.search else None,
    }


def suite_text(suite: Suite) -> str:
    head: list[_Row] = [
        ("runs", f"{len(suite.cells) * len(suite.seeds)}: {suite.size}"),
        ("seeds", ", ".join(map(str, suite.seeds))),
        ("bindings", "; ".join(suite.bindings) or "none"),
        ("threads", str(suite.threads)),
    ]
    head += [("plugins", ", ".join(map(str, suite.plugins)))] if suite.plugins else []
    sections = [_section("cells", [(str(cell),) for cell in suite.cells])]
    if suite.search is not None:
        head.append(("search", suite.search.size))
        ranges = [(name, str(drawn_from)) for name, drawn_from in suite.search.ranges]
        sections.append(_section("drawn from, in every cell that uses it", ranges))
    return "\n\n".join(("\n".join(aligned(head, width=width())), *sections))


def count_parameters(config: Config) -> dict[str, int]:
    """Parameters of one network, those that auxiliary BatchNorm would add to it, and how many networks."""
    from lpa3bench.nn.batchnorm import add_auxiliary

    network = config.try_out()
    plain = sum(p.numel() for p in network.parameters())
    experiment = config.experiment()
    auxiliary = 0
    if any(augmenter.bn_domain == "aux" for augmenter in experiment.slots().values()):
        add_auxiliary(network)
        auxiliary = sum(p.numel() for p in network.parameters()) - plain
    return {"network": plain, "auxiliary": auxiliary, "networks": len(experiment.task.models)}


def text(shown: dict[str, Any]) -> str:
    """The description for people."""
    others = [name for name in shown["settings"] if name != shown["setting"]]
    also = f" (also: {', '.join(others)})" if others else ""
    slots = ", ".join(f"{slot} = {name}" for slot, name in shown["slots"].items())
    weak = {**shown["weak"]}
    does = weak.pop("does")
    nothing = "the images as they are" if does == str(STILL) else "weak view only"
    head: list[_Row] = [
        ("setting", f"{shown['setting'] or 'none'}{also}"),
        ("slots", slots or f"none bound: {nothing}"),
        ("weak view", f"{does}, before every slot ({_named(weak)})"),
        ("parameters", _size(shown["parameters"])),
    ]
    changed: list[_Row] = [
        (c["name"], f"{c['published'] or 'not bound'} → {c['value']}", c["origin"]) for c in shown["changed"]
    ]
    dormant: list[_Row] = [(d["name"], d["origin"], d["reason"]) for d in shown["dormant"]]
    sections = [
        "\n".join(aligned(head, width=width())),
        *_values(shown["values"]),
        *(_section(f"{slot} does", [(line,) for line in said]) for slot, said in shown["augmenters"].items()),
        _section(f"differs from what {Path(shown['files'][0]).name} says", changed),
        _section("dormant", dormant),
    ]
    if "forecast" in shown:
        sections.append(_forecast(shown["forecast"]))
    return "\n\n".join(sections)


def _named(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {value}" for name, value in values.items())


def _size(parameters: dict[str, int]) -> str:
    size = f"{parameters['network']:,}"
    if parameters["auxiliary"]:
        size += f", and {parameters['auxiliary']:,} of auxiliary BatchNorm"
    return f"{parameters['networks']} networks of {size}" if parameters["networks"] > 1 else size


def _values(values: Sequence[dict[str, str]]) -> list[str]:
    """A section for each object."""
    rows = [(value["name"].rpartition("."), value) for value in values]
    return [
        _section(owner, [(name, v["value"], v["origin"]) for (_, _, name), v in group])
        for owner, group in groupby(rows, key=lambda row: row[0][0])
    ]


def _forecast(forecast: dict[str, Any]) -> str:
    rows: list[_Row] = [
        (
            phase["name"],
            f"{phase['seconds_per_step']:.3g} s a step",
            f"{phase['forward_equivalents_per_step']:,.0f} image passes",
            "" if phase["steps"] is None else f"{phase['steps']:,} steps",
        )
        for phase in forecast["phases"]
    ]
    hours = forecast["hours"]
    rows.append(("all steps", "unknown: the data set is not here" if hours is None else _about(hours)))
    rows += [("busy", forecast["busy"])] if forecast.get("busy") else []
    rows.append(("memory", f"{forecast['peak_memory_bytes'] / 2**30:.1f} GiB, programs and data included"))
    if forecast["scaled_from"]:
        rows.append(("scaled", f"from {forecast['scaled_from']}"))
    return _section("forecast", rows)


def _about(hours: float) -> str:
    low, middle, high = (3600 * hours * TIMED_DOUBT**side for side in (-1, 0, 1))
    return about(low, middle, high)


def _section(heading: str, rows: Sequence[_Row]) -> str:
    return "\n".join((heading, *(aligned(rows, indent="  ", width=width()) if rows else ("  nothing",))))
