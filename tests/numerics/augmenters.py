"""What every augmenter makes of images, LP-A3 with several options."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch

from lpa3bench.api import Augmenter, Slot
from lpa3bench.testing import Bystander
from lpa3bench_plugins.augmenters.augmix import AugMix
from lpa3bench_plugins.augmenters.compose import Compose
from lpa3bench_plugins.augmenters.cutmix import CutMix
from lpa3bench_plugins.augmenters.cutout import Cutout
from lpa3bench_plugins.augmenters.identity import Identity
from lpa3bench_plugins.augmenters.image_ops.published import GRADED, NAMES
from lpa3bench_plugins.augmenters.pgd import PGD
from lpa3bench_plugins.augmenters.randaugment import RandAugment
from lpa3bench_plugins.augmenters.vat import VAT
from numerics.fingerprints import Numbers, Scenario
from numerics.stage import DoubleInfoMin, DoubleLPA3, DoubleLPA3Fast, Pictures, begin, viewed

Make = Callable[[], Augmenter]
MAKERS: dict[str, Make] = {
    "LPA3/defaults": DoubleLPA3,
    "LPA3/released": partial(DoubleLPA3, select="dataset", ratio=0.7, margin=0.05, temperature=1.5),
    "LPA3/tcssl": partial(DoubleLPA3, tcs="tcssl", ratio=0.5, warmup_steps=2, domain="main", step_size=0.2),
    "LPA3/given labels": partial(DoubleLPA3, label="given", ratio=1.0, lam=2.0, margin=0.002, iterations=3),
    "LPA3/noise": partial(DoubleLPA3, iterations=0, ratio=1.0, start=0.05),
    "LPA3/steep": partial(DoubleLPA3, ratio=0.7, step_size=2.0, margin=0.001, probe=0.5, floor=0.01),
    "LPA3/none": partial(DoubleLPA3, ratio=0.0),
    "LPA3Fast/defaults": partial(DoubleLPA3Fast, ratio=0.25),
    "LPA3Fast/probed": partial(DoubleLPA3Fast, ratio=0.5, probe=0.1, iterations=2, lam=1.0, margin=0.1),
    "LPA3Fast/any": partial(DoubleLPA3Fast, select="random", ratio=0.4, decay=0.5, label="given"),
    "InfoMinStyle/rgb": partial(DoubleInfoMin, generator_lr=0.01, projection=8),
    "InfoMinStyle/ydbdr": partial(DoubleInfoMin, space="ydbdr", weight=0.5, generator_lr=0.01, domain="main"),
    "Cutout/centred": Cutout,
    "Cutout/fixmatch": partial(Cutout, box="fixmatch", fill="grey", side=9),
    "CutMix/always": partial(CutMix, probability=1.0),
    "CutMix/sometimes": partial(CutMix, alpha=0.5),
    "Compose/cut and searched": lambda: Compose(
        augmenters=(Cutout(side=7), DoubleLPA3(ratio=0.5, iterations=2), Identity())
    ),
    "Identity/plain": Identity,
    "PGD/defaults": PGD,
    "PGD/advprop": partial(PGD, domain="aux", noise=0.8, aim="target"),
    "PGD/l2": partial(PGD, norm="l2", epsilon=100.0, iterations=2, label="model", statistics="batch"),
    "AugMix/defaults": AugMix,
    "AugMix/strong": partial(AugMix, severity=10, width=2, depth=2, alpha=2, all_ops=True, domain="aux"),
    "VAT/defaults": VAT,
    "VAT/prediction": partial(VAT, target="prediction", iterations=2, radius=2.0, domain="aux"),
} | {f"RandAugment/{name}": partial(RandAugment, recipe=name) for name in NAMES}
MAKERS |= {
    f"RandAugment/{name}, strong": partial(RandAugment, recipe=name, n=3, magnitude=25, cutout=5)
    for name in GRADED
}


def scenarios() -> list[Scenario]:
    """Each through the guard, in slot `positives`: the one that takes all of them."""
    found = []
    for key, make in MAKERS.items():
        owner, _, name = key.partition("/")
        through = ("Cutout", "LPA3", "Identity") if owner == "Compose" else ()
        found.append(Scenario(owner, name, partial(_view, make), through))
    return [*found, Scenario("LPA3", "gradients off", _without_gradients)]


def _view(make: Make, slot: Slot = "positives") -> Numbers:
    return viewed(begin(Bystander(), {slot: make()}, epochs=1, dataset=Pictures), slot)


def _without_gradients() -> Numbers:
    """As a task asks for views while it predicts: in eval mode, of images outside any memory."""
    env = begin(Bystander(), {"strong": DoubleLPA3(ratio=1.0, iterations=2)}, epochs=1, dataset=Pictures)
    env.models["net"](env.images(torch.arange(env.size)))  # so that there are statistics
    with env.evaluating():
        return viewed(env, "strong", passes=1)
