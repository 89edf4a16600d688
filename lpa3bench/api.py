"""What plugins implement; what the engine hands them is in `lpa3bench.env`, the small data types that pass
between them in `lpa3bench.types`, and all names of both are here too.

Letters used in shapes: N images in a data set, B in a batch, M views, K classes, C×H×W an image. Images are
float in [0, 1] everywhere outside a data set's storage; the model normalises.

Every plugin takes keyword-only hyper-parameters with type annotations, raises `ValueError` for a value out
of range with a message that opens with the parameter's name (`"margin: must be > 0"`), and does no work in
its constructor: what costs anything happens in `setup` or later. Nothing is set on it from outside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lpa3bench.env import Context as Context
from lpa3bench.env import Env as Env
from lpa3bench.env import ViewFunction as ViewFunction
from lpa3bench.errors import DataError
from lpa3bench.runtime.state import Stateful
from lpa3bench.types import DatasetSpec as DatasetSpec
from lpa3bench.types import Domain as Domain
from lpa3bench.types import Guesses as Guesses
from lpa3bench.types import LabelContext as LabelContext
from lpa3bench.types import LabelSet as LabelSet
from lpa3bench.types import Output as Output
from lpa3bench.types import Phase as Phase
from lpa3bench.types import Plugin as Plugin
from lpa3bench.types import Presence as Presence
from lpa3bench.types import Slot as Slot
from lpa3bench.types import SlotName as SlotName
from lpa3bench.types import Split as Split
from lpa3bench.types import Step as Step
from lpa3bench.types import TrainLabels as TrainLabels
from lpa3bench.types import View as View
from lpa3bench.types import WeakView as WeakView

if TYPE_CHECKING:
    from torch import Tensor

    from lpa3bench.data.pixels import Decoder
    from lpa3bench.nn.backbone import Backbone as Backbone
    from lpa3bench.nn.backbone import Model as Model


def __getattr__(name: str) -> Any:
    """The names that need torch, which is imported when one of them is first used."""
    if name not in ("Backbone", "Model"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("lpa3bench.nn.backbone"), name)


class Dataset(Plugin, ABC):
    """A data set on the disk."""

    train_images: int | None = None
    """How many training images there are, where that is known without reading them."""

    @property
    @abstractmethod
    def spec(self) -> DatasetSpec:
        """What everybody may know of it; what is measured on its images is provisional before `load`."""

    @abstractmethod
    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        """Read it from the data folder `root`: at least "train" and "test", and "val" where it has one.

        Args:
            root: the data folder; nothing in it is changed.
            cache: a folder beside the runs that it may make and write into; None: it must write nothing.

        Raises:
            DataError: files are missing or damaged; nothing is ever downloaded here.
        """

    def present(self, root: Path) -> Presence:
        """Whether it is in the data folder, whole, and how large, as far as that is told without reading it.

        This one does read it, by `verify`: a data set of large files looks whether they are there and of the
        right size.
        """
        try:
            return Presence(splits=self.verify(root))
        except DataError as error:
            return Presence(problem=str(error))

    def verify(self, root: Path) -> dict[str, int]:
        """Check that it is whole, by its checksums where it has any, and count the images of each split.

        Raises:
            DataError: files are missing or damaged; the message names the file.
        """
        return {name: len(split.labels) for name, split in self.load(root).items()}

    def unofficial(self, root: Path) -> str | None:
        """Which of the files that `load` has just read are not those that its owners publish checksums of, in
        a few words; None: none, or there are no checksums. A run on others says so."""
        return None

    def warnings(self, root: Path) -> tuple[str, ...]:
        """What else is odd about what `load` has just read, a line each, such as files that were passed over.
        A run says so, and finds images that are in two splits by itself."""
        return ()

    def found(self, root: Path) -> Mapping[str, Mapping[str, int]]:
        """What there was in the files that `load` has just read, beside the images and labels it returned:
        counts, as {"passed over": {".gif": 2}}. A run starts with a summary of it, and of the images of each
        split and class, and its record keeps it; empty: the files are always the same."""
        return {}

    @property
    def decoder(self) -> Decoder:
        """What makes any image into one like its own: new ones are predicted so."""
        from lpa3bench.data.pixels import Decoder

        return Decoder(size=self.spec.size, channels=self.spec.channels)

    def download(self, root: Path) -> None:
        """Fetch it into `root` through the library that owns it, because the user asked for it.

        Raises:
            DataError: the set has no source, or the fetch failed.
        """
        raise DataError(f"{self.spec.name} has no download; its files must be put into {root} by hand")


class Labels(Plugin, ABC):
    """What the training labels are."""

    partial: bool = False
    """Whether it leaves most images without a label, by design."""

    def content(self, root: Path, seed: int) -> bytes:
        """What it reads beside its parameters, such as a file of labels: a part of what defines a run.

        Args:
            root, seed: as in `LabelContext`.
        """
        return b""

    @abstractmethod
    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        """Make the labels of a run. `clean`: int64 [N], −1 for an image that comes without a label."""


class Metric(Plugin, ABC):
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


class Policy(Plugin, Stateful, ABC):
    """Says how much each guess of a network, a pseudo label, counts in the loss of the task that it is bound
    to (`FixMatch.policy`).

    What it goes by is what it was shown, step by step; it draws no random numbers.
    """

    def setup(self, env: Env, pool: Tensor) -> None:
        """Allocate what a run needs.

        Args:
            pool: bool [N], the training images that guesses are made of.
        """

    def unshared(self) -> str | None:
        """Why several processes cannot share a run with it; None where they can.

        They can where what must be known of all rows is gathered by `env.gather`, and there is no `penalty`,
        which is not weighted by rows.
        """
        return "it is not known to give the same numbers there; start it without torchrun"

    @abstractmethod
    def weigh(self, guesses: Guesses) -> Tensor:
        """[M], how much each guess counts, at least 0, in the precision of the guesses. Asked once a step."""

    def penalty(self, logits: Tensor, weight: Tensor) -> Tensor | None:
        """A loss, a 0-d tensor, that is added to the task's; None: there is none. Asked after `weigh`.

        Args:
            logits: [M, K], of the strong views of the images of this step.
            weight: [M], what `weigh` made of their guesses.
        """
        return None


class Augmenter(Plugin, Stateful, ABC):
    """Makes other views of images."""

    needs_model: bool = False
    """Whether `generate` calls the model; the engine then freezes it around the call."""
    bn_domain: Domain = "main"
    """The BatchNorm that its passes use and its views are trained through."""
    soft_targets: bool = False
    """Whether its views bring targets of their own (`View.target`); only slots that can use them take it."""
    twins: bool = False
    """Whether its views come in pairs to be compared (`View.twin`); only slots that can do so take it."""

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

        Most slots need one view of every row, in order (`Slot.every_row`). Take gradients with
        `torch.autograd.grad` only, with respect to the image or to parameters of your own, and inside
        `torch.enable_grad()`: a task may ask for views where gradients are off, as while it predicts. What
        learns does so only where `torch.is_grad_enabled()`.
        """


class Task(Plugin, Stateful, ABC):
    """A training method: it owns losses, optimisers and schedules, and what else it needs between epochs.

    Name in `saved` what the next epoch depends on (optimisers, schedulers, splits, endless samplers); the
    networks and the random draws are the engine's.
    """

    slots: tuple[SlotName, ...] = ()
    models: tuple[str, ...] = ("net",)
    soft_slots: tuple[SlotName, ...] = ()
    """The slots in which a view may bring a target of its own (`View.target`)."""
    twin_slots: tuple[SlotName, ...] = ()
    """The slots whose views may come in pairs to be compared (`View.twin`)."""
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
