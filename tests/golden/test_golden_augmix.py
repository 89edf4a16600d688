"""AugMix against torchvision's on tensors (file O): operators that interpolate nothing, and the mixing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.golden_network import below
from torch import Tensor

from lpa3bench_plugins.augmenters.augmix import AugMix, ChainMixture, mix_chains
from lpa3bench_plugins.augmenters.image_ops import engine
from lpa3bench_plugins.augmenters.image_ops.torchvision_pools import aug_mix

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


def mixture(m: np.ndarray, w: np.ndarray) -> ChainMixture:
    """The recorded shares of B images; their chains are recorded, too, and none is drawn."""
    nothing = AugMix().choose(1, _Ones()).chains  # type: ignore[arg-type]
    return ChainMixture(nothing, torch.from_numpy(m), torch.from_numpy(w))


class _Ones:
    def uniform(self, size: tuple[int, ...]) -> Tensor:
        return torch.full(size, 0.5)

    def integers(self, size: tuple[int, ...], low: int, high: int) -> Tensor:
        return torch.full(size, low)


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
