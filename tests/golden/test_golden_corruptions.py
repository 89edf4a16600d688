"""Corruptions against what a released package makes of the same images with the same random numbers
(`recipe_corruptions.py`): bytes, of which a few may be off by one, where float32 there was cut off lower."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from lpa3bench.data.corruptions import OPERATIONS
from lpa3bench.data.severities import CIFAR_C, IMAGENET_C, Corruption

GOLDEN = np.load(Path(__file__).parent / "P_corruptions.npz")
CHECKED: tuple[Corruption, ...] = (
    "gaussian_noise", "impulse_noise", "defocus_blur", "motion_blur", "zoom_blur", "snow", "fog",
    "brightness", "contrast", "pixelate", "jpeg_compression",
)  # fmt: skip
OFF_BY_ONE = 0.02
"""Share of the values."""


class Recorded:
    """Draws that were recorded, in their order."""

    def __init__(self, key: str) -> None:
        names = [name for name in GOLDEN.files if name.startswith(f"{key}/draw")]
        self._waiting = [torch.from_numpy(GOLDEN[name]) for name in sorted(names)]

    def _next(self, size: Any, *bounds: float, like: Tensor | None = None) -> Tensor:
        return self._waiting.pop(0).reshape(tuple(size))

    uniform = normal = integers = _next


def made(key: str, kind: Corruption, constants: tuple[float, ...]) -> np.ndarray:
    image = torch.from_numpy(GOLDEN[f"{key}/image"]).permute(2, 0, 1)[None]
    draws: Any = Recorded(key)
    found = OPERATIONS[kind](image.double() / 255, constants, draws)
    assert not draws._waiting
    return (found.clamp(0, 1) * 255).to(torch.uint8)[0].permute(1, 2, 0).numpy()


def apart(key: str, found: np.ndarray) -> np.ndarray:
    return np.abs(GOLDEN[f"{key}/made"].astype(int) - found.astype(int))


@pytest.mark.parametrize("severity", [1, 2, 5])
@pytest.mark.parametrize("kind", CHECKED)
def test_it_makes_the_released_images(kind: Corruption, severity: int) -> None:
    key = f"{kind}/{severity}"
    off = apart(key, made(key, kind, IMAGENET_C[kind][severity - 1]))
    assert off.max() <= 1
    assert (off > 0).mean() <= OFF_BY_ONE


@pytest.mark.parametrize("severity", [1, 2, 5])
def test_glass_moves_the_released_pixels(severity: int) -> None:
    """A byte that the first blur leaves off by one is spread by the second."""
    key = f"glass_blur/{severity}"
    off = apart(key, made(key, "glass_blur", IMAGENET_C["glass_blur"][severity - 1]))
    assert off.max() <= 1
    assert (off > 0).mean() <= OFF_BY_ONE


@pytest.mark.parametrize(("severity", "alpha"), [(1, 0.05), (2, 0.065), (5, 0.12)])
def test_the_elastic_displacement_is_the_packages(severity: int, alpha: float) -> None:
    """Its own constants, without the affine part."""
    key = f"elastic_transform/{severity}"
    off = apart(key, made(key, "elastic_transform", (250 * alpha * 0.005, 0.01, 0)))
    assert off.max() <= 1
    assert (off > 0).mean() <= OFF_BY_ONE


def test_the_affine_part_is_that_of_the_release() -> None:
    """OpenCV takes places to 1/32 of a pixel."""
    key = "elastic_transform/cifar1"
    off = apart(key, made(key, "elastic_transform", CIFAR_C["elastic_transform"][0]))
    assert off.mean() < 1
    assert off.max() <= 255 / 16


def test_the_disc_of_cifar_c() -> None:
    key = "defocus_blur/cifar5"
    off = apart(key, made(key, "defocus_blur", CIFAR_C["defocus_blur"][4]))
    assert off.max() <= 1
    assert (off > 0).mean() <= OFF_BY_ONE
