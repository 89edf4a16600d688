"""The names that a config can use: plugins, `run` and `WeakView`, and the parameters each of them takes.

Telling names apart needs no plugin code; a class is imported when its parameters are asked for.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

from lpa3bench.config.bindings import PLUGINS, RUN, SUITE, GinReference, Origin, kind, short
from lpa3bench.config.default_metrics import missing_metric
from lpa3bench.config.experiment import Experiment
from lpa3bench.config.typecheck import Parameter, advice, nearest, parameter_names, parameters
from lpa3bench.errors import PluginError, RenamedWarning, with_plugin_hint
from lpa3bench.plugin import renames
from lpa3bench.plugin.copies import copies_that_name, copy_of_run, with_copy
from lpa3bench.plugin.hookspecs import KINDS
from lpa3bench.plugin.registry import Entry, Registry
from lpa3bench.types import SLOTS

WEAK_VIEW = "WeakView"
RUN_KINDS: dict[str, str] = {
    "task": "tasks",
    "dataset": "datasets",
    "backbone": "backbones",
    "labels": "labels",
    **dict.fromkeys(SLOTS, "augmenters"),
    "metrics": "metrics",
}
"""Which kind of plugin a parameter of `run` takes."""
_FROM_ENGINE = {"backbones": ("num_classes", "in_channels")}
"""Parameters that the engine sets, from the data set."""


def _homes(origin: Origin) -> tuple[Path, ...]:
    """Where copies of plugin files lie, if the config was kept with a run or with what was exported of it."""
    if origin.line is None:
        return ()
    folder = Path(origin.source).parent
    return folder, folder.absolute().parent


class Catalogue:
    """What the names in a config stand for."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self._taken: dict[str, dict[str, Parameter]] = {}
        self._warned: set[tuple[str, str]] = set()

    @property
    def augmenters(self) -> frozenset[str]:
        """Lower-case names of all augmenters there are."""
        return frozenset(e.name.lower() for e in self.registry.entries if e.kind == "augmenters")

    def add_files(self, files: Sequence[Path]) -> None:
        """Know the plugins of these files too.

        Raises:
            FileNotFoundError: one of them is not there.
            PluginError: a name is claimed twice.
        """
        self.registry = self.registry.with_files(files)

    def _remembered(self, name: str, origin: Origin) -> Entry | None:
        """The plugin from the copy that a run kept, where the config is that run's."""
        for copy in filter(None, (copy_of_run(name, home) for home in _homes(origin))):
            try:
                self.registry = with_copy(self.registry, name, copy)
            except PluginError as error:
                raise origin.error(
                    with_plugin_hint(f"there is no {name} here but a copy: {error}")
                ) from error
            return self.registry.get(name)
        return None

    def target(self, selector: str, origin: Origin) -> str:
        """The full name of what `selector` means: `PES` and `tasks.PES` are `tasks.PES`.

        Raises:
            ConfigError: it means nothing.
            PluginError: it means nothing, but a plugin module is broken that may have brought it.
        """
        if selector in (RUN, WEAK_VIEW):
            return selector
        if selector == SUITE:
            raise origin.error(
                "what has suite lines is a suite, a list of runs, and no part of a run; "
                "`lpa3bench show` lists its cells"
            )
        before, _, name = selector.rpartition(".")
        entry = self.registry.get(name)
        if entry is None and self.registry.broken_with(name) is None:
            entry = self._remembered(name, origin)
        if entry is not None and before in ("", entry.kind):
            return f"{entry.kind}.{name}"
        if entry is not None:
            raise origin.error(f"there is no {selector}; did you mean {entry.kind}.{name}?")
        if (module := self.registry.broken_with(name)) is not None:
            raise PluginError(f"{origin}: {selector} comes from {module.distribution}, {module.error}")
        if copies := [copy for home in _homes(origin) for copy in copies_that_name(name, home)]:
            raise origin.error(f"there is no {selector} here; its copy is {copies[0]}; give it with --plugin")
        ours = (RUN, WEAK_VIEW) if before == "" else ()
        names = [*ours, *(e.name for e in self.registry.entries if before in ("", e.kind))]
        hint = advice(name, names, before if before in KINDS else "registered names")
        if self.registry.broken:
            broken = "; ".join(f"{b.distribution}: {b.error}" for b in self.registry.broken)
            if not nearest(name, names):
                why = f"there is no {selector}, but a plugin module is broken ({broken})"
                raise PluginError(with_plugin_hint(f"{origin}: {why}"))
            hint += f" Or is it in a plugin module that is broken ({broken})?"
        raise origin.error(with_plugin_hint(f"there is no {selector}; {hint}"))

    def load(self, target: str) -> type:
        """The class itself.

        Raises:
            PluginError: it cannot be imported, or is a default that is not registered.
        """
        if target == RUN:
            return Experiment
        if target == WEAK_VIEW:
            found: type = import_module("lpa3bench.api").WeakView
            return found
        entry = self.registry.get(short(target))
        if entry is None:  # any other name came from this catalogue
            raise PluginError(missing_metric(short(target)))
        return entry.load()

    def class_of(self, reference: GinReference) -> type:
        """The class that a reference names."""
        return self.load(reference.target)

    def names(self, target: str) -> list[str]:
        """The names of the parameters that a config can bind. For `run` this imports no torch."""
        from_engine = _FROM_ENGINE.get(kind(target), ())
        return [name for name in parameter_names(self.load(target)) if name not in from_engine]

    def parameters(self, target: str) -> dict[str, Parameter]:
        """The parameters that a config can bind, in the order of the constructor."""
        if target not in self._taken:
            found = parameters(self.load(target))
            self._taken[target] = {name: found[name] for name in self.names(target)}
        return self._taken[target]

    def current(self, target: str, parameter: str, origin: Origin) -> str:
        """The parameter's name of today; a warning tells whoever wrote the one that it had once."""
        entry = self.registry.get(short(target)) if kind(target) else None
        name = parameter if entry is None else renames.current(entry, parameter)
        if name != parameter and (target, parameter) not in self._warned:
            self._warned.add((target, parameter))
            text = f"{origin}: {short(target)}.{parameter} is called {short(target)}.{name} now"
            warnings.warn(text, RenamedWarning, stacklevel=2)
        return name

    def check_name(self, target: str, parameter: str, origin: Origin) -> None:
        """Raises ConfigError where there is no such parameter."""
        names = self.names(target)
        if parameter in names:
            return
        if parameter in _FROM_ENGINE.get(kind(target), ()):
            raise origin.error(f"{short(target)}.{parameter} is set from the data set and cannot be bound")
        names += [PLUGINS] if target == RUN else []
        hint = advice(parameter, names, "its parameters")
        raise origin.error(f"{short(target)} has no parameter {parameter}; {hint}")
