"""What the trained representation Z of a run still tells of the label and of each known nuisance.

The paper's theorem 4.2 says which views make the best representation: those that keep what the image tells
of the label and of the rest as little as they can. Z is what the linear head of the trained network reads.
Probes bound from below what it tells of each target, as a card's do of images and views: see `card.probes`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from lpa3bench.analysis.card.probes import Reading, VectorProbe, bits, read_probe
from lpa3bench.analysis.known_nuisances import KnownNuisances, Painted, painted
from lpa3bench.analysis.trained_run import Trained
from lpa3bench.data.image_store import ImageStore
from lpa3bench.errors import UsageError
from lpa3bench.training.evaluation import BATCH
from lpa3bench.types import STILL

_DIGITS = 4
"""Decimals of bits: far below what probes differ by."""
_STILL = 1e-3
"""Standard deviation below which a representation counts as constant."""
_Bits = dict[str, list[float]]
"""By target, of each probe."""


def dataset_of(trained: Trained) -> KnownNuisances:
    """The data set of a run.

    Raises:
        UsageError: its nuisances are not known.
    """
    dataset = trained.config.experiment().dataset
    if not isinstance(dataset, KnownNuisances):
        raise UsageError(
            f"{trained.folder.path}: was trained on {trained.spec.name}, whose nuisances nobody knows; "
            "runs of nuisances_supervised have such as are known"
        )
    return dataset


def images_of(trained: Trained, part: str) -> Painted:
    """A part of the data set, of the size and on the device of the run's own images."""
    split, drawn = dataset_of(trained).part(part)
    store = ImageStore(split.images, STILL, trained.device, resize=trained.data.store.resize)
    x = store.plain(torch.arange(len(split.labels), device=trained.device))
    on_device = {name: value.to(trained.device) for name, value in drawn.items()}
    return Painted(x, split.labels.to(trained.device), on_device)


def head_input(trained: Trained, x: Tensor) -> Tensor:
    """Z: float32 [N, D], what the linear layer is given whose output are the logits of `trained.net`, the
    first of the networks that predict; in most backbones the last feature map, averaged over its places. In
    eval mode, through the main BatchNorm.

    Raises:
        UsageError: the logits are no linear layer's output.
    """
    seen: list[tuple[Tensor, Tensor]] = []
    hooks = [
        module.register_forward_hook(lambda _, given, output: seen.append((given[0], output)))
        for module in trained.net.backbone.modules()
        if isinstance(module, nn.Linear)
    ]
    found = []
    try:
        for part in torch.split(x, BATCH):
            seen.clear()
            logits = trained.logits(part).logits
            read = [z for z, out in seen if out.shape == logits.shape and torch.equal(out, logits)]
            if not read:
                raise UsageError(
                    f"{trained.folder.path}: the logits of {trained.config.names['backbone']} come from no "
                    "linear layer, so there is no representation that one reads"
                )
            found.append(read[-1].flatten(1).float())
    finally:
        for hook in hooks:
            hook.remove()
    return torch.cat(found)


def swapped_within_class(label: Tensor) -> Tensor:
    """For each image the place of the next one of its class, the last one's being the first: int64 [N]."""
    taken = torch.arange(len(label), device=label.device)
    for number in range(int(label.max()) + 1):
        mine = label == number
        taken[mine] = taken[mine].roll(1)
    return taken


def targets_of(dataset: KnownNuisances, images: Painted) -> dict[str, tuple[int, Tensor]]:
    """The label and the nuisances: how many values each has, and which one each image has."""
    nuisances = {name: (count, images.drawn[name]) for name, count in dataset.factors.items()}
    return {"label": (dataset.spec.num_classes, images.label), **nuisances}


def measure_representation(trained: Trained, *, calibrate: bool) -> dict[str, Any]:
    """Bits of every target in Z, by three small networks each.

    Probes learn on Z of the part "probe" and read Z of the part "test", so neither they nor the network were
    trained on a digit that is read.

    Args:
        calibrate: also read Z of images whose truth is known: each replaced by another of its class
            ("swapped": all of the label is there, nothing of the nuisances), and blank ones ("blank":
            nothing of either).

    Raises:
        UsageError: as `dataset_of` and `head_input`.
    """
    dataset = dataset_of(trained)
    learn, held = (images_of(trained, part) for part in ("probe", "test"))
    targets = targets_of(dataset, learn), targets_of(dataset, held)
    z, other = (head_input(trained, images.x) for images in (learn, held))
    result: dict[str, Any] = {
        "features": z.shape[1],
        "bits": read_targets(z, other, *targets, seed=trained.seed),
    }
    if calibrate:
        swapped = (z[swapped_within_class(learn.label)], other[swapped_within_class(held.label)])
        grey = [head_input(trained, torch.full_like(images.x, 0.5)) for images in (learn, held)]
        result["swapped"] = read_targets(*swapped, *targets, seed=trained.seed)
        result["blank"] = read_targets(grey[0], grey[1], *targets, seed=trained.seed)
    return result


def read_targets(
    z: Tensor,
    other: Tensor,
    learned: Mapping[str, tuple[int, Tensor]],
    asked: Mapping[str, tuple[int, Tensor]],
    *,
    seed: int,
) -> _Bits:
    """Bits of each target in vectors `other` [M, D], by probes that learn on `z` [N, D]. A feature that
    varies less than a twentieth of what all do counts for less."""
    scale = z.std().clamp_min(_STILL)
    return {
        name: _bits(
            read_probe(z / scale, target, other / scale, asked[name][1], values, seed=seed, probe=VectorProbe)
        )
        for name, (values, target) in learned.items()
    }


def measure_images(dataset: KnownNuisances, *, device: torch.device) -> dict[str, Any]:
    """What is known of the images themselves: the targets with their entropies in bits, and the bits that a
    convolutional probe reads off the pixels, as a card's do."""
    learn, held = (painted(dataset, part, device) for part in ("probe", "test"))
    asked = targets_of(dataset, held)
    readings = {
        name: read_probe(learn.x, target, held.x, asked[name][1], count, seed=0, count=1)
        for name, (count, target) in targets_of(dataset, learn).items()
    }
    return {
        "targets": [
            {"name": name, "values": asked[name][0], "entropy": round(bits(found[0].entropy), _DIGITS)}
            for name, found in readings.items()
        ],
        "images": {name: _bits(found) for name, found in readings.items()},
    }


def _bits(readings: list[Reading]) -> list[float]:
    return [round(bits(reading.nats), _DIGITS) for reading in readings]
