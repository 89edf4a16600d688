"""How much an image tells of a label or a nuisance, by small networks trained from scratch to read it off.

For any q, I(x; t) >= H(t) − E[−log q(t | x)] (Barber & Agakov, 2003): the entropy of a target less a probe's
cross-entropy on images that it was not trained on bounds the information from below. The bound is as tight
as the probe is good, so what it misses may be there all the same; the same probe with the same effort on x
and on x' makes the two comparable. Each target has probes of its own: in a trunk that serves several, targets
that cannot be read off the views spoil what is read of the others, and not off the images.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lpa3bench.runtime.seeding import Draws, derive, seeded

STEPS = 400
_BATCH = 64
LOOK_EVERY = 40
"""Steps between two looks at the validation images."""
LR = 3e-3
VALIDATION = 0.15
"""Share of the training images that choose each probe's step."""
SEEDS = 3
_PLACES = 4
"""Side of the grid of places that a probe tells apart in its last map."""
_HIDDEN = 128


@dataclass(frozen=True)
class Reading:
    """What one probe reads of one target in images that it was not trained on."""

    accuracy: float
    nats: float
    """H − cross-entropy; 0 where that is negative, because no less than nothing is told."""
    entropy: float
    """H in nats, by the frequencies in the images that are read."""
    losses: Tensor = field(repr=False, compare=False)
    """float64 [M], in nats: each image's −log q(t | x), on the CPU."""


class ImageProbe(nn.Module):
    """Of images: four convolutions, and a linear head on what the last map holds and where it does."""

    def __init__(self, channels: int, classes: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for before, after, stride in ((channels, 24, 1), (24, 48, 2), (48, 64, 1), (64, 96, 2)):
            layers += [
                nn.Conv2d(before, after, 3, stride, padding=1, bias=False),
                nn.BatchNorm2d(after),
                nn.ReLU(),
            ]
        self.body = nn.Sequential(*layers)
        self.drop = nn.Dropout(0.2)
        self.head = nn.Linear(96 * (_PLACES**2 + 1), classes)

    def forward(self, x: Tensor) -> Tensor:
        last = self.body(x)
        where = F.adaptive_avg_pool2d(last, _PLACES).flatten(1)
        logits: Tensor = self.head(self.drop(torch.cat([where, last.amax((2, 3))], dim=1)))
        return logits


class VectorProbe(nn.Sequential):
    """Of vectors [N, D]: two hidden layers."""

    def __init__(self, features: int, classes: int) -> None:
        layers: list[nn.Module] = []
        for before in (features, _HIDDEN):
            layers += [nn.Linear(before, _HIDDEN, bias=False), nn.BatchNorm1d(_HIDDEN), nn.ReLU()]
        super().__init__(*layers, nn.Dropout(0.2), nn.Linear(_HIDDEN, classes))


def read_probe(
    images: Tensor,
    target: Tensor,
    held_out: Tensor,
    held_target: Tensor,
    classes: int,
    *,
    seed: int,
    probe: Callable[[int, int], nn.Module] = ImageProbe,
    count: int | None = None,
) -> list[Reading]:
    """Train probes on images and read a target off others.

    Args:
        images, held_out: [N, C, H, W] and [M, C, H, W] in [0, 1]; or vectors [N, D] and [M, D] of
            about that size.
        target, held_target: int64 [N] and [M].
        classes: how many values it has.
        seed: the probes' are derived from it.
        probe: makes one, given C or D and the number of classes.
        count: of probes; None: `SEEDS`.
    """
    seeds = [derive(seed, "card", "probe", str(number)) for number in range(count or SEEDS)]
    return [_read_once(images, target, held_out, held_target, classes, one, probe) for one in seeds]


def _read_once(
    images: Tensor,
    target: Tensor,
    held_out: Tensor,
    held_target: Tensor,
    classes: int,
    seed: int,
    make: Callable[[int, int], nn.Module],
) -> Reading:
    """The step with the least validation loss counts."""
    draws = Draws(seed)
    order = draws.permutation(len(images))
    checked = order[: max(1, round(VALIDATION * len(order)))]
    trained = order[len(checked) :]
    within = (0, *range(2, images.dim()))
    centre = images.mean(within, keepdim=True)
    scale = images.std(within, keepdim=True).clamp_min(0.05)  # all images may be the same
    x, seen = (images - centre) / scale, (held_out - centre) / scale
    least, best = math.inf, torch.zeros(0)
    with seeded(draws.child()):  # for the initialisation and drop-out
        probe = make(images.shape[1], classes).to(images.device)
        optimiser = torch.optim.Adam(probe.parameters(), LR, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LR, total_steps=STEPS)
        for step in range(STEPS):
            batch = trained[draws.integers((min(_BATCH, len(trained)),), 0, len(trained))]
            probe.train()
            loss = F.cross_entropy(probe(x[batch]), target[batch])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            if (step + 1) % LOOK_EVERY == 0 or step + 1 == STEPS:
                now = float(F.cross_entropy(_evaluated(probe, x[checked]), target[checked]))
                if now < least or not len(best):
                    least, best = now, _evaluated(probe, seen)
    return _reading(best, held_target, classes)


@torch.no_grad()
def _evaluated(probe: nn.Module, x: Tensor) -> Tensor:
    probe.eval()
    return torch.cat([probe(part) for part in torch.split(x, 500)])


def _reading(logits: Tensor, target: Tensor, classes: int) -> Reading:
    shares = torch.bincount(target, minlength=classes).double() / len(target)
    entropy = -float(torch.special.xlogy(shares, shares).sum())
    losses = F.cross_entropy(logits.double(), target, reduction="none").cpu()
    right = float((logits.argmax(1) == target).double().mean())
    return Reading(right, max(0.0, entropy - float(losses.mean())), entropy, losses)


def bits(nats: float) -> float:
    """Of nats."""
    return nats / math.log(2)
