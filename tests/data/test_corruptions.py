"""Corruptions of any images: their bytes, what they do, and their published constants."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from lpa3bench.data.corruptions import OPERATIONS, corrupted
from lpa3bench.data.severities import CIFAR_C, IMAGENET_C, strengths_of
from lpa3bench.data.weather import plasma
from lpa3bench.runtime.files import digest
from lpa3bench.runtime.seeding import Draws
from lpa3bench.types import CORRUPTIONS, CORRUPTIONS_VERSION, SEVERITIES, Corruption


def pictures(channels: int = 3, side: int = 16, count: int = 6) -> Tensor:
    """Smooth, with a bright square: uint8 [N, C, S, S]."""
    place = torch.linspace(0, 4, side)
    shades = torch.stack(
        [(place[:, None] + n + c).sin() * place.cos() for n in range(count) for c in range(channels)]
    )
    images = (shades * 70 + 110).view(count, channels, side, side)
    images[:, :, side // 4 : side // 2, side // 4 : side // 2] = 235
    return images.to(torch.uint8)


def distance(one: Tensor, other: Tensor) -> float:
    return float((one.double() - other.double()).square().mean())


@pytest.mark.parametrize("kind", CORRUPTIONS)
@pytest.mark.parametrize(("channels", "side"), [(1, 8), (3, 13), (2, 9)])
def test_any_images_keep_their_shape_and_change(kind: Corruption, channels: int, side: int) -> None:
    images = pictures(channels, side, count=2)
    before = images.clone()
    found = corrupted(images, kind, 5)
    assert (found.shape, found.dtype) == (images.shape, torch.uint8)
    assert torch.equal(images, before)
    assert not torch.equal(found, images)
    assert float(found.double().std()) > 0


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_an_image_may_be_a_single_pixel(kind: Corruption) -> None:
    for side in (1, 2):
        images = torch.full((2, 3, side, side), 100, dtype=torch.uint8)
        assert corrupted(images, kind, 5).shape == images.shape


@pytest.mark.parametrize("kind", CORRUPTIONS)
def test_the_same_call_makes_the_same_bytes_and_severity_5_changes_more_than_1(kind: Corruption) -> None:
    images = pictures(side=24)
    weak, strong = (corrupted(images, kind, severity) for severity in (1, 5))
    assert torch.equal(strong, corrupted(images, kind, 5))
    if kind == "elastic_transform":  # published so: from a far affine map to a fine displacement
        return
    assert distance(weak, images) < distance(strong, images)


def test_seeds_and_severities_draw_apart() -> None:
    images = pictures()
    first = corrupted(images, "gaussian_noise", 1)
    assert not torch.equal(first, corrupted(images, "gaussian_noise", 1, seed=1))
    shared = [corrupted(images, "gaussian_noise", s).double() - images.double() for s in (4, 5)]
    assert abs(float(torch.corrcoef(torch.stack(shared).flatten(1))[0, 1])) < 0.1


def test_grey_is_corrupted_as_grey_colour_is_by_what_draws_nothing() -> None:
    grey = pictures(channels=1)
    for kind in ("defocus_blur", "zoom_blur", "brightness", "contrast", "pixelate"):
        one, three = corrupted(grey, kind, 3), corrupted(grey.expand(-1, 3, -1, -1), kind, 3)
        assert torch.equal(one.expand(-1, 3, -1, -1), three), kind


def test_shot_noise_is_poisson() -> None:
    images = torch.full((1, 1, 200, 200), 102, dtype=torch.uint8)
    assert IMAGENET_C["shot_noise"][2] == (12,)
    counts = corrupted(images, "shot_noise", 3).double().div(255).mul(12).add(0.5).floor().flatten()
    mean = 12 * 102 / 255
    assert float(counts.mean()) == pytest.approx(mean, rel=0.02)
    assert float(counts.clamp(max=11).var()) == pytest.approx(mean, rel=0.05)
    expected = torch.distributions.Poisson(mean).log_prob(torch.arange(9.0)).exp()
    share = torch.bincount(counts.long())[:9] / counts.numel()
    assert torch.allclose(share.float(), expected, atol=0.01)


def test_noise_and_impulses_are_as_strong_as_published() -> None:
    grey = torch.full((4, 3, 32, 32), 128, dtype=torch.uint8)
    noisy = corrupted(grey, "gaussian_noise", 5).double() / 255
    assert float(noisy.std()) == pytest.approx(0.1, rel=0.03)
    hit = corrupted(grey, "impulse_noise", 5)
    assert float((hit != 128).double().mean()) == pytest.approx(0.07, rel=0.1)
    assert hit.unique().tolist() == [0, 128, 255]
    both = torch.full((2, 1, 128, 128), 128, dtype=torch.uint8)
    one, other = corrupted(both, "impulse_noise", 5).flatten(1)
    alike = (one == other)[(one != 128) & (other != 128)].double().mean()
    assert float(alike) == pytest.approx(0.5, abs=0.1), "salt and pepper are drawn for each image"
    red = torch.tensor([10, 0, 0], dtype=torch.uint8).view(1, 3, 1, 1)
    assert corrupted(red, "brightness", 2).flatten().tolist() == [int((10 / 255 + 0.1) * 255), 0, 0]
    brighter = corrupted(grey, "brightness", 2)
    assert brighter.unique().tolist() == [int((128 / 255 + 0.1) * 255)]


def test_constants_are_those_of_small_or_of_large_images() -> None:
    assert [strengths_of(side)[0] for side in (8, 32, 63, 64, 224)] == ["CIFAR-C"] * 3 + ["ImageNet-C"] * 2
    assert {*OPERATIONS} == {*CIFAR_C} == {*IMAGENET_C} == {*CORRUPTIONS}
    assert len(CORRUPTIONS) == 15
    for table in (CIFAR_C, IMAGENET_C):
        assert {len(constants) for constants in table.values()} == {len(SEVERITIES)}
    assert CIFAR_C["fog"][3] == (1, 2)
    assert CIFAR_C["jpeg_compression"] == ((80,), (65,), (58,), (50,), (40,))
    assert IMAGENET_C["glass_blur"][4] == (1.5, 4, 2)


def test_whoever_changes_a_constant_raises_the_version() -> None:
    """Scores of before are of other images then, and no longer taken."""
    assert (CORRUPTIONS_VERSION, digest(repr((CIFAR_C, IMAGENET_C)).encode())) == (1, "2e2c934f24196912")


def test_each_image_has_a_cloud_of_its_own_from_0_to_1() -> None:
    clouds = plasma(torch.zeros(5, 1, 16, 16, dtype=torch.float64), 2.0, Draws(0))
    assert torch.equal(clouds.amin((1, 2)), torch.zeros(5))
    assert torch.equal(clouds.amax((1, 2)), torch.ones(5))


@pytest.mark.parametrize("kind", ["shot_noise", "motion_blur", "fog"])
def test_parts_of_a_batch_draw_on(kind: Corruption, monkeypatch: pytest.MonkeyPatch) -> None:
    """Many images go through in parts; no two get the same noise."""
    images = pictures(channels=1, count=1).expand(4, -1, -1, -1)
    monkeypatch.setattr("lpa3bench.data.corruptions._AT_ONCE", 2 * 16 * 16)
    found = corrupted(images, kind, 5)
    assert len({image.numpy().tobytes() for image in found}) == 4
