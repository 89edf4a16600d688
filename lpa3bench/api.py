"""What plugins implement; the data types that pass between them and the engine are in `lpa3bench.types`.

Letters used in shapes: N images in a data set, B in a batch, M views, K classes, C×H×W an image. Images are
float in [0, 1] everywhere outside a data set's storage; the model normalises.

Every plugin takes keyword-only hyper-parameters with type annotations, raises `ValueError` for a value out
of range with a message that opens with the parameter's name (`"margin: must be > 0"`), and does no work in
its constructor: what costs anything happens in `setup` or later.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from lpa3bench.data.sampler import Sampler
from lpa3bench.runtime.distributed import ALONE, Processes
from lpa3bench.runtime.seeding import Draws
from lpa3bench.runtime.state import Stateful
from lpa3bench.types import DatasetSpec as DatasetSpec
from lpa3bench.types import Domain as Domain
from lpa3bench.types import LabelSet as LabelSet
from lpa3bench.types import Output as Output
from lpa3bench.types import Phase as Phase
from lpa3bench.types import Slot as Slot
from lpa3bench.types import Split as Split
from lpa3bench.types import Step as Step
from lpa3bench.types import TrainLabels as TrainLabels
from lpa3bench.types import View as View
from lpa3bench.types import WeakView as WeakView


class Model(Protocol):
    """A backbone with the data set's normalisation in front. Called with images in [0, 1]."""

    name: str
    backbone: Backbone
    mean: Tensor
    """[C, 1, 1]"""
    std: Tensor
    """[C, 1, 1]"""

    def __call__(self, x: Tensor) -> Output: ...

    def normalise(self, x: Tensor) -> Tensor:
        """(x − mean)/std."""

    def from_normalised(self, z: Tensor) -> Output:
        """The backbone's output for an already normalised batch."""

    def parameters(self) -> Iterator[nn.Parameter]: ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]: ...


@dataclass(frozen=True)
class Context:
    """What an augmenter gets beside the images."""

    model: Model
    """Frozen, in the augmenter's own BatchNorm domain, in the mode (train or eval) that the task has set.
    Only for augmenters with `needs_model`."""
    logits: Callable[[Tensor], Output]
    """The model's output for images in [0, 1]."""
    index: Tensor | None
    """int64 [B], places in the training set; None: no memory is read or written, every image is treated."""
    target: Tensor | None
    """float [B, K]"""
    copies: int
    """How many views of the same samples `x` stacks (copy by copy); a memory takes their mean."""
    spec: DatasetSpec
    epoch: int
    step: int
    """Update steps done since the run began."""
    pass_no: int
    """Passes begun over the data that the batch was drawn from, counted from 0."""
    draws: Draws
    pool: Tensor | None = None
    """int64 [n], the places that batches like this one are drawn from; None: the whole training set."""
    processes: Processes = ALONE
    """Those that share the run: the images handed over are this one's rows of a batch."""


# ----------------------------------------------------------------------------------------------- interfaces
class Dataset(ABC):
    """A data set on the disk."""

    cache: Path | None = None
    """A folder beside the runs that `load` may make and write into; None: it must write nothing."""
    train_images: int | None = None
    """How many training images there are, where that is known without reading them."""

    @property
    @abstractmethod
    def spec(self) -> DatasetSpec:
        """What everybody may know of it; what is measured on its images is provisional before `load`."""

    @abstractmethod
    def load(self, root: Path) -> dict[str, Split]:
        """Read it from the data folder `root`: at least "train" and "test", and "val" where it has one.

        Raises:
            DataError: files are missing or damaged; nothing is ever downloaded here.
        """

    def verify(self, root: Path) -> dict[str, int]:
        """Check that it is whole, by its checksums where it has any, and count the images of each split.

        Raises:
            DataError: files are missing or damaged; the message names the file.
        """
        return {name: len(split.labels) for name, split in self.load(root).items()}

    def download(self, root: Path) -> None:
        """Fetch it into `root` through the library that owns it, because the user asked for it.

        Raises:
            DataError: the set has no source, or the fetch failed.
        """
        from lpa3bench.errors import DataError

        raise DataError(f"{self.spec.name} has no download; its files must be put into {root} by hand")


class Labels(ABC):
    """What the training labels are."""

    partial: bool = False
    """Whether it leaves most images without a label, by design."""
    root: Path | None = None
    """The data folder, for labels that are read from it; the engine sets it before anything is read."""
    seed: int = 0
    """Of the run, for labels that come as numbered trials (`draws` serves all others); set with `root`."""

    def content(self) -> bytes:
        """What it reads beside its parameters, such as a file of labels: a part of what defines a run."""
        return b""

    @abstractmethod
    def apply(self, clean: Tensor, *, num_classes: int, draws: Draws) -> LabelSet:
        """Make the labels of a run. `clean`: int64 [N], −1 for an image that comes without a label."""


class Metric(ABC):
    """A number that says how well a split was predicted, or a detail of it that is no number.

    A run computes its metrics (`run.metrics`) after every epoch, on each split that it scores, and once more
    from the stored predictions of a run that was trained before the metric was written.
    """

    name: str
    """What configs, records and boards call it: lower case, digits and "_", such as "balanced_accuracy". A
    parameter that changes the number changes the name: nothing else tells the two apart."""
    title: str
    """A few words, for a heading."""
    unit: str = ""
    """"%" for a share in [0, 1] that is shown as a percentage; else the unit of the number as it is."""
    higher_is_better: bool = True
    counts: bool = False
    """Whether it is a share of the images, k/N, so that a test can be exact on counts."""
    detail_only: bool = False
    """Whether it has a detail and no number: `compute` is not asked."""
    undefined: str = "it is not finite"
    """Why `compute` returns None, for the record."""

    @abstractmethod
    def compute(self, probs: Tensor, labels: Tensor) -> float | None:
        """The number; None where it is undefined.

        Args:
            probs: float32 [N, K] on the CPU, the predicted probabilities.
            labels: int64 [N] on the CPU, the clean labels.
        """

    def detail(self, probs: Tensor, labels: Tensor) -> Any:
        """What is no number, as lists and dicts of plain values; None: there is nothing. Asked once, at the
        end of the run, of the last epoch's predictions of the test split."""
        return None


class Backbone(nn.Module, ABC):
    """A network with features. Plain `nn.BatchNorm2d` inside; it knows nothing of views or domains.

    Subclasses take `num_classes` and `in_channels` and their own hyper-parameters, all keyword-only.
    """

    @abstractmethod
    def forward(self, x: Tensor) -> Output:
        """x: [B, C, H, W], normalised."""

    @abstractmethod
    def stages(self) -> list[nn.Module]:
        """The parts in order from stem to head; the last is the classification head."""


class Augmenter(Stateful, ABC):
    """Makes other views of images."""

    needs_model: bool = False
    """Whether `generate` calls the model; the engine then freezes it around the call."""
    bn_domain: Domain = "main"
    """The BatchNorm that its passes use and its views are trained through."""
    soft_targets: bool = False
    """Whether its views bring targets of their own (`View.target`); only slots that can use them take it."""

    def setup(self, env: Env) -> None:
        """Allocate what a run needs. Called once per (slot, model), on a copy of the bound augmenter."""

    def begin_epoch(self, epoch: int) -> None:
        """Called before each epoch."""

    def describe(self) -> str:
        """What a reader of a config should know beyond the parameters, in lines; `show` prints it."""
        return ""

    def unsupported(self, spec: DatasetSpec, slot: Slot) -> str | None:
        """Why it makes no sense for this data set in this slot; None where it does."""
        return None

    def unshared(self) -> str | None:
        """Why several processes cannot share a run with it; None where they can.

        They can where `generate`, called in each process with its own rows of a batch (perhaps none), makes
        what it would make of the whole batch: where no view depends on another row, where `ctx.draws` is
        asked for one number or one row of numbers for each image, however many of them, and where what
        must be known of all rows is gathered by `ctx.processes`.
        """
        return "it is not known to give the same numbers there; start it without torchrun"

    @abstractmethod
    def generate(self, x: Tensor, ctx: Context) -> View:
        """Views of x: [B, C, H, W] in [0, 1].

        Slots `view` and `strong` need one view of every row, in order; `positives` takes any ascending
        selection, an empty one too. Take gradients with `torch.autograd.grad` only, with respect to the
        image or to parameters of your own.
        """


class ViewFunction(Protocol):
    """How a task reaches the augmenter of a slot; see `lpa3bench.training.guard.Views`."""

    def __call__(
        self,
        slot: Slot,
        model: Model,
        x: Tensor,
        *,
        index: Tensor | None,
        target: Tensor | None,
        copies: int = 1,
        pass_no: int = 0,
        pool: Tensor | None = None,
    ) -> View | None: ...


class Env(Protocol):
    """What a task has to work with. Clean labels are not in it."""

    spec: DatasetSpec
    epochs: int
    """Epochs of the whole run."""
    device: torch.device
    size: int
    """N, training images."""
    labels: TrainLabels

    @property
    def views(self) -> ViewFunction:
        """The function that `update` gets too, for what happens between updates."""

    def model(self, name: str) -> Model:
        """The network of that name, one of `Task.models`."""

    def weak(self, index: Tensor) -> Tensor:
        """The ordinary training view [B, C, H, W] of training images, crop and flip drawn anew."""

    def images(self, index: Tensor) -> Tensor:
        """Training images as they are: [B, C, H, W] in [0, 1]."""

    def sampler(
        self, name: str, batch_size: int, subset: Tensor | None = None, *, drop_last: bool = True
    ) -> Sampler:
        """Shuffled passes over the training set or a subset of it, in the order named `name`."""

    def logits(self, model: Model, x: Tensor, domain: Domain = "main", *, slot: Slot | None = None) -> Output:
        """One forward pass in one BatchNorm domain, in the run's precision.

        `slot`: whose views these are, where it is a pass that the slot adds; it is then counted there.
        """

    def draws(self, name: str) -> Draws:
        """The random numbers of the component `name`; the same object at every call."""

    def autocast(self) -> AbstractContextManager[Any]:
        """The run's mixed precision, for losses computed outside `logits`."""

    def evaluating(self, *models: Model) -> AbstractContextManager[Any]:
        """Eval mode and no gradient inside the block, what was before after it."""

    def gather(self, x: Tensor) -> Tensor:
        """The rows of all processes, in order, without gradient; x itself in a single one."""

    def total(self, rows: int) -> int:
        """How many rows all processes have, of which this one has `rows`."""

    def weighted(self, mean: Tensor, rows: int) -> Tensor:
        """A mean over this process's rows (perhaps none), so weighted that its average over the processes is
        the mean over all rows; `mean` itself in a single one. For every term of a loss and for logs."""

    def backward(self, loss: Tensor) -> None:
        """Gradients of the loss, averaged over the processes."""


class Task(Stateful, ABC):
    """A training method: it owns losses, optimisers and schedules, and what else it needs between epochs.

    Name in `saved` what the next epoch depends on (optimisers, schedulers, splits, endless samplers); the
    networks and the random draws are the engine's.
    """

    slots: tuple[Slot, ...] = ()
    models: tuple[str, ...] = ("net",)
    soft_slots: tuple[str, ...] = ()
    """The slots in which a view may bring a target of its own (`View.target`)."""
    batch_size: int
    """A constructor parameter of every task."""

    def unsupported(self, spec: DatasetSpec, labels: Labels) -> str | None:
        """Why the task makes no sense for this data and these labels; None where it does."""
        return None

    def unshared(self) -> str | None:
        """Why several processes cannot share a run of it; None where they can.

        They can where `update`, called in each process with its own rows of a batch (perhaps none), makes the
        same calls in all of them, weights every mean over rows by `env.weighted`, and decides by nothing but
        what all of them know (`env.total`, `env.gather`).
        """
        return "it is not known to give the same numbers there; start it without torchrun"

    @abstractmethod
    def setup(self, env: Env) -> None:
        """Keep `env`, build optimisers."""

    @abstractmethod
    def phases(self, epochs: int) -> tuple[Phase, ...]:
        """The phases in order; asked after `setup`."""

    def begin_epoch(self, epoch: int) -> None:
        """Called before the batches of each epoch."""

    @abstractmethod
    def batches(self, epoch: int) -> Iterator[Step]:
        """The steps of one epoch. The next is drawn only after the last update."""

    @abstractmethod
    def update(self, step: Step, views: ViewFunction) -> dict[str, Tensor]:
        """One step of training. Returns 0-d tensors to log; the key "loss" is watched for NaN."""

    def end_epoch(self, epoch: int) -> None:
        """Called after the last update of each epoch: schedulers step here."""

    @abstractmethod
    def predict(self, x: Tensor) -> Tensor:
        """Class probabilities [B, K] of images in [0, 1]; called in eval mode without gradient."""
