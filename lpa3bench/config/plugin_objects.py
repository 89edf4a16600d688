"""Values given in Python as lines of a config: classes and objects of plugins too, registered or not.

An object stands for its class and for what it was constructed with; a run builds a fresh one, like any other.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

from lpa3bench.config.bindings import SLOTS, GinReference, Scope, kind
from lpa3bench.config.names import WEAK_VIEW, Catalogue
from lpa3bench.config.typecheck import literal, parameters
from lpa3bench.errors import PluginError, UsageError, shortened
from lpa3bench.plugin.registry import Entry, Registry

_INTERFACES = {
    "tasks": "Task", "augmenters": "Augmenter", "backbones": "Backbone", "datasets": "Dataset",
    "labels": "Labels", "metrics": "Metric", "policies": "Policy",
}  # fmt: skip
"""What the classes of each kind derive from."""
_REFERENCE = re.compile(r"@[\w./]+(\(\))?")
_PARAMETER = re.compile(r"([\w.-]+/)*[\w.]+")


@dataclass(frozen=True)
class GivenParameters:
    """What was given in Python, as a config takes it."""

    bindings: tuple[str, ...]
    """Texts as of `-p`."""
    registry: Registry
    """With the classes that nobody has registered, under their own names."""


def given_parameters(params: Mapping[str, Any], registry: Registry) -> GivenParameters:
    """Lines for these values.

    Args:
        params: by name as a config has it, `"LPA3.margin"` or `"run.positives"`. A value is a number, a bool,
            text, None, or a list, tuple or dict of such; a class of a plugin, an object of one, or
            `functools.partial(Class, …)`; or a reference as text, `"@augmenters.LPA3()"`.
        registry: the plugins there are.

    Raises:
        UsageError: a value is none that a config can hold.
        PluginError: a class has the name of another plugin.
    """
    writer = _Writer(registry)
    lines = []
    for name, value in params.items():
        if not _PARAMETER.fullmatch(name):
            raise UsageError(f"params: {name!r} is no name of a parameter, such as 'LPA3.margin'")
        slot = name.removeprefix("run.")
        lines.append(writer.line(name, value, (slot,) if slot in SLOTS else ()))
    # A line holds for deeper scopes as well, unless a later one says otherwise; what was given by name wins.
    within = [line for _, line in sorted(writer.within, key=lambda found: found[0])]
    return GivenParameters((*within, *lines), writer.registry)


def with_classes(registry: Registry, classes: Iterable[type]) -> Registry:
    """The registry with these classes too, under their own names.

    Raises:
        UsageError: one is no plugin.
        PluginError: one has the name of another plugin.
    """
    writer = _Writer(registry)
    for cls in classes:
        writer.target(cls)
    return writer.registry


class _Writer:
    def __init__(self, registry: Registry) -> None:
        self.registry = registry
        self.within: list[tuple[int, str]] = []
        """Lines of the parameters of objects, each with the depth of its scope."""
        self._taken: set[tuple[Scope, str]] = set()
        """Objects that have been written, by the scope they stand in."""

    def line(self, name: str, value: Any, scope: Scope) -> str:
        """The line of a parameter. Those of the objects in its value, which stand in the scope, are added."""
        if isinstance(value, str) and _REFERENCE.fullmatch(value):
            return f"{name} = {value}"
        text = literal(self._plain(name, value, scope))
        if text is None:
            raise UsageError(_unwritable(name, value))
        return f"{name} = {text}"

    def _plain(self, name: str, value: Any, scope: Scope) -> Any:
        """The value as gin's: references for classes and objects."""
        match value:
            case type():
                return self._reference(value, {}, scope, made=False)
            case partial(func=type() as cls, args=(), keywords=given):
                return self._reference(cls, given, scope, made=False)
            case list() | tuple():
                return type(value)([self._plain(name, item, scope) for item in value])
            case dict():
                return {key: self._plain(name, item, scope) for key, item in value.items()}
            case Path():
                return str(value)
        if type(value).__module__ == "numpy" and hasattr(value, "item") and not getattr(value, "ndim", 1):
            return value.item()
        if _kind_of(type(value)) or _is_weak_view(type(value)):
            return self._reference(type(value), _constructed_with(name, value), scope, made=True)
        return value

    def _reference(self, cls: type, given: Mapping[str, Any], scope: Scope, *, made: bool) -> GinReference:
        """A class with some parameters, or an object, which has all of its parameters."""
        target = WEAK_VIEW if _is_weak_view(cls) else self.target(cls)
        if made and kind(target) == "backbones":
            raise UsageError(
                f"params: networks are built anew for each run: give the class {cls.__name__}, or "
                f"functools.partial({cls.__name__}, …), instead of an object"
            )
        place = scope
        while (place, target) in self._taken:
            place = (*scope, f"object{len(self._taken) + 1}")
        self._taken.add((place, target))
        values = {**self._defaults(cls, target), **given} if made else given
        for parameter, value in values.items():
            line = self.line("/".join((*place, f"{target}.{parameter}")), value, place)
            self.within.append((len(place), line))
        return GinReference(() if place == scope else place, target, call=kind(target) != "backbones")

    def _defaults(self, cls: type, target: str) -> dict[str, Any]:
        """What an object has where it was not told: a line of a file must not change that."""
        taken = parameters(cls)
        names = Catalogue(self.registry).names(target)
        defaults = {name: taken[name].default for name in names if not taken[name].required}
        return {name: value for name, value in defaults.items() if literal(value) is not None}

    def target(self, cls: type) -> str:
        """The registered name of a class; one that nobody has registered is, from now on, by its own."""
        found = _kind_of(cls)
        if found is None:
            bases = ", ".join(_INTERFACES.values())
            raise UsageError(f"params: {cls.__name__} is no plugin: it derives from none of {bases}")
        if (entry := self.registry.of_class(cls)) is None:
            other = self.registry.get(cls.__name__)
            if other is not None:
                raise PluginError(
                    f"the name {cls.__name__} is claimed twice: by {other.distribution} ({other.kind}) and "
                    "by the class that was given; rename the class"
                )
            entry = Entry(found, cls.__name__, cls, cls.__module__, cls.__module__)
            self.registry = replace(self.registry, entries=(*self.registry.entries, entry))
        return f"{entry.kind}.{entry.name}"


def _kind_of(cls: type) -> str | None:
    api = import_module("lpa3bench.api")
    found = (kind for kind, base in _INTERFACES.items() if issubclass(cls, getattr(api, base)))
    return next(found, None)


def _is_weak_view(cls: type) -> bool:
    return cls is import_module("lpa3bench.api").WeakView


def _constructed_with(name: str, made: Any) -> Mapping[str, Any]:
    found = getattr(made, "_constructed_with", None)
    if found is not None:
        return dict(found)
    if is_dataclass(made):
        return {field.name: getattr(made, field.name) for field in fields(made)}
    return {}


def _unwritable(name: str, value: Any) -> str:
    what = f"a {type(value).__name__}"
    return (
        f"params: {shortened(name)} is {what}, which no config can hold; it takes numbers, text, None, "
        "lists, tuples and dicts of such, and classes or objects of plugins"
    )
