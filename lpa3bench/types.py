"""The small data types that pass between plugins and the engine; `lpa3bench.api` has their names too.

Letters in shapes are those of `lpa3bench.api`. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import wraps
from inspect import signature
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NamedTuple, get_args

if TYPE_CHECKING:
    from pathlib import Path

    from torch import Tensor

    from lpa3bench.runtime.seeding import Draws

Domain = Literal["main", "aux"]
"""Which of a network's BatchNorm layers, and of their statistics, a pass goes through."""
SlotName = Literal["view", "strong", "positives"]
MemoryLayout = Literal["channels_last", "contiguous"]
"""How maps [B, C, H, W] lie in memory: all channels of a pixel together, or all pixels of a channel."""
LAYOUTS: tuple[MemoryLayout, ...] = get_args(MemoryLayout)
Weights = Literal["last", "best"]
"""Those of the last epoch, or of the one with the best validation score."""
Corruption = Literal[
    "gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur",
    "snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression",
]  # fmt: skip
CORRUPTIONS: tuple[Corruption, ...] = get_args(Corruption)
SEVERITIES = (1, 2, 3, 4, 5)
CORRUPTIONS_VERSION = 1
"""Raised where the same call no longer makes the same images, with that of the plugin `Corrupted`."""


@dataclass(frozen=True, kw_only=True)
class Slot:
    """A place in a task where an augmenter is bound: gin has it as `run.<name>`."""

    name: SlotName
    every_row: bool
    """Whether it takes a view of every row of the batch, in order; else any ascending selection of rows, an
    empty one too."""
    adds_loss: bool = False
    """Whether its views are trained on by a loss term of their own, beside the images they are views of; else
    they take the place of these."""
    auxiliary: bool = True
    """Whether its views may be trained through the auxiliary BatchNorm. Not where nothing else is trained on:
    the main one, which `predict` uses, would never be."""
    of_task: bool = False
    """Whether it is a part of one task, which has an augmenter there with every method that is compared."""

    def __str__(self) -> str:
        return self.name

    def label(self, augmenter: str) -> str:
        """What people call an augmenter that is bound here: `LPA3`, `RandAugment (view)`."""
        return augmenter if self.adds_loss else f"{augmenter} ({self.name})"


SLOTS: dict[SlotName, Slot] = {
    slot.name: slot
    for slot in (
        Slot(name="view", every_row=True, auxiliary=False),
        Slot(name="strong", every_row=True, of_task=True),
        Slot(name="positives", every_row=False, adds_loss=True),
    )
}
"""`view`: how the task draws its ordinary training view, after the weak view. `strong`: FixMatch's strong
view, SOP's second one. `positives`: the set A of the paper's Algorithm 1."""
SPLITS = ("train", "val", "test")
SCORED = SPLITS[1:]
"""The splits that a run is scored on; "val" only where there is one."""


def _remembering(init: Callable[..., None]) -> Callable[..., None]:
    """The constructor, which also leaves its arguments with the object."""
    known = signature(init)

    @wraps(init)
    def construct(self: Any, *args: Any, **given: Any) -> None:
        with suppress(TypeError):  # which the constructor itself is to raise
            _, *named = known.bind(self, *args, **given).arguments.items()
            vars(self).setdefault("_constructed_with", dict(named))  # the outermost constructor's
        init(self, *args, **given)

    construct.__signature__ = known  # type: ignore[attr-defined]  # gin does not look through wrappers
    return construct


class Plugin:
    """What a class of any kind may say of where it comes from, its own past included, so that old configs and
    records stay good.

    An object remembers what it was constructed with: handed over in Python, it becomes lines of a config.
    """

    version: ClassVar[int] = 1
    """Raised when its numbers change: the runs before and after are not those of one experiment."""
    renamed: ClassVar[dict[str, str]] = {}
    """Old name of a parameter → the one it has now."""
    added: ClassVar[tuple[str, ...]] = ()
    """Parameters that are younger than records of this class: at their defaults new records leave them out
    too, so that an old one and a new one differ in nothing."""
    paper: ClassVar[str] = ""
    """Address of what it was published in, read without importing the class; "": nowhere."""

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__init__" in vars(cls):
            cls.__init__ = _remembering(cls.__init__)  # type: ignore[method-assign]


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

    def __str__(self) -> str:
        """What it does to every training image, in a few words: "a shift of up to 1 pixel, filled with 0"."""
        filled = "by reflection" if self.mode == "reflect" else "with 0"
        pixels = f"{self.pad} pixel{'s' if self.pad != 1 else ''}"
        parts = ["a horizontal flip in half of the cases"] if self.flip else []
        if self.crop is not None:
            padded = f", padded by {pixels} {filled}" if self.pad else ""
            parts.append(f"a random crop of side {self.crop} of the image{padded}")
        elif self.pad:
            parts.append(f"a shift of up to {pixels}, filled {filled}")
        return ", then ".join(parts) or "nothing"


STILL = WeakView(flip=False, pad=0)
"""It leaves images as they are."""


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """What everybody may know of a data set."""

    name: str
    num_classes: int
    class_names: tuple[str, ...] = ()
    """In the order of the labels; empty: the classes have no names."""
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

    def __post_init__(self) -> None:
        if self.class_names and len(self.class_names) != self.num_classes:
            raise ValueError(
                f"class_names: must name {self.num_classes} classes, not {len(self.class_names)}"
            )

    @property
    def shown_names(self) -> tuple[str, ...]:
        """What the classes are called: by their numbers where they have no names."""
        return self.class_names or tuple(map(str, range(self.num_classes)))


class Split(NamedTuple):
    """One split of a data set, on the CPU."""

    images: Tensor
    """uint8 [N, C, H, W]"""
    labels: Tensor
    """int64 [N]; −1 in the training split for an image that comes without one."""
    ids: tuple[str, ...] | None = None
    """What the images are called, N names; None: their places in the split are all that tells them apart."""


@dataclass(frozen=True, kw_only=True)
class Presence:
    """What is known of a data set on the disk without reading its images."""

    problem: str | None = None
    """Why it is not there, or not whole, in one line; None: nothing speaks against it."""
    splits: dict[str, int] | None = None
    """Images of each split, where that is known."""
    size: int | None = None
    """Bytes of its files, where it has any."""


@dataclass(frozen=True, kw_only=True)
class LabelContext:
    """What labels are made with, beside the clean ones."""

    num_classes: int
    draws: Draws
    """Where random numbers come from."""
    root: Path
    """The data folder, for labels that are read from it."""
    seed: int
    """Of the run, for labels that come as numbered trials; `draws` serves all others."""
    ids: tuple[str, ...] | None = None
    """What the images are called (`Split.ids`)."""
    class_names: tuple[str, ...] = ()
    """What the classes are called (`DatasetSpec.class_names`)."""

    def shown_name(self, label: int) -> str:
        """What to call a class: by its number where it has no name."""
        return f"class {self.class_names[label] if self.class_names else label}"


@dataclass(frozen=True)
class LabelSet:
    """The training labels that a run is given."""

    given: Tensor
    """int64 [N]; where `labelled` is false the value means nothing."""
    labelled: Tensor
    """bool [N]"""
    info: dict[str, Any]
    """What was done, for the record (plain numbers and strings)."""
    notes: tuple[str, ...] = ()
    """What whoever starts the run should know of them, a line each."""


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
    twin: Tensor | None = None
    """[M, C, H, W] in [0, 1], second views of the same rows, where what the network says of both and of the
    image is to be compared (AugMix), rather than the views to be learnt by their label."""


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


@dataclass(frozen=True, slots=True)
class Guesses:
    """What a network makes of the images of a step, before it learns from them: what a `Policy` goes by.

    In a run that several processes share these are the rows of this one.
    """

    probs: Tensor
    """[M, K], the predictions for the weak views of unlabelled images, constant."""
    index: Tensor
    """int64 [M], their places in the training set."""
    labelled: Tensor
    """[B, K], those for the labelled images, constant."""


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
