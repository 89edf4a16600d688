"""A classifier: a backbone with the data set's normalisation in front, and its passes counted."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor

from lpa3bench.api import Backbone, DatasetSpec, Model, Output
from lpa3bench.errors import ConfigError, PluginError, blamed
from lpa3bench.nn.batchnorm import add_auxiliary, single_values
from lpa3bench.nn.mode import kept_mode
from lpa3bench.nn.normalisation import normalise
from lpa3bench.nn.syncbatchnorm import synchronise_batchnorm
from lpa3bench.runtime.distributed import ALONE, Processes
from lpa3bench.runtime.seeding import derive, seeded
from lpa3bench.training.image_passes import BACKWARD_IMAGE, BACKWARD_WEIGHTS, FORWARD, Passes
from lpa3bench.types import MemoryLayout


class Classifier(Model):
    """Takes images in [0, 1], normalises them as the data set says, and runs the backbone.

    Args:
        name: which of the task's networks it is.
        backbone: the network.
        spec: for mean and std.
        passes: where its passes are counted.
        layout: of the backbone's weights, which its images are then given in.
    """

    def __init__(
        self,
        name: str,
        backbone: Backbone,
        spec: DatasetSpec,
        passes: Passes,
        layout: MemoryLayout = "channels_last",
    ) -> None:
        super().__init__()
        self.name = name
        self.backbone = backbone
        self.passes = passes
        self.layout = layout
        dtype = next(backbone.parameters()).dtype
        for statistic, values in (("mean", spec.mean), ("std", spec.std)):
            self.register_buffer(
                statistic, torch.tensor(values, dtype=dtype).view(-1, 1, 1), persistent=False
            )

    def normalise(self, x: Tensor) -> Tensor:
        return normalise(self._laid_out(x), self.mean, self.std)

    def _laid_out(self, x: Tensor) -> Tensor:
        """Images come channels_last; `contiguous` would leave grey ones so, as they are both."""
        return x.flatten(1).view(x.shape) if self.layout == "contiguous" else x

    def forward(self, x: Tensor) -> Output:
        """The backbone's output for images [B, C, H, W] in [0, 1]."""
        return self.from_normalised(self.normalise(x))

    def from_normalised(self, z: Tensor) -> Output:
        z = self._laid_out(z)
        alone = len(z) == 1 and self.training
        with (
            blamed(f"{type(self.backbone).__name__}.forward"),
            single_values(self.backbone) if alone else nullcontext(),
        ):
            try:
                output: Output = self.backbone(z)
            except Exception as error:
                if (smallest := _smallest(self.backbone, z)) is None:
                    raise
                raise ConfigError(
                    f"run.backbone: images of {z.shape[-1]} pixels are too small for "
                    f"{type(self.backbone).__name__}, which needs {smallest}; take larger images, or "
                    f"run.resize = {smallest}"
                ) from error
        if not isinstance(output, Output):
            wrong = f"{type(self.backbone).__name__}.forward must return lpa3bench.Output"
            raise PluginError(f"{wrong}, not {type(output).__name__}")
        place, images = self.passes.place, len(z)
        self.passes.add(place, FORWARD, images)
        # The last feature map lies between the loss and all of the body: its gradient is computed once in
        # each backward pass through the body, and not at all where only the head is trained.
        last = output.features[-1] if output.features else output.logits
        if last.requires_grad:
            direction = BACKWARD_IMAGE if z.requires_grad else BACKWARD_WEIGHTS
            last.register_hook(  # type: ignore[no-untyped-call]
                lambda _: self.passes.add(place, direction, images)
            )
        return output


SIDES = (32, 64, 128, 224, 256, 299, 384, 512)
"""Sides in pixels of the images that networks are made for."""


def _smallest(backbone: Backbone, z: Tensor) -> int | None:
    """The side of the smallest images that a network takes; None where it takes those of z [B, C, H, W], or
    none of the larger sides either, so that its failure has another reason."""

    def takes(side: int) -> bool:
        try:
            backbone(z.new_zeros((1, z.shape[1], side, side)))
        except Exception:
            return False
        return True

    with torch.no_grad(), kept_mode(backbone):
        backbone.eval()
        too_small = z.shape[-1]
        if takes(too_small):
            return None
        enough = next((side for side in SIDES if side > too_small and takes(side)), None)
        while enough is not None and enough - too_small > 1:
            middle = (too_small + enough) // 2
            too_small, enough = (too_small, middle) if takes(middle) else (middle, enough)
        return enough


FORMATS: dict[MemoryLayout, torch.memory_format] = {
    "channels_last": torch.channels_last,
    "contiguous": torch.contiguous_format,
}


def build_networks(
    names: tuple[str, ...],
    backbone: Callable[..., Backbone],
    spec: DatasetSpec,
    *,
    seed: int,
    device: torch.device,
    auxiliary: bool,
    passes: Passes,
    layout: MemoryLayout = "channels_last",
    processes: Processes = ALONE,
) -> dict[str, Classifier]:
    """The networks of a run, each initialised from a seed of its own, on the CPU, whatever the device.

    With `auxiliary` every BatchNorm2d gets a second one beside it, which draws no random numbers: the
    networks start from the same weights with and without it. Each BatchNorm works on the batch of all
    `processes`.
    """
    models = {}
    for name in names:
        with seeded(derive(seed, "init", name)):
            network = backbone(num_classes=spec.num_classes, in_channels=spec.channels)
        synchronise_batchnorm(network, processes)
        if auxiliary:
            add_auxiliary(network)
        model = Classifier(name, network, spec, passes, layout)
        models[name] = model.to(device=device, memory_format=FORMATS[layout])  # type: ignore[call-overload]
    return models
