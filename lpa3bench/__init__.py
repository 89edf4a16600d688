"""lpa3bench: compare augmentation methods, LP-A3 among them, on supervised, semi-supervised and noisy tasks.

Names are imported when they are first used, so importing the package imports no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lpa3bench._version import __version__

if TYPE_CHECKING:
    from lpa3bench.api import (
        Augmenter,
        Backbone,
        Context,
        Dataset,
        DatasetSpec,
        Env,
        Guesses,
        LabelContext,
        Labels,
        LabelSet,
        Metric,
        Output,
        Phase,
        Policy,
        Presence,
        Slot,
        Split,
        Step,
        Task,
        View,
        ViewFunction,
        WeakView,
    )
    from lpa3bench.nn.feature_layers import feature_layers
    from lpa3bench.plugin.from_transform import from_transform
    from lpa3bench.plugin.hookspecs import hookimpl
    from lpa3bench.python.comparing import compare
    from lpa3bench.python.loaded_records import load
    from lpa3bench.python.running import run
    from lpa3bench.runtime.seeding import Draws
    from lpa3bench.standalone import lpa3

_HOME = {
    **dict.fromkeys(
        ("Augmenter", "Backbone", "Context", "Dataset", "DatasetSpec", "Env", "Guesses", "LabelContext",
         "LabelSet", "Labels", "Metric", "Output", "Phase", "Policy", "Presence", "Slot", "Split", "Step",
         "Task", "View", "ViewFunction", "WeakView"),
        "lpa3bench.api",
    ),
    "Draws": "lpa3bench.runtime.seeding",
    "compare": "lpa3bench.python.comparing",
    "feature_layers": "lpa3bench.nn.feature_layers",
    "from_transform": "lpa3bench.plugin.from_transform",
    "hookimpl": "lpa3bench.plugin.hookspecs",
    "load": "lpa3bench.python.loaded_records",
    "lpa3": "lpa3bench.standalone",
    "run": "lpa3bench.python.running",
}  # fmt: skip

__all__ = [
    "Augmenter",
    "Backbone",
    "Context",
    "Dataset",
    "DatasetSpec",
    "Draws",
    "Env",
    "Guesses",
    "LabelContext",
    "LabelSet",
    "Labels",
    "Metric",
    "Output",
    "Phase",
    "Policy",
    "Presence",
    "Slot",
    "Split",
    "Step",
    "Task",
    "View",
    "ViewFunction",
    "WeakView",
    "__version__",
    "compare",
    "feature_layers",
    "from_transform",
    "hookimpl",
    "load",
    "lpa3",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
