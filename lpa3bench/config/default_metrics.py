"""What a run is scored by where no line says so, and the older word for one of them.

They are looked up by their registered names, because the engine imports no plugin.
"""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import TYPE_CHECKING

from lpa3bench.config.bindings import RUN, Binding, GinReference, Layer, Origin
from lpa3bench.errors import PluginError, RenamedWarning
from lpa3bench.plugin.registry import load_registry

if TYPE_CHECKING:
    from lpa3bench.api import Metric

_DEFAULT = ("Accuracy", "BalancedAccuracy", "MacroAUC", "NLL", "ECE")
OLDER_WORDS = {"auc": "macro_auc"}
"""What `run.select` took before metrics were plugins, and what it is called now."""


def default_metrics() -> tuple[Metric, ...]:
    """Built anew, for an experiment that was put together in Python.

    Raises:
        PluginError: one of them is not registered, or cannot be imported.
    """
    made = []
    for name in _DEFAULT:
        entry = load_registry().get(name)
        if entry is None:
            raise PluginError(missing_metric(name))
        made.append(entry.load()())
    return tuple(made)


def missing_metric(name: str) -> str:
    """What to say where one of them is not registered."""
    return f"there is no metric {name}, which runs are scored by; reinstall lpa3bench, or bind run.metrics"


def default_layer() -> Layer:
    """The binding that stands before those of all files."""
    references = tuple(GinReference((), f"metrics.{name}", call=True) for name in _DEFAULT)
    return Layer((Binding((), RUN, "metrics", references, Origin("default")),), "default", "", published=True)


def in_todays_words(binding: Binding) -> Binding:
    """The binding, where it is `run.select` with today's name of the metric; a warning says so."""
    is_select = (binding.target, binding.parameter) == (RUN, "select") and isinstance(binding.value, str)
    newer = OLDER_WORDS.get(binding.value) if is_select else None
    if newer is None:
        return binding
    text = f"{binding.origin}: {binding} = {binding.value!r} is called {newer!r} now"
    warnings.warn(text, RenamedWarning, stacklevel=2)
    return replace(binding, value=newer)
