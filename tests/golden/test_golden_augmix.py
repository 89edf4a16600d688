"""AugMix against torchvision's on tensors (file O): operators that interpolate nothing, and the mixing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.golden_files import DEVICE, placed
from support.golden_network import below, relative
from support.recorded_draws import RecordedLogits, recorded, tags
from torch import Tensor

from lpa3bench.api import Augmenter, Context, Step, View
from lpa3bench.data.sampler import Batch
from lpa3bench_plugins.augmenters.augmix import AugMix, DrawnChains, mix_chains
from lpa3bench_plugins.augmenters.image_ops import engine
from lpa3bench_plugins.augmenters.image_ops.torchvision_pools import aug_mix
from lpa3bench_plugins.tasks.supervised import Supervised

POINTWISE = (
    "Posterize", "Solarize", "AutoContrast", "Equalize", "Brightness", "Color", "Contrast", "Sharpness",
)  # fmt: skip
ROUNDED = {"AutoContrast": 0.03, "Sharpness": 0.03, "Contrast": 1.0, "Color": 1.0}
"""Of the bytes at most this share is off by one: our operators are Pillow's, whose mean grey is a whole
number and whose grey is made in fixed point."""


def archive(name: str) -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent / "O_augmix.npz") as stored:
        return below(stored, name)


def floats(images: np.ndarray) -> Tensor:
    return torch.from_numpy(images).float() / 255


def levels(images: Tensor) -> np.ndarray:
    return images.mul(255).round().to(torch.uint8).numpy()


def mixture(m: np.ndarray, w: np.ndarray) -> DrawnChains:
    """The recorded shares of B images; their chains are recorded, too, and none is drawn."""
    nothing = AugMix().choose(1, _Ones()).chains  # type: ignore[arg-type]
    return DrawnChains(nothing, torch.from_numpy(m), torch.from_numpy(w))


class _Ones:
    def uniform(self, size: tuple[int, ...]) -> Tensor:
        return torch.full(size, 0.5)

    def integers(self, size: tuple[int, ...], low: int, high: int) -> Tensor:
        return torch.full(size, low)


class Twins(Augmenter):
    """Makes the recorded pairs."""

    twins = True

    def __init__(self, first: Tensor, second: Tensor) -> None:
        self.pair = (first, second)

    def generate(self, x: Tensor, ctx: Context) -> View:
        first, second = (each.to(x) for each in self.pair)
        return View(first, torch.arange(len(x), device=x.device), twin=second)


def test_magnitudes_are_torchvisions() -> None:
    table = archive("magnitude")["32x32"]  # [13, 10], NaN where there are none
    pool = aug_mix(10, all_ops=True)
    with np.load(Path(__file__).parent / "O_augmix.npz") as stored:
        assert [entry.op for entry in pool] == stored["op_name"].tolist()
        assert [bool(entry.mirrored) for entry in pool] == stored["op_signed"].tolist()
    for entry, expected in zip(pool, table, strict=True):
        if not entry.values:
            assert np.isnan(expected).all()
            continue
        found = np.abs(entry.values) / (255 if entry.op == "Solarize" else 1)
        if entry.op.startswith("Translate"):
            found = np.trunc(found * 32)
            expected = np.trunc(expected)
        if entry.op in ("Brightness", "Color", "Contrast", "Sharpness"):
            found = found - 1
        np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("op", POINTWISE)
def test_operators_that_move_no_pixel(op: str) -> None:
    golden = archive("op/natural")
    with np.load(Path(__file__).parent / "O_augmix.npz") as stored:
        image = stored["image/natural"]
    recipe = AugMix(severity=10, depth=1, all_ops=True).recipe
    place = [entry.op for entry in recipe.pool].index(op)
    for negative, sign in ((False, "pos"), (True, "neg")):
        for number, expected in enumerate(golden.get(f"{op}/{sign}", ())):
            choices = engine.Choices(
                op=torch.tensor([[place]]),
                level=torch.tensor([[int(golden["bin"][number])]]),
                applied=torch.tensor([[True]]),
                negative=torch.tensor([[negative]]),
                centre=torch.zeros(1, 2, 2, dtype=torch.float64),
            )
            found = levels(engine.augment(floats(image)[None], recipe, choices))[0]
            apart = np.abs(found.astype(int) - expected.astype(int))
            assert apart.max() <= 1
            assert (apart > 0).mean() <= ROUNDED.get(op, 0)


@pytest.mark.parametrize("case", ["default", "partial_severity1"])
def test_the_mixing_is_exact(case: str) -> None:
    golden = archive(f"pipeline/{case}")
    assert golden["trials"] > 2
    for number in range(int(golden["trials"])):
        trial = below(golden, f"trial{number}")
        with np.load(Path(__file__).parent / "O_augmix.npz") as stored:
            image = stored[f"image/{trial['image']}"]
        found = mix_chains(
            floats(image)[None], floats(trial["chain_output"]), mixture(trial["m"][None], trial["w"][None])
        )
        assert np.array_equal(levels(found)[0], trial["result"])


def test_a_batch_has_weights_for_each_image() -> None:
    golden = archive("batch")
    chains = floats(golden["chain_output"]).flatten(0, 1)
    found = mix_chains(floats(golden["images"]), chains, mixture(golden["m"], golden["w"]))
    assert np.array_equal(levels(found), golden["result"])


@pytest.mark.parametrize("case", ["case0", "case1"])
def test_the_consistency_term_and_its_gradients(case: str) -> None:
    """Through the task's step, on recorded logits of images and of both their views."""
    stored = archive(f"jsd/{case}")
    kinds = ("clean", "aug1", "aug2")
    images = [tags(len(stored["targets"]), kind).double() / 255 for kind in range(3)]
    network = RecordedLogits(torch.cat(images), torch.cat([placed(stored[f"logits_{k}"]) for k in kinds]))
    task = Supervised(batch_size=len(images[0]), positives_weight=12.0)
    env = recorded(
        task,
        network,
        given=placed(stored["targets"]),
        num_classes=stored["logits_clean"].shape[1],
        views=[images[0].to(DEVICE)],
        slots={"positives": Twins(*images[1:])},
    )
    step = Step("train", (Batch(placed(np.arange(len(images[0]))), 0),), 0.0)
    logs = task.update(step, env.views)
    assert relative(logs["positives_loss"], stored["jsd"]) <= 1e-10
    assert relative(logs["loss"], stored["loss_total"]) <= 1e-10
    for kind, gradient in zip(kinds, network.gradient.chunk(3), strict=True):
        assert relative(gradient, stored[f"grad_logits_{kind}"]) <= 1e-10
