"""`lpa3bench test-plugin`: does a plugin keep the laws that ours keep?"""

from __future__ import annotations

import ast
import json
import os
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import UnionType
from typing import TYPE_CHECKING, Any, Union, get_args, get_origin

import click
from click.shell_completion import CompletionItem

from lpa3bench.cli.options import data_option, json_option, plugin_option
from lpa3bench.cli.terminal import say
from lpa3bench.errors import DataError, PluginError, UsageError, with_plugin_hint
from lpa3bench.plugin.registry import Entry, Registry, load_registry

if TYPE_CHECKING:
    from lpa3bench.config.typecheck import Parameter

FROM_ENGINE = {"num_classes": 10, "in_channels": 3}
"""What the engine hands to a backbone, for one data set."""
BY_CONFIG = (
    "which -p cannot give (it takes literals only); test it by a config, `lpa3bench run FILE --dry-run`"
)
Arguments = dict[str, dict[str, Any]]
"""Those of constructors, by the plugin's name."""


def _complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Registered names, and the shell's own completion of paths."""
    names = [CompletionItem(e.name) for e in load_registry().entries if e.name.startswith(incomplete)]
    return [CompletionItem(incomplete, type="file"), *names]


@click.command()
@click.argument("plugin", metavar="NAME|FILE", shell_complete=_complete)
@click.option(
    "-p",
    "--param",
    "bindings",
    metavar="NAME.PARAMETER=VALUE",
    multiple=True,
    help="Give the plugin a parameter, as in -p FewLabels.count=20. Repeatable.",
)
@plugin_option
@data_option
@json_option
@click.pass_context
def command(
    ctx: click.Context,
    plugin: str,
    bindings: tuple[str, ...],
    plugins: tuple[Path, ...],
    data: Path | None,
    as_json: bool,
) -> None:
    """Hold a plugin to the laws that ours keep.

    NAME is a registered plugin of any kind; FILE a Python file, of which all plugins are tested. Everything
    happens on a tiny made-up data set on the CPU, in seconds; only a data set is read from the data folder.
    Each law gets a line: passed, FAILED or not applicable, with the reason. Exits with 5 where a law fails
    or none could be looked into, with 4 where a data set's files are missing. LPA3BENCH_TRACEBACK=1 shows
    where laws fail.
    """
    from lpa3bench.runtime.paths import data_root
    from lpa3bench.testing.verdict import examine

    entries = _entries(plugin, plugins)
    arguments = _arguments(bindings, entries)
    _check_complete(entries, arguments)
    verdicts = [examine(entry, arguments[entry.name], data_root(data)) for entry in entries]
    if as_json:
        click.echo(json.dumps([verdict.plain() for verdict in verdicts], indent=2))
    else:
        say("\n\n".join("\n".join(verdict.lines()) for verdict in verdicts))
    if os.environ.get("LPA3BENCH_TRACEBACK"):
        for finding in (f for verdict in verdicts for f in verdict.findings if f.outcome == "FAILED"):
            traceback.print_exception(finding.error)
    if any(verdict.broken or verdict.untested for verdict in verdicts):
        ctx.exit(PluginError.exit_code)
    if any(verdict.data_missing for verdict in verdicts):
        ctx.exit(DataError.exit_code)


def _entries(plugin: str, files: tuple[Path, ...]) -> list[Entry]:
    """The plugins that the argument means."""
    path = Path(plugin)
    if path.suffix == ".py":
        if not path.is_file():
            raise UsageError(f"{path}: no such file")
        registry = load_registry(tuple(dict.fromkeys((path, *files))))
        for module in registry.broken:
            if module.distribution == str(path):
                raise PluginError(f"{path}: {module.error}")
        return [entry for entry in registry.entries if entry.distribution == str(path)]
    registry = load_registry(files)
    entry = registry.get(plugin)
    if entry is not None:
        return [entry]
    raise _unknown(plugin, registry)


def _unknown(name: str, registry: Registry) -> PluginError | UsageError:
    if (module := registry.broken_with(name)) is not None:
        return PluginError(f"{name} comes from {module.distribution}, {module.error}")
    near = registry.nearest(name)
    hint = f"did you mean {' or '.join(near)}?" if near else "`lpa3bench list` shows what there is"
    if registry.broken:
        broken = "; ".join(f"{b.distribution}: {b.error}" for b in registry.broken)
        hint += f" Or is it in a plugin module that is broken ({broken})?"
    return UsageError(with_plugin_hint(f"there is no plugin {name}; {hint}"))


# ---------------------------------------------------------------------------------------------- parameters
def _arguments(bindings: Sequence[str], entries: Sequence[Entry]) -> Arguments:
    """What the `-p` options bind."""
    found: Arguments = {entry.name: {} for entry in entries}
    kinds = {entry.name: entry for entry in entries}
    for text in bindings:
        key, equals, value = text.partition("=")
        name, dot, parameter = key.strip().rpartition(".")
        name = name.rpartition(".")[2]  # `augmenters.LPA3.margin` too
        if not (equals and dot):
            raise UsageError(f"-p {text!r}: is written NAME.parameter=value")
        if name not in found:
            raise UsageError(f"-p {text!r}: {name} is not tested; tested is {', '.join(found)}")
        found[name][parameter] = _fitted(text, kinds[name], parameter, value.strip())
    return found


def _fitted(text: str, entry: Entry, parameter: str, value: str) -> Any:
    """The value, in the form that the parameter's annotation asks for."""
    from lpa3bench.config.typecheck import Mismatch, advice, describe_annotation, fit_value

    known = _parameters(entry)
    if parameter not in known:
        hint = advice(parameter, known, "its parameters")
        raise UsageError(f"-p {text!r}: {entry.name} has no parameter {parameter}; {hint}")
    if not _writable(known[parameter].annotation):
        what = describe_annotation(known[parameter].annotation)
        raise UsageError(f"-p {text!r}: {entry.name}.{parameter} is {what}, {BY_CONFIG}")
    try:
        literal = ast.literal_eval(value)
    except (ValueError, SyntaxError):
        raise UsageError(f"-p {text!r}: {value!r} is no literal; strings need quotes") from None
    try:
        return fit_value(literal, known[parameter].annotation, lambda reference: object)
    except Mismatch as reason:
        raise UsageError(f"-p {text!r}: {entry.name}.{parameter} {reason}") from None


def _parameters(entry: Entry) -> dict[str, Parameter]:
    from lpa3bench.config.typecheck import parameters

    found = parameters(entry.load())
    return {name: p for name, p in found.items() if name not in FROM_ENGINE}


def _writable(annotation: Any) -> bool:
    """Whether some literal fits: no text stands for an augmenter, nor for a tuple of them."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin in (Union, UnionType):
        return any(map(_writable, arguments))
    if origin in (tuple, list, dict, Sequence, Mapping):
        return all(_writable(a) for a in arguments if a is not Ellipsis)
    return not (isinstance(annotation, type) and issubclass(annotation, _plugin_bases()))


def _plugin_bases() -> tuple[type, ...]:
    from lpa3bench.testing.verdict import BASES

    return (*BASES.values(),)


def _check_complete(entries: Sequence[Entry], given: Arguments) -> None:
    """None is broken because it needs to be told something, nor because it refuses what it is told.

    All are asked before the first is tested, and what any of them needs is named at once.
    """
    needs = [need for entry in entries if (need := _needed(entry, given[entry.name]))]
    if needs:
        others = "; the others are tested by name, with --plugin FILE" if len(entries) > len(needs) else ""
        raise UsageError("; ".join(needs) + others)
    for entry in entries:
        _check_accepted(entry, given[entry.name])


def _needed(entry: Entry, given: dict[str, Any]) -> str:
    """What it must be told and is not, and how it is told; empty where that is nothing."""
    from lpa3bench.config.typecheck import describe_annotation

    needed = {name: p for name, p in _parameters(entry).items() if p.required and name not in given}
    for name, parameter in needed.items():
        if not _writable(parameter.annotation):
            return f"{entry.name} needs {name}, {describe_annotation(parameter.annotation)}, {BY_CONFIG}"
    options = " ".join(f"-p {entry.name}.{name}=…" for name in needed)
    return f"{entry.name} needs {' and '.join(needed)}; give {options}" if needed else ""


def _check_accepted(entry: Entry, given: dict[str, Any]) -> None:
    """A value that it refuses, or misses where it has None, is the user's to give; whatever else goes wrong
    is for the laws to say."""
    from lpa3bench.runtime.seeding import seeded

    engine = FROM_ENGINE if entry.kind == "backbones" else {}
    try:
        with seeded(0):
            entry.load()(**given, **engine)
    except ValueError as error:
        named = _parameters(entry).get(str(error).partition(":")[0])
        if given or (named is not None and named.default is None):
            raise UsageError(f"{entry.name}.{error}") from error
    except (Exception, SystemExit):
        return
