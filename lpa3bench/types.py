"""The small data types that pass between plugins and the engine; `lpa3bench.api` has their names too.

Letters in shapes are those of `lpa3bench.api`. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from torch import Tensor

Domain = Literal["main", "aux"]
"""Which of a network's BatchNorm layers, and of their statistics, a pass goes through."""
Slot = Literal["view", "strong", "positives"]
"""A place in a task where an augmenter is bound.

`view`: how the task draws its ordinary training view, after the weak view. `strong`: FixMatch's strong view.
`positives`: the set A of the paper's Algorithm 1, an added loss term.
"""
SLOTS: tuple[Slot, ...] = ("view", "strong", "positives")
SCORED = ("val", "test")
"""The splits that a run is scored on; "val" only where there is one."""


class Output(NamedTuple):
    """What a backbone returns."""

    logits: Tensor
    """[B, K]"""
    features: tuple[Tensor, ...]
    """One map [B, C_i, H_i, W_i] per stage, from stem to head."""


@dataclass(frozen=True, kw_only=True)
class WeakView:
    """A data set's ordinary training view: horizontal flip, then a random crop of the padded image.

    `flip` flips with probability one half; `pad` is the padding in pixels on each side; `mode` what it is
    filled with; `crop` the side of the crop (None: the image's own).
    """

    flip: bool = True
    pad: int = 4
    mode: Literal["reflect", "constant"] = "reflect"
    crop: int | None = None

    def __post_init__(self) -> None:
        if self.pad < 0:
            raise ValueError(f"pad: must be >= 0, not {self.pad}")
        if self.mode not in ("reflect", "constant"):
            raise ValueError(f"mode: must be 'reflect' or 'constant', not {self.mode!r}")
        if self.crop is not None and self.crop < 1:
            raise ValueError(f"crop: must be >= 1, not {self.crop}")


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """What everybody may know of a data set."""

    name: str
    num_classes: int
    channels: int
    size: int
    """Side of the square images, in pixels."""
    mean: tuple[float, ...]
    """Per channel, of images in [0, 1]."""
    std: tuple[float, ...]
    label_kind: Literal["multi-class", "binary-class", "ordinal-regression"] = "multi-class"
    unlabelled: bool = False
    """Whether some training images come without a label."""
    weak: WeakView = field(default_factory=WeakView)


class Split(NamedTuple):
    """One split of a data set, on the CPU."""

    images: Tensor
    """uint8 [N, C, H, W]"""
    labels: Tensor
    """int64 [N]; −1 in the training split for an image that comes without one."""


@dataclass(frozen=True)
class LabelSet:
    """The training labels that a run is given."""

    given: Tensor
    """int64 [N]; where `labelled` is false the value means nothing."""
    labelled: Tensor
    """bool [N]"""
    info: dict[str, Any]
    """What was done, for the record (plain numbers and strings)."""


@dataclass
class View:
    """Views made by an augmenter: M of them, each naming the row of its batch that it was made from."""

    x: Tensor
    """[M, C, H, W] in [0, 1]"""
    rows: Tensor
    """int64 [M], places in the batch that was handed in, strictly ascending: one view of a row at most."""
    info: dict[str, Any] = field(default_factory=dict)
    """0-d tensors or numbers worth logging; the metrics have them as `<slot>/<name>`."""
    target: Tensor | None = None
    """[M, K], where the augmenter changes the label (CutMix); None: the label of the row."""
    domain: Domain = "main"
    """Which BatchNorm the view is to be trained through. The guard around `generate` sets it."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Places in the training set that one step works on: of several processes, this one's part of them."""

    index: Tensor
    """int64 [B]"""
    pass_no: int
    """Passes begun over the sampler's samples, counted from 0."""


class Step(NamedTuple):
    """What `Task.batches` yields: the work of one `update`."""

    phase: str
    batches: tuple[Batch, ...]
    time: float
    """Epochs done, with the fraction of this one: what ramps go by."""


class TrainLabels(NamedTuple):
    """The labels that a task may see, on the device."""

    given: Tensor
    """int64 [N]"""
    labelled: Tensor
    """bool [N]"""


class Phase(NamedTuple):
    """A stretch of a task's training.

    A phase runs from its first epoch up to the next phase's first; one that shares its first epoch with the
    next runs in that epoch alone, before it.
    """

    name: str
    first_epoch: int
    steps_per_epoch: int


def spans(phases: Sequence[Phase], epochs: int) -> list[range]:
    """The epochs of each phase in a run of so many epochs."""
    ends = [*(phase.first_epoch for phase in phases[1:]), epochs]
    return [
        range(phase.first_epoch, max(end, phase.first_epoch + 1))
        for phase, end in zip(phases, ends, strict=True)
    ]


def steps_in(phases: Sequence[Phase], epoch: int) -> int:
    """Steps that are planned for an epoch."""
    planned = zip(phases, spans(phases, epoch + 1), strict=True)
    return sum(phase.steps_per_epoch for phase, span in planned if epoch in span)
