"""How much an image tells of a label or a nuisance, by small networks trained from scratch to read it off.

For any q, I(x; t) >= H(t) − E[−log q(t | x)] (Barber & Agakov, 2003): the entropy of a target less a probe's
cross-entropy on images that it was not trained on bounds the information from below. The bound is as tight
as the probe is good, so what it misses may be there all the same; the same probe with the same effort on x
and on x' makes the two comparable.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

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


@dataclass(frozen=True)
class Reading:
    """What one probe reads of one target in images that it was not trained on."""

    accuracy: float
    nats: float
    """H − cross-entropy; 0 where that is negative, because no less than nothing is told."""
    entropy: float
    """H in nats, by the frequencies in the images that are read."""


class _Probe(nn.Module):
    """Four convolutions, and a linear head for each target on what the last map holds and where it does."""

    def __init__(self, channels: int, classes: Mapping[str, int]) -> None:
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
        width = 96 * (_PLACES**2 + 1)
        self.heads = nn.ModuleDict({name: nn.Linear(width, count) for name, count in classes.items()})

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        last = self.body(x)
        where = F.adaptive_avg_pool2d(last, _PLACES).flatten(1)
        features = self.drop(torch.cat([where, last.amax((2, 3))], dim=1))
        return {name: head(features) for name, head in self.heads.items()}


def read_probe(
    images: Tensor,
    targets: Mapping[str, Tensor],
    held_out: Tensor,
    held_targets: Mapping[str, Tensor],
    classes: Mapping[str, int],
    *,
    seed: int,
) -> dict[str, list[Reading]]:
    """Train `SEEDS` probes on images and read the targets off others.

    A probe has one trunk for all targets; of each target the step with the least validation loss counts.

    Args:
        images, held_out: [N, C, H, W] and [M, C, H, W] in [0, 1].
        targets, held_targets: int64 [N] and [M], by name.
        classes: how many values each target has.
        seed: the probes' are derived from it.
    """
    found: dict[str, list[Reading]] = {name: [] for name in classes}
    for number in range(SEEDS):
        one = _read_once(
            images, targets, held_out, held_targets, classes, derive(seed, "card", "probe", str(number))
        )
        for name, reading in one.items():
            found[name].append(reading)
    return found


def _read_once(
    images: Tensor,
    targets: Mapping[str, Tensor],
    held_out: Tensor,
    held_targets: Mapping[str, Tensor],
    classes: Mapping[str, int],
    seed: int,
) -> dict[str, Reading]:
    draws = Draws(seed)
    order = draws.permutation(len(images))
    checked = order[: max(1, round(VALIDATION * len(order)))]
    trained = order[len(checked) :]
    centre = images.mean((0, 2, 3), keepdim=True)
    scale = images.std((0, 2, 3), keepdim=True).clamp_min(0.05)  # all images may be the same
    x, seen = (images - centre) / scale, (held_out - centre) / scale
    best: dict[str, tuple[float, Reading]] = {}
    with seeded(draws.child()):  # for the initialisation and drop-out
        probe = _Probe(images.shape[1], classes).to(images.device)
        optimiser = torch.optim.Adam(probe.parameters(), LR, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, LR, total_steps=STEPS)
        for step in range(STEPS):
            batch = trained[draws.integers((min(_BATCH, len(trained)),), 0, len(trained))]
            probe.train()
            logits = probe(x[batch])
            loss = torch.stack([F.cross_entropy(logits[t], targets[t][batch]) for t in classes]).sum()
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            schedule.step()
            if (step + 1) % LOOK_EVERY == 0:
                told = _evaluated(probe, x[checked])
                losses = {t: float(F.cross_entropy(told[t], targets[t][checked])) for t in classes}
                better = [t for t in classes if t not in best or losses[t] < best[t][0]]
                if better:
                    told = _evaluated(probe, seen)
                    best |= {t: (losses[t], _reading(told[t], held_targets[t], classes[t])) for t in better}
    return {name: reading for name, (_, reading) in best.items()}


@torch.no_grad()
def _evaluated(probe: _Probe, x: Tensor) -> dict[str, Tensor]:
    probe.eval()
    parts = [probe(part) for part in torch.split(x, 500)]
    return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}


def _reading(logits: Tensor, target: Tensor, classes: int) -> Reading:
    shares = torch.bincount(target, minlength=classes).double() / len(target)
    entropy = -float(torch.special.xlogy(shares, shares).sum())
    nats = entropy - float(F.cross_entropy(logits.double(), target))
    right = float((logits.argmax(1) == target).double().mean())
    return Reading(right, max(0.0, nats), entropy)


def bits(nats: float) -> float:
    """Of nats."""
    return nats / math.log(2)
