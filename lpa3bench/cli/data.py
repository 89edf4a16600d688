"""`lpa3bench data`: get data sets, verify them, and list what is here."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lpa3bench.cli.options import data_option, json_option, param_option, plugin_option
from lpa3bench.cli.terminal import say
from lpa3bench.errors import (
    BenchError,
    ConfigError,
    DataError,
    UsageError,
    error_line,
    printable,
    with_plugin_hint,
)
from lpa3bench.plugin.registry import Entry, Registry, load_registry
from lpa3bench.runtime.paths import config_names, data_root, resolve_config
from lpa3bench.types import Presence

if TYPE_CHECKING:
    from lpa3bench.api import Dataset
    from lpa3bench.config.plugin_alone import PluginParameters

Work = Callable[["Dataset"], dict[str, int]]
size_option = param_option("BreastMNIST.size=64")
names_argument = click.argument("names", metavar="NAME…", nargs=-1, required=True)


@click.group()
def command() -> None:
    """Get data sets, verify them, and list what is here.

    Data sets lie in one folder: --data, else $LPA3BENCH_DATA, else ~/.cache/lpa3bench/data. Nothing is
    downloaded but by `data get`, or by `run --download`.
    """


@command.command()
@names_argument
@data_option
@size_option
@plugin_option
@json_option
def get(
    names: tuple[str, ...],
    data: Path | None,
    bindings: tuple[str, ...],
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Download data sets, through the library that owns each, and verify them."""
    root = data_root(data)

    def fetch(dataset: Dataset) -> dict[str, int]:
        try:
            return dataset.verify(root)
        except DataError:
            say(f"getting {dataset.spec.name} into {root}", err=True)
            dataset.download(root)
            return dataset.verify(root)

    _for_each(names, bindings, plugins, fetch, as_json)


@command.command()
@click.argument("names", metavar="NAME…|FILE…", nargs=-1, required=True)
@click.option("--setting", metavar="NAME", help="Which of the settings that the file offers to take.")
@data_option
@size_option
@plugin_option
@json_option
def verify(
    names: tuple[str, ...],
    setting: str | None,
    data: Path | None,
    bindings: tuple[str, ...],
    plugins: tuple[Path, ...],
    as_json: bool,
) -> None:
    """Check that data sets are whole: checksums, and the number of images.

    In place of data sets there may be gin files, taken together as `run` takes them: then the data and the
    labels of their run are read, and what it would say of them is printed: images of each class, what was
    passed over, images in two splits, how far labels from a file agree with the data set's.
    """
    root = data_root(data)
    registry = load_registry(plugins)
    if _are_configs(names, registry):
        _verify_run(names, setting, bindings, registry, root, as_json)
        return
    if setting is not None:
        raise UsageError("--setting: data sets have none; name a gin file")
    _for_each(names, bindings, plugins, lambda dataset: dataset.verify(root), as_json)


@command.command(name="list")
@data_option
@size_option
@plugin_option
@json_option
def list_(data: Path | None, bindings: tuple[str, ...], plugins: tuple[Path, ...], as_json: bool) -> None:
    """List data sets and how many images of each are here, without reading them."""
    root = data_root(data)
    registry = load_registry(plugins)
    entries = registry.kind("datasets")
    parameters = _parameters(bindings, entries, registry)
    found = {entry.name: _here(entry, parameters, root) for entry in entries}
    if as_json:
        datasets = {name: asdict(presence) for name, presence in found.items()}
        click.echo(json.dumps({"folder": str(root), "datasets": datasets}, indent=2))
        return
    for name, presence in found.items():
        say(_line(name, printable(_said(name, presence))))
    say(f"\nlooked in {root}; get a data set with: lpa3bench data get NAME")


def _for_each(
    names: tuple[str, ...], bindings: tuple[str, ...], plugins: tuple[Path, ...], work: Work, as_json: bool
) -> None:
    """Do the work for every data set named, also where it fails for another, and print how many images of
    each split it counts.

    Raises:
        DataError: it failed for at least one.
    """
    registry = load_registry(plugins)
    entries = [_find(registry, name) for name in names]
    parameters = _parameters(bindings, entries, registry)
    datasets: list[Dataset] = [parameters.build(entry) for entry in entries]
    failures: list[DataError] = []
    told: dict[str, dict[str, Any]] = {}
    for dataset in datasets:
        name = dataset.spec.name
        try:
            counts = work(dataset)
            told[name] = {"splits": counts, "problem": None}
            if not as_json:
                say(_line(name, _counts(counts)))
        except DataError as error:
            told[name] = {"splits": None, "problem": str(error)}
            failures.append(error)
    if as_json:
        click.echo(json.dumps({"datasets": told}, indent=2))
    for failure in failures[:-1]:
        say(error_line(failure), err=True)
    if failures:
        raise failures[-1]


def _are_configs(names: tuple[str, ...], registry: Registry) -> bool:
    """Whether gin files are meant, shipped ones among them."""
    first = names[0]
    return registry.get(first) is None and (Path(first).suffix == ".gin" or first in config_names())


def _verify_run(
    files: Sequence[str],
    setting: str | None,
    bindings: Sequence[str],
    registry: Registry,
    root: Path,
    as_json: bool,
) -> None:
    """Read the data and make the labels of a run, and print what there is to say of them."""
    import torch

    from lpa3bench.api import Dataset
    from lpa3bench.config import load_config
    from lpa3bench.training.training_data import prepare

    paths = [resolve_config(name) for name in files]
    config = load_config(paths, setting=setting, bindings=bindings, registry=registry)
    experiment = config.experiment()
    if type(experiment.dataset).verify is not Dataset.verify:  # else it loads, which comes now
        experiment.dataset.verify(root)
    try:
        prepared = prepare(experiment, root=root, seed=0, device=torch.device("cpu"))
    except ConfigError as error:
        raise config.located(error) from error
    counts = {split: sum(of_classes) for split, of_classes in prepared.summary.images.items()}
    if as_json:
        told = {
            "splits": counts,
            "problem": None,
            "told": [*prepared.told()],
            "warnings": [*prepared.warnings],
        }
        click.echo(json.dumps({"datasets": {prepared.spec.name: told}}, indent=2))
        return
    say(_line(prepared.spec.name, _counts(counts)))
    for line in (*prepared.told(), *(f"warning: {warning}" for warning in prepared.warnings)):
        say(printable(line))


def _find(registry: Registry, name: str) -> Entry:
    entry = registry.get(name)
    if entry is not None and entry.kind == "datasets":
        return entry
    near = registry.nearest(name, "datasets")
    advice = f"did you mean {' or '.join(near)}?" if near else "see them with: lpa3bench data list"
    raise UsageError(with_plugin_hint(f"there is no data set {name!r}; {advice}"))


def _parameters(bindings: tuple[str, ...], entries: Sequence[Entry], registry: Registry) -> PluginParameters:
    from lpa3bench.config.plugin_alone import PluginParameters

    return PluginParameters.read(bindings, entries, registry)


def _here(entry: Entry, parameters: PluginParameters, root: Path) -> Presence:
    try:
        dataset: Dataset = parameters.build(entry)
        return dataset.present(root)
    except BenchError as error:
        return Presence(problem=str(error))
    except Exception as error:  # somebody else's data set may fail in any way, and hides no other
        return Presence(problem=f"{entry.name} ({entry.distribution}) is broken: {error!r}")


def _said(name: str, presence: Presence) -> str:
    if presence.problem is not None:
        return _short(name, presence.problem)
    size = "" if presence.size is None else f"{presence.size / 1e6:,.0f} MB"
    return ", ".join(part for part in (_counts(presence.splits or {}), size) if part) or "here"


def _line(name: str, text: str) -> str:
    return f"{name:<16}{text}"


def _counts(splits: dict[str, int]) -> str:
    return ", ".join(f"{name} {count}" for name, count in splits.items())


def _short(name: str, problem: str) -> str:
    """A problem without the data set's name in front and the advice at the end."""
    return problem.removeprefix(f"{name}: ").partition("; ")[0]
