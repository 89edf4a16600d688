"""FixMatch with LP-A3 written as one would write it first: what the engine's speed is compared with.

The same network, batch, losses and search, step for step, and none of what makes it fast: images are cut and
augmented one by one by Pillow in the workers of a `DataLoader`; the network keeps PyTorch's usual memory
layout; every inner iteration's backward pass goes through the parameters too; feature distances are left to
autograd; everything runs in bfloat16 autocast; the moving average goes from parameter to parameter, and the
loss is read in every step, as training scripts do to print it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from itertools import chain, repeat
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader
from views_parts.pillow import Views

from lpa3bench.attack import GRADIENT_EPSILON, Box, Options
from lpa3bench.attack.features import FEATURE_EPSILON
from lpa3bench.config.experiment import Experiment
from lpa3bench.nn.batchnorm import add_auxiliary, bn_domain

IMAGES, CLASSES = 10_000, 10
WORKERS = 8


class Labelled(Views):
    """A weak view and a label."""

    def __getitem__(self, place: int) -> tuple[Tensor, Tensor]:
        image = Image.fromarray(self._pictures[place])
        return self._finished(self._weak(image)), torch.tensor(place % CLASSES)


class PlainFixMatch:
    """What a `cells.Stage` of FixMatch with LP-A3 does, ready to step.

    Args:
        made: an experiment of FixMatch with LP-A3 in slot `positives`, for its hyper-parameters.
        device: where.
        autocast: makes the context that the whole step runs in.
        workers: of each of the two loaders.
        images: how many the made-up training set holds.
    """

    def __init__(
        self,
        made: Experiment,
        device: torch.device,
        *,
        autocast: Callable[[], AbstractContextManager[Any]],
        workers: int = WORKERS,
        images: int = IMAGES,
    ) -> None:
        task: Any = made.task
        augmenter: Any = made.positives
        self._task, self._options, self._ratio = task, augmenter.options, augmenter.ratio
        self._device, self._autocast = device, autocast
        net = made.backbone(num_classes=CLASSES, in_channels=3)
        add_auxiliary(net)
        self.net = net.to(device)
        self._average = copy.deepcopy(self.net).requires_grad_(False)
        self._sgd = torch.optim.SGD(
            net.parameters(), task.lr, task.momentum, weight_decay=task.weight_decay, nesterov=True
        )
        self._mean, self._std = (
            torch.tensor(values, device=device).view(-1, 1, 1) for values in (made.spec.mean, made.spec.std)
        )
        pictures = np.random.default_rng(0).integers(0, 256, (images, 32, 32, 3), dtype=np.uint8)
        self._labelled = endless(Labelled(pictures), task.batch_size, workers)
        self._unlabelled = endless(Views(pictures), task.mu * task.batch_size, workers)

    def advance(self) -> float:
        """One step; its loss."""
        x, label = next(self._labelled)
        weak, strong = next(self._unlabelled)
        z, weak, strong = ((part.to(self._device) - self._mean) / self._std for part in (x, weak, strong))
        label = label.to(self._device)
        with self._autocast():
            logits = self.net(torch.cat((z, weak, strong))).logits
            on_x, on_weak, on_strong = logits.split([len(z), len(weak), len(strong)])
            confidence, guess = on_weak.detach().softmax(1).max(1)
            loss = F.cross_entropy(on_x, label)
            loss = loss + confident(on_strong, guess, confidence >= self._task.threshold)
            # Which images are taken does not matter here; having no memory and scores favours this side.
            rows = torch.randperm(len(weak), device=self._device)[: round(self._ratio * len(weak))]
            with bn_domain(self.net, "aux"):
                hard = self._search(weak, rows)
                on_hard = self.net(hard).logits
            clear = confidence[rows] >= self._task.positives_threshold
            loss = loss + confident(on_hard, guess[rows], clear)
        self._sgd.zero_grad()
        loss.backward()
        self._sgd.step()
        with torch.no_grad():
            for kept, new in zip(self._average.parameters(), self.net.parameters(), strict=True):
                kept.mul_(self._task.ema_decay).add_(new, alpha=1 - self._task.ema_decay)
        return loss.item()

    def _search(self, weak: Tensor, rows: Tensor) -> Tensor:
        with torch.no_grad():
            output = self.net(weak)
        z, logits = weak[rows], output.logits[rows]
        features = [feature[rows] for feature in output.features]
        noise = torch.empty_like(z).uniform_(-self._options.start, self._options.start)
        box = Box.of(self._mean, self._std)
        return z + search(self.net, z, noise, logits, features, box, self._options)


def endless(pictures: Views, batch: int, workers: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches, for ever."""
    loader = DataLoader(
        pictures,
        batch,
        shuffle=True,
        drop_last=True,
        num_workers=workers,
        pin_memory=torch.cuda.is_available(),
        persistent_workers=workers > 0,
    )
    return chain.from_iterable(repeat(loader))


def confident(logits: Tensor, guess: Tensor, counts: Tensor) -> Tensor:
    """Cross-entropy with the guesses that count, over all of them."""
    return (F.cross_entropy(logits, guess, reduction="none") * counts).mean()


def search(
    net: nn.Module,
    z: Tensor,
    noise: Tensor,
    logits: Tensor,
    features: Sequence[Tensor],
    box: Box,
    options: Options,
) -> Tensor:
    """LP-A3's δ for normalised images z, as `lpa3bench.attack.search` finds it.

    Args:
        net: returns logits and features; gradients are added to its parameters.
        z, noise: [B, C, H, W].
        logits, features: the network's, of the images as they are; [B, K], [B, C_i, H_i, W_i].
        box: clamps z + δ.
        options: how to search.
    """
    label = logits.argmax(1)
    logp = label_logp(logits, label, options)
    phi = [unit(feature) for feature in features]
    delta = box.clamp(noise, z)
    for pace in options.schedule():
        delta = delta.detach().requires_grad_()
        output = net(z + delta)
        now = label_logp(output.logits, label, options)
        squares = [(unit(f) - p).square().sum((1, 2, 3)) for f, p in zip(output.features, phi, strict=True)]
        apart = torch.stack(squares).sum(0).sqrt()
        hinge = (logp - now - options.margin).relu()
        (pace.lam * hinge.mean() - apart.mean()).backward()
        with torch.no_grad():
            assert delta.grad is not None
            norm = delta.grad.flatten(1).norm(dim=1) + GRADIENT_EPSILON
            direction = delta.grad / norm.view(-1, 1, 1, 1)
            probed = label_logp(net(z + delta - options.probe * direction).logits, label, options)
            length = pace.budget / ((now - probed).abs() / options.probe + options.floor)
            delta = box.clamp(delta - length.view(-1, 1, 1, 1) * direction, z)
    return delta.detach()


def label_logp(logits: Tensor, label: Tensor, options: Options) -> Tensor:
    """Log-probability of the label: [B]."""
    return F.log_softmax(logits / options.temperature, 1).gather(1, label[:, None]).squeeze(1)


def unit(feature: Tensor) -> Tensor:
    """φ of one layer: [B, C, H, W] to the same."""
    places = feature.shape[2] * feature.shape[3]
    return feature / (feature.norm(dim=1, keepdim=True) + FEATURE_EPSILON) / places**0.5
