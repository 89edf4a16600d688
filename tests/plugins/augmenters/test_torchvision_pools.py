"""TrivialAugmentWide and AutoAugment against torchvision's own results for PIL images, byte by byte."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torchvision.transforms import InterpolationMode, autoaugment

from lpa3bench.runtime.seeding import Draws
from lpa3bench_plugins.augmenters.image_ops import engine
from lpa3bench_plugins.augmenters.image_ops.engine import Choices
from lpa3bench_plugins.augmenters.randaugment import RandAugment

SIZES = [(32, 32), (28, 28), (20, 33), (224, 224)]


def picture(height: int, width: int) -> np.ndarray:
    """Noise over a slope, so that operators on frequencies and on places all have something to do."""
    noise = np.random.default_rng(height).integers(0, 120, (height, width, 3))
    slope = np.linspace(0, 130, width).astype(int)[None, :, None]
    return (noise + slope).astype(np.uint8)


def through_the_engine(recipe: Any, image: np.ndarray, drawn: Choices) -> np.ndarray:
    batch = torch.from_numpy(image).permute(2, 0, 1).expand(len(drawn.op), -1, -1, -1)
    return engine.apply_recipe(batch, recipe, drawn).permute(0, 2, 3, 1).numpy()


def choices(op: Tensor, level: Tensor, negative: Tensor) -> Choices:
    centre = torch.zeros(len(op), op.shape[1] + 1, 2, dtype=torch.float64)
    return Choices(op, level, torch.ones_like(op, dtype=torch.bool), negative, centre)


@pytest.mark.parametrize("size", SIZES[:3])
def test_trivial_augment_operator_by_operator(size: tuple[int, int]) -> None:
    """Every operator, level and sign."""
    recipe = RandAugment(recipe="trivialaugment_wide").recipe
    space = autoaugment.TrivialAugmentWide()._augmentation_space(31)
    assert [entry.op.removesuffix("abs") for entry in recipe.pool] == list(space)
    assert recipe.levels == 31
    image = picture(*size)
    cases = [
        (place, level, sign)
        for place, (values, signed) in enumerate(space.values())
        for level in range(31 if values.ndim else 1)
        for sign in ((False, True) if signed else (False,))
    ]
    op, level, negative = (torch.tensor(part)[:, None] for part in zip(*cases, strict=True))
    out = through_the_engine(recipe, image, choices(op, level, negative))
    for row, (place, step, sign) in enumerate(cases):
        name = list(space)[place]
        values = space[name][0]
        value = float(values[step]) if values.ndim else 0.0
        expected = autoaugment._apply_op(
            Image.fromarray(image), name, -value if sign else value, InterpolationMode.NEAREST, None
        )
        assert np.array_equal(out[row], np.asarray(expected)), (name, step, sign)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("policy", [policy.value for policy in autoaugment.AutoAugmentPolicy])
def test_auto_augment_pair_by_pair(
    policy: Any, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every pair with every combination of signs, both operators applied, through torchvision's own class."""
    recipe = RandAugment(recipe=f"autoaugment_{policy}").recipe  # type: ignore[arg-type]
    transform = autoaugment.AutoAugment(autoaugment.AutoAugmentPolicy(policy))
    image = picture(*size)
    cases = [(pair, signs) for pair in range(25) for signs in ((0, 0), (0, 1), (1, 0), (1, 1))]
    op = torch.tensor([[2 * pair, 2 * pair + 1] for pair, _ in cases])
    negative = torch.tensor([signs for _, signs in cases]) == 0  # as torchvision counts them
    out = through_the_engine(recipe, image, choices(op, torch.zeros_like(op), negative))
    for row, (pair, signs) in enumerate(cases):
        given = (pair, torch.zeros(2), torch.tensor(signs))
        monkeypatch.setattr(transform, "get_params", lambda _, given=given: given)
        assert np.array_equal(out[row], np.asarray(transform(Image.fromarray(image)))), (pair, signs)


def test_auto_augment_as_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whole batches from our draws, each operator with its own probability."""
    recipe = RandAugment(recipe="autoaugment_cifar10").recipe
    policies = autoaugment.AutoAugment(autoaugment.AutoAugmentPolicy.CIFAR10)
    image = picture(32, 32)
    drawn = engine.choose_operations(recipe, 200, Draws(3))
    out = through_the_engine(recipe, image, drawn)
    for row, pair in enumerate((drawn.op[:, 0] // 2).tolist()):
        chance = torch.where(drawn.applied[row], 0.0, 2.0)
        given = (pair, chance, (~drawn.negative[row]).int())
        monkeypatch.setattr(policies, "get_params", lambda _, given=given: given)
        assert np.array_equal(out[row], np.asarray(policies(Image.fromarray(image)))), row
    assert 0 < drawn.applied.float().mean() < 1


@pytest.mark.parametrize("policy", [policy.value for policy in autoaugment.AutoAugmentPolicy])
def test_auto_augment_has_the_probabilities_of_the_policy(policy: str) -> None:
    recipe = RandAugment(recipe=f"autoaugment_{policy}").recipe  # type: ignore[arg-type]
    pairs = autoaugment.AutoAugment(autoaugment.AutoAugmentPolicy(policy)).policies
    operators = [operator for pair in pairs for operator in pair]
    assert [(entry.op, entry.probability) for entry in recipe.pool] == [(op, p) for op, p, _ in operators]
    assert (recipe.together, recipe.layers, len(recipe.pool)) == (2, 2, 50)
