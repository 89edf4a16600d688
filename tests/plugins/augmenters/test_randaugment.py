from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms import InterpolationMode, autoaugment

from lpa3bench.api import Context, DatasetSpec, WeakView
from lpa3bench.runtime.seeding import Draws
from lpa3bench.types import SLOTS
from lpa3bench_plugins.augmenters.image_ops import engine, published
from lpa3bench_plugins.augmenters.image_ops.engine import Choices
from lpa3bench_plugins.augmenters.randaugment import RandAugment


def context(seed: int) -> Context:
    nothing = cast("Any", None)
    return Context(
        model=nothing, logits=nothing, index=None, target=None, copies=1, spec=nothing, epoch=0, step=0,
        pass_no=0, draws=Draws(seed),
    )  # fmt: skip


def spec(size: int, crop: int | None = None) -> DatasetSpec:
    weak = WeakView(crop=crop)
    return DatasetSpec(name="x", num_classes=2, channels=1, size=size, mean=(0.5,), std=(0.5,), weak=weak)


@pytest.mark.parametrize("name", published.NAMES)
@given(shape=st.tuples(st.integers(1, 4), st.integers(1, 16), st.integers(1, 16)), seed=st.integers(0, 2**32))
def test_one_view_of_each_image_in_order(name: Any, shape: tuple[int, int, int], seed: int) -> None:
    x = torch.rand(7, *shape, generator=torch.Generator().manual_seed(seed))
    view = RandAugment(recipe=name).generate(x, context(seed))
    assert view.x.shape == x.shape
    assert view.x.dtype == x.dtype
    assert view.x.min() >= 0
    assert view.x.max() <= 1
    assert view.rows.tolist() == list(range(7))
    assert view.target is None


def test_the_seed_decides() -> None:
    x = torch.rand(32, 3, 8, 8)
    augmenter = RandAugment()
    first, same, other = (augmenter.generate(x, context(seed)).x for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    again = context(1)
    augmenter.generate(x, again)
    assert not torch.equal(augmenter.generate(x, again).x, first)


@pytest.mark.parametrize("name", published.NAMES)
def test_draws_follow_the_recipe(name: Any) -> None:
    recipe = RandAugment(recipe=name).recipe
    count = 20_000
    drawn = engine.choose_operations(recipe, count, Draws(0))
    pool, total = len(recipe.pool), count * recipe.layers

    def share(values: torch.Tensor, expected: float) -> None:
        spread = (expected * (1 - expected) / values.numel()) ** 0.5
        assert abs(values.double().mean().item() - expected) <= 5 * spread

    for place, entry in enumerate(recipe.pool):
        here = drawn.op == place
        share(here, 1 / pool)
        share(drawn.applied[here], entry.probability)
        share(drawn.negative[here], 0.5)
        for level in range(recipe.levels):
            share(drawn.level[here] == level, 1 / recipe.levels)
    groups = drawn.op.view(count, -1, recipe.together)
    assert (groups % recipe.together == torch.arange(recipe.together)).all()
    assert (groups // recipe.together == groups[:, :, :1] // recipe.together).all()
    if groups.shape[1] > 1:  # with replacement, layers apart
        share(groups[:, 0, 0] == groups[:, 1, 0], recipe.together / pool)
    assert drawn.centre.shape == (count, recipe.layers + 1, 2)
    assert (drawn.centre >= 0).all()
    assert (drawn.centre < 1).all()
    assert abs(drawn.centre.mean().item() - 0.5) < 0.01
    assert total == drawn.op.numel()


def test_released_and_paper_recipe_differ_in_probability_alone() -> None:
    released, paper = RandAugment().recipe, RandAugment(recipe="fixmatch_paper").recipe
    assert {entry.probability for entry in released.pool} == {0.5}
    assert {entry.probability for entry in paper.pool} == {1.0}
    assert [(e.op, e.values, e.mirrored) for e in released.pool] == [
        (e.op, e.values, e.mirrored) for e in paper.pool
    ]
    half, always = (engine.choose_operations(recipe, 500, Draws(4)) for recipe in (released, paper))
    assert torch.equal(half.op, always.op)
    assert torch.equal(half.centre, always.centre)
    assert always.applied.all()


@pytest.mark.parametrize(
    ("side", "given_side", "expected"), [(32, None, 16), (28, None, 14), (8, None, 4), (28, 16, 16)]
)
def test_cutout_is_half_the_side_unless_bound(side: int, given_side: int | None, expected: int) -> None:
    recipe = RandAugment(cutout=given_side).recipe
    assert recipe.cutout_side(side, side) == expected
    drawn = engine.choose_operations(recipe, 300, Draws(0))
    nothing = Choices(drawn.op, drawn.level, drawn.applied & False, drawn.negative, drawn.centre)
    out = engine.apply_recipe(torch.zeros(300, 1, side, side, dtype=torch.uint8), recipe, nothing)
    assert (out == 127).flatten(1).sum(1).max() == (expected + 1) ** 2  # both ends included


@pytest.mark.parametrize("name", published.NAMES)
def test_no_cutout(name: Any) -> None:
    recipe = RandAugment(recipe=name, cutout=0).recipe
    assert recipe.cutout_side(32, 32) == 0
    assert recipe.describe().endswith("then no cutout")
    default = RandAugment(recipe=name).recipe.cutout_side(32, 32)
    assert default == (16 if name.startswith("fixmatch") else 0)


def test_unsupported_where_the_box_hides_the_image() -> None:
    assert RandAugment().unsupported(spec(8), SLOTS["view"]) is None
    assert RandAugment(cutout=16).unsupported(spec(28), SLOTS["view"]) is None
    why = RandAugment(cutout=16).unsupported(spec(8), SLOTS["view"])
    assert why is not None
    assert "cutout of 16 pixels hides images of 8×8" in why
    assert RandAugment(cutout=16).unsupported(spec(32, crop=12), SLOTS["view"]) is not None


def test_the_domain_belongs_to_the_instance() -> None:
    assert RandAugment(domain="aux").bn_domain == "aux"
    assert RandAugment().bn_domain == RandAugment.bn_domain == "main"


def test_describe_lists_operators_and_magnitudes() -> None:
    text = RandAugment(n=3).describe()
    lines = text.splitlines()
    assert lines[0] == "fixmatch: 3 of 14 operators per image, drawn with replacement"
    assert len(lines) == 16
    assert "  Posterize     bits kept 4 4 5 5 6 6 6 7 7, with probability 0.5" in lines
    degrees = "3 6 9 12 15 18 21 24 27, or -3 -6 -9 -12 -15 -18 -21 -24 -27"
    assert f"  Rotate        degrees {degrees}, with probability 0.5" in lines
    assert lines[-1] == "then cutout, half the shorter side, colour (127, 127, 127)"
    assert "  Equalize" in RandAugment(recipe="torchvision").describe().splitlines()


def test_describe_shortens_many_levels_and_tells_pairs() -> None:
    wide = RandAugment(recipe="trivialaugment_wide").describe().splitlines()
    assert wide[0] == "trivialaugment_wide: 1 of 14 operators per image, drawn with replacement"
    assert "  Rotate         degrees 0 … 135 in 31 levels, or 0 … -135 in 31 levels" in wide
    pairs = RandAugment(recipe="autoaugment_imagenet").describe().splitlines()
    first = "autoaugment_imagenet: 1 of 25 sequences of 2 operators per image, drawn with replacement"
    assert pairs[:3] == [
        first,
        "  Posterize          bits kept 4, with probability 0.4",
        "  then Rotate        degrees 30, or -30, with probability 0.6",
    ]
    assert len(pairs) == 52


@pytest.mark.parametrize(("size", "refused"), [(32, False), (16, False), (15, True), (8, True)])
def test_unsupported_where_most_translations_empty_the_image(size: int, refused: bool) -> None:
    """TrivialAugment's by up to 32 pixels are drawn on 32-pixel images too, where published runs did so."""
    why = RandAugment(recipe="trivialaugment_wide").unsupported(spec(size), SLOTS["view"])
    assert why == (
        f"translations by 15 pixels and more empty images of {size}×{size}; take another recipe"
        if refused
        else None
    )
    assert RandAugment(recipe="autoaugment_cifar10").unsupported(spec(size), SLOTS["view"]) is None


def test_the_hash_tells_recipes_apart() -> None:
    several: list[dict[str, Any]] = [
        *({"recipe": name} for name in published.NAMES), {"n": 1}, {"cutout": 0}, {"cutout": 16},
        {"recipe": "generic", "magnitude": 10}, {"recipe": "trivialaugment_wide", "cutout": 16},
    ]  # fmt: skip
    hashes = {RandAugment(**parameters).recipe_hash for parameters in several}
    assert len(hashes) == len(several)
    assert RandAugment().recipe_hash == RandAugment(recipe="fixmatch", n=2).recipe_hash
    assert RandAugment(recipe="generic", magnitude=9).recipe_hash in hashes


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"recipe": "autoaugment"}, "recipe: must be one of fixmatch, fixmatch_paper, generic, torchvision"),
        ({"n": 0}, "n: must be >= 1, not 0"),
        ({"recipe": "trivialaugment_wide", "n": 1}, "n: must be None for recipe 'trivialaugment_wide'"),
        ({"recipe": "autoaugment_svhn", "n": 2}, "n: must be None for recipe 'autoaugment_svhn', which says"),
        ({"magnitude": 9}, "magnitude: must be None for recipe 'fixmatch', which has its own"),
        ({"recipe": "trivialaugment_wide", "magnitude": 9}, "magnitude: must be None for recipe 'trivial"),
        ({"recipe": "generic", "magnitude": 31}, "magnitude: must be from 0 to 30, not 31"),
        ({"recipe": "torchvision", "magnitude": -1}, "magnitude: must be from 0 to 30, not -1"),
        ({"cutout": -1}, "cutout: must be >= 0, not -1"),
        ({"domain": "both"}, "domain: must be 'main' or 'aux', not 'both'"),
    ],
)
def test_refuses_values_out_of_range(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        RandAugment(**parameters)


@pytest.mark.parametrize("size", [(32, 32), (28, 28), (20, 33)])
def test_torchvision_operator_by_operator(size: tuple[int, int]) -> None:
    """Every operator and sign at every third magnitude against torchvision's own result for PIL images."""
    height, width = size
    image = np.random.default_rng(0).integers(0, 256, (height, width, 3), dtype=np.uint8)
    space = autoaugment.RandAugment()._augmentation_space(31, (height, width))
    for magnitude in range(0, 31, 3):
        recipe = RandAugment(recipe="torchvision", n=1, magnitude=magnitude).recipe
        assert [entry.op for entry in recipe.pool] == list(space)
        place = torch.arange(2 * len(space))[:, None]
        negative = place >= len(space)
        drawn = Choices(
            op=place % len(space),
            level=torch.zeros_like(place),
            applied=torch.ones_like(negative),
            negative=negative,
            centre=torch.zeros(len(place), 2, 2, dtype=torch.float64),
        )
        batch = torch.from_numpy(image).permute(2, 0, 1).expand(len(place), -1, -1, -1)
        out = engine.apply_recipe(batch, recipe, drawn).permute(0, 2, 3, 1).numpy()
        for row, (name, (values, signed)) in enumerate([*space.items()] * 2):
            value = float(values[magnitude]) if values.ndim else 0.0
            if signed and row >= len(space):
                value = -value
            expected = autoaugment._apply_op(
                Image.fromarray(image), name, value, InterpolationMode.NEAREST, None
            )
            assert np.array_equal(out[row], np.asarray(expected)), (name, value)
