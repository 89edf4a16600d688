"""Corruptions against what a released package makes of the same images with the same random numbers
(`recipe_corruptions.py`), before they are cut off to bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lpa3bench.data.corruptions import OPERATIONS
from lpa3bench.data.severities import CIFAR_C, IMAGENET_C
from lpa3bench.types import Corruption

GOLDEN = np.load(Path(__file__).parent / "P_corruptions.npz")
CHECKED: tuple[Corruption, ...] = (
    "gaussian_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur", "snow",
    "fog", "brightness", "contrast", "pixelate", "jpeg_compression",
)  # fmt: skip
PARTS = 32
"""Of a byte's step, in which images were stored."""


class Recorded:
    """Draws that were recorded, in their order."""

    def __init__(self, key: str) -> None:
        names = sorted(name for name in GOLDEN.files if name.startswith(f"{key}/draw"))
        self.waiting = [torch.from_numpy(GOLDEN[name]) for name in names]

    def _next(self, size: Any, *bounds: float, like: Tensor | None = None) -> Tensor:
        drawn = self.waiting.pop(0).reshape(tuple(size))
        return drawn if like is None else drawn.to(like)

    uniform = normal = integers = _next


def check(key: str, constants: tuple[float, ...]) -> None:
    """It makes the image that was stored, as near as that is."""
    kind: Any = key.partition("/")[0]
    draws: Any = Recorded(key)
    image = torch.from_numpy(GOLDEN[f"{key}/image"]).permute(2, 0, 1)[None]
    found = OPERATIONS[kind](image.double() / 255, constants, draws).clamp(0, 1) * 255
    assert draws.waiting == []
    apart = np.abs(found[0].permute(1, 2, 0).numpy() - GOLDEN[f"{key}/made"] / PARTS)
    assert apart.max() <= 0.5 / PARTS + 1e-3  # parts of the package work in float32


@pytest.mark.parametrize("severity", [1, 2, 5])
@pytest.mark.parametrize("kind", CHECKED)
def test_it_makes_the_released_images(kind: Corruption, severity: int) -> None:
    check(f"{kind}/{severity}", IMAGENET_C[kind][severity - 1])


@pytest.mark.parametrize(("severity", "alpha"), [(1, 0.05), (2, 0.065), (5, 0.12)])
def test_the_elastic_displacement_is_the_packages(severity: int, alpha: float) -> None:
    """Its own constants, without the affine part."""
    check(f"elastic_transform/{severity}", (250 * alpha * 0.005, 0.01, 0))


def test_the_affine_part_and_the_disc_of_cifar_c() -> None:
    check("elastic_transform/cifar1", CIFAR_C["elastic_transform"][0])
    check("defocus_blur/cifar5", CIFAR_C["defocus_blur"][4])
