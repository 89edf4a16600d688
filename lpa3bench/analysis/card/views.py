"""Views for a card: made by the engine's own guard, against a frozen network, of images it was not given."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lpa3bench.analysis.interception import Guard
from lpa3bench.analysis.trained_run import Trained
from lpa3bench.api import Augmenter, Domain, SlotName
from lpa3bench.errors import RunFailed, blamed
from lpa3bench.nn.batchnorm import add_auxiliary
from lpa3bench.ops import one_hot
from lpa3bench.runtime import device as devices
from lpa3bench.runtime.seeding import derive
from lpa3bench.training.image_passes import BACKWARD_IMAGE, FORWARD


@dataclass(frozen=True)
class Viewed:
    """Views, each beside the image that it was made of."""

    x: Tensor
    """float [N, C, H, W] in [0, 1]"""
    view: Tensor
    """float [N, C, H, W] in [0, 1]"""
    rows: Tensor
    """int64 [N], the images' places among those that were handed in."""
    label: Tensor
    """int64 [N], of the images."""
    target: Tensor
    """float [N, K], of the views: the image's own, unless the augmenter brings another (CutMix)."""
    domain: Domain
    """The BatchNorm that the views are for."""
    forward: float
    """Image passes through the network for each image that was handed in."""
    backward: float
    """Passes back to the image, likewise."""
    seconds: float
    """Of the clock, likewise: the augmenter with the guard's checks around it."""

    @property
    def view_label(self) -> Tensor:
        """int64 [N], the class that each view stands for."""
        return self.target.argmax(1)


class Maker:
    """An augmenter at work on one network, with what it learned in a run of its own.

    Where the augmenter wants an auxiliary BatchNorm and the network was trained without one, a copy of the
    main one stands in for it, so that the network is the same function in both domains.

    Args:
        trained: whose network is attacked.
        augmenter: with its parameters.
        slot: in which it makes views.
        state: as of `cardruns.state_of`; None: it has learned nothing.

    Raises:
        RunFailed: the state does not fit this network or data set.
    """

    def __init__(
        self, trained: Trained, augmenter: Augmenter, slot: SlotName, state: dict[str, Any] | None
    ) -> None:
        if augmenter.bn_domain == "aux":
            add_auxiliary(trained.net)
        self.trained = trained
        self._slot: SlotName = slot
        self._guard = Guard({slot: augmenter}, trained.env, epoch=trained.epochs_done)
        augmenters = {f"{slot}/{name}": state for name in trained.env.models}
        try:
            with blamed(f"{type(augmenter).__name__}: setup"):
                self._guard.setup(
                    trained.env, None if state is None else {"augmenters": augmenters, "asked": []}
                )
        except RuntimeError as error:
            raise RunFailed(
                f"{type(augmenter).__name__}: what it learned does not fit {trained.folder.path} ({error})"
            ) from error

    def views(self, x: Tensor, label: Tensor, *, seed: int, name: str) -> Viewed:
        """Views of images [N, C, H, W] with labels int64 [N], batch by batch as the task would.

        Args:
            seed: of the card.
            name: of the images; each set draws on its own.

        Raises:
            PluginError: the augmenter failed, or returned no images.
            RunFailed: it returned nothing at all.
        """
        trained, counts = self.trained, self._counts()
        classes, size = trained.spec.num_classes, trained.task.batch_size
        views, rows, targets = [], [], []
        devices.synchronise_device(trained.device)
        start = time.perf_counter()
        for first in range(0, len(x), size):
            batch, target = x[first : first + size], one_hot(label[first : first + size], classes)
            drawn = derive(seed, "card", name, str(first))
            view = self._guard(self._slot, trained.net, batch, target, seed=drawn)
            views.append(view.x)
            rows.append(view.rows + first)
            targets.append(target[view.rows] if view.target is None else view.target)
        devices.synchronise_device(trained.device)
        seconds = time.perf_counter() - start
        forward, backward = (after - before for before, after in zip(counts, self._counts(), strict=True))
        taken = torch.cat(rows)
        if len(taken) == 0:
            raise RunFailed(f"slot {self._slot}: the augmenter made no view of {len(x)} images")
        return Viewed(
            x=x[taken],
            view=torch.cat(views),
            rows=taken,
            label=label[taken],
            target=torch.cat(targets),
            domain=view.domain,
            forward=forward / len(x),
            backward=backward / len(x),
            seconds=seconds / len(x),
        )

    def _counts(self) -> tuple[int, int]:
        """Passes so far, forward and back to the image."""
        places = self.trained.net.passes.counts.values()
        return sum(row[FORWARD] for row in places), sum(row[BACKWARD_IMAGE] for row in places)


def learned(state: Any) -> bool:
    """Whether there is any tensor in an augmenter's state: it has learned or remembered something."""
    if isinstance(state, Tensor):
        return True
    if isinstance(state, dict):
        return any(map(learned, state.values()))
    return isinstance(state, list | tuple) and any(map(learned, state))
