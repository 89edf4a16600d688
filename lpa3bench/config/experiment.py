"""What a config describes: one experiment, built and ready to run. Gin files bind its fields as `run.…`."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, ClassVar, Literal

from lpa3bench.config.default_metrics import default_metrics
from lpa3bench.types import LAYOUTS, SLOTS, MemoryLayout, SlotName

if TYPE_CHECKING:
    from lpa3bench.api import Augmenter, Backbone, Dataset, DatasetSpec, Labels, Metric, Task, WeakView


_NONE = "none has a number"
MOST_EPOCHS = 1_000_000
"""A plan lists them all before the first begins."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """A cell: task × data set × labels × backbone × slots, and how long it is trained.

    Raises:
        ValueError: a value is out of range; the message opens with the field's name.
    """

    task: Task
    dataset: Dataset
    backbone: Callable[..., Backbone]
    """Called with `num_classes` and `in_channels`, once per network."""
    epochs: int
    labels: Labels | None = None
    """None: the data set's own labels, all of them."""
    view: Augmenter | None = None
    """Slot: how the task draws its ordinary training view, after the weak view."""
    strong: Augmenter | None = None
    """Slot: FixMatch's strong view."""
    positives: Augmenter | None = None
    """Slot: the set A of the paper's Algorithm 1, an added loss term."""
    weak: WeakView | None = None
    """None: the data set's own weak view."""
    resize: int | None = None
    """Side to which images are resized by nearest neighbour, batch by batch, in training and in scoring."""
    metrics: tuple[Metric, ...] = field(default_factory=default_metrics)
    """What predictions are scored by, after each epoch that is scored and on each split that is. They change
    no number of a run, so they are no part of what defines it."""
    select: str = "accuracy"
    """The name of the one among them that an epoch is selected by on the validation split."""
    score_every: int = 1
    """Epochs from one scoring to the next; the last epoch is scored in any case."""
    holdout: int = 0
    """Training images set apart for validation, with the given labels."""
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    """Of the task's passes, in training and in scoring; auto: float32 on a CPU, bfloat16 on a GPU."""
    layout: MemoryLayout = "channels_last"
    """Of networks and images in memory, which convolutions sum by: another one ends with other last bits."""
    settings: tuple[str, ...] = ()
    """Names of the settings that the file offers."""
    setting: str | None = None
    """The one that was chosen."""
    added: ClassVar[tuple[str, ...]] = ("layout", "score_every")
    """As `types.Plugin.added`."""

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise ValueError(f"epochs: must be >= 1, not {self.epochs}")
        if self.epochs > MOST_EPOCHS:
            raise ValueError(f"epochs: must be <= {MOST_EPOCHS}, not {self.epochs}")
        if self.holdout < 0:
            raise ValueError(f"holdout: must be >= 0, not {self.holdout}")
        if self.resize is not None and self.resize < 1:
            raise ValueError(f"resize: must be >= 1, not {self.resize}")
        if self.score_every < 1:
            raise ValueError(f"score_every: must be >= 1, not {self.score_every}")
        self._check_metrics()
        if self.precision not in ("auto", "float32", "bfloat16"):
            raise ValueError(f"precision: must be auto, float32 or bfloat16, not {self.precision!r}")
        if self.layout not in LAYOUTS:
            raise ValueError(f"layout: must be {' or '.join(LAYOUTS)}, not {self.layout!r}")

    def _check_metrics(self) -> None:
        names = [getattr(metric, "name", None) for metric in self.metrics]
        for metric, name in zip(self.metrics, names, strict=True):
            if not isinstance(name, str) or not re.fullmatch("[a-z0-9_]+", name):
                raise ValueError(
                    f"metrics: {type(metric).__name__}.name must be of lower-case letters, digits and _, "
                    f"not {name!r}"
                )
            if names.count(name) > 1:
                raise ValueError(f"metrics: {name} stands there twice")
        numbers = [metric.name for metric in self.metrics if not metric.detail_only]
        if self.select not in numbers:
            raise ValueError(
                f"select: must be the name of one of run.metrics ({', '.join(numbers) or _NONE}), not "
                f"{self.select!r}; add its metric there, or select by another"
            )

    @property
    def selecting(self) -> Metric:
        """The metric that an epoch is selected by."""
        return next(metric for metric in self.metrics if metric.name == self.select)

    @property
    def scored_by(self) -> tuple[Metric, ...]:
        """The metrics, the one that selects first: the order in which they are shown."""
        return tuple(sorted(self.metrics, key=lambda metric: metric.name != self.select))

    @property
    def spec(self) -> DatasetSpec:
        """The data set's, with the weak view and the size in force."""
        spec = self.dataset.spec
        weak = spec.weak if self.weak is None else self.weak
        size = spec.size if self.resize is None else self.resize
        return replace(spec, weak=weak, size=size)

    def unshared(self) -> str | None:
        """Why several processes cannot share the run; None where they can."""
        plugins: list[tuple[str, Task | Augmenter]] = [("task", self.task), *self.slots().items()]
        for name, plugin in plugins:
            if (reason := plugin.unshared()) is not None:
                return f"run.{name}: {type(plugin).__name__} cannot be shared among processes: {reason}"
        return None

    def slots(self) -> dict[SlotName, Augmenter]:
        return {slot: augmenter for slot in SLOTS if (augmenter := getattr(self, slot)) is not None}
