"""What the engine hands to plugins: views, samplers and draws. The engine subclasses these.

Letters in shapes are those of `lpa3bench.api`, which has these names too. Imports no torch.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lpa3bench.runtime.distributed import ALONE, Processes

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from lpa3bench.data.sampler import Sampler
    from lpa3bench.nn.backbone import Model
    from lpa3bench.runtime.seeding import Draws
    from lpa3bench.types import DatasetSpec, Domain, Output, SlotName, TrainLabels, View


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


class ViewFunction(ABC):
    """How a task reaches the augmenter of a slot."""

    @abstractmethod
    def __call__(
        self,
        slot: SlotName,
        model: Model,
        x: Tensor,
        *,
        index: Tensor | None,
        target: Tensor | None,
        copies: int = 1,
        pass_no: int = 0,
        pool: Tensor | None = None,
    ) -> View | None:
        """Views of x from the augmenter in `slot`; None where the slot is empty.

        Args:
            model: the network that is being trained on them.
            x: [B, C, H, W] in [0, 1]; `copies` views of the same samples stacked copy by copy.
            index: int64 [B], places in the training set, repeated per copy; None for images outside it.
            target: [B, K], what is known of the labels.
            pass_no: passes begun over the data that the batch was drawn from (`Batch.pass_no`).
            pool: int64 [n], those data; None: the whole training set.

        Raises:
            PluginError: the augmenter raised, or returned something of the wrong shape or dtype.
        """


class Env(ABC):
    """What a task has to work with. Clean labels are not in it."""

    spec: DatasetSpec
    epochs: int
    """Epochs of the whole run."""
    device: torch.device
    size: int
    """N, training images."""
    labels: TrainLabels
    views: ViewFunction
    """The function that `update` gets too, for what happens between updates."""

    @abstractmethod
    def model(self, name: str) -> Model:
        """The network of that name, one of `Task.models`."""

    @abstractmethod
    def weak(self, index: Tensor) -> Tensor:
        """The ordinary training view [B, C, H, W] of training images, crop and flip drawn anew."""

    @abstractmethod
    def images(self, index: Tensor) -> Tensor:
        """Training images as they are: [B, C, H, W] in [0, 1]."""

    @abstractmethod
    def sampler(
        self,
        name: str,
        batch_size: int,
        subset: Tensor | None = None,
        *,
        drop_last: bool = True,
        least: int | None = None,
    ) -> Sampler:
        """Shuffled passes over the training set, or over the samples in `subset` (int64 [n]).

        Args:
            name: of the order.
            drop_last, least: as of `Sampler`. None: 2 where a network cannot be trained on one image, because
                a BatchNorm of it would get a single value, else 1.
        """

    @abstractmethod
    def logits(
        self, model: Model, x: Tensor, domain: Domain = "main", *, slot: SlotName | None = None
    ) -> Output:
        """One forward pass in one BatchNorm domain, in the run's precision.

        `slot`: whose views these are, where it is a pass that the slot adds; it is then counted there.
        """

    @abstractmethod
    def draws(self, name: str) -> Draws:
        """The random numbers of the component `name`; the same object at every call."""

    @abstractmethod
    def autocast(self) -> AbstractContextManager[Any]:
        """The run's mixed precision, for losses computed outside `logits`."""

    @abstractmethod
    def evaluating(self, *models: Model) -> AbstractContextManager[Any]:
        """Eval mode and no gradient inside the block, what was before after it; all networks, where none is
        given."""

    @abstractmethod
    def gather(self, x: Tensor) -> Tensor:
        """The rows of all processes, in order, without gradient; x itself in a single one."""

    @abstractmethod
    def total(self, rows: int) -> int:
        """How many rows all processes have, of which this one has `rows`."""

    @abstractmethod
    def weighted(self, mean: Tensor, rows: int) -> Tensor:
        """A mean over this process's rows (perhaps none), so weighted that its average over the processes is
        the mean over all rows; `mean` itself in a single one. For every term of a loss and for logs."""

    @abstractmethod
    def backward(self, loss: Tensor) -> None:
        """Gradients of the loss, averaged over the processes."""
