from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import PIL
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageEnhance, ImageOps
from torch import Tensor

from lpa3bench.runtime import device
from lpa3bench.runtime.seeding import Draws
from lpa3bench_plugins.augmenters.image_ops import cutout, engine, photometric, published
from lpa3bench_plugins.augmenters.image_ops.catalogue import OPERATORS
from lpa3bench_plugins.augmenters.image_ops.recipes import PoolEntry, Recipe

RECIPES = {
    name: published.build_recipe(name, layers=2, magnitude=9, cutout=cutout)
    for name, cutout in zip(published.NAMES, (None, 3, 0, 5, 0, 4, 0, None), strict=True)
}


def affine(image: Image.Image, *matrix: float) -> Image.Image:
    return image.transform(image.size, Image.Transform.AFFINE, matrix)


def solarize_add(image: Image.Image, amount: float) -> Image.Image:
    brighter = np.clip(np.asarray(image).astype(int) + int(amount), 0, 255).astype(np.uint8)
    return ImageOps.solarize(Image.fromarray(brighter), 128)


PILLOW: dict[str, Callable[[Image.Image, Any], Image.Image]] = {
    "AutoContrast": lambda image, _: ImageOps.autocontrast(image),
    "Brightness": lambda image, p: ImageEnhance.Brightness(image).enhance(p),
    "Color": lambda image, p: ImageEnhance.Color(image).enhance(p),
    "Contrast": lambda image, p: ImageEnhance.Contrast(image).enhance(p),
    "Equalize": lambda image, _: ImageOps.equalize(image),
    "Identity": lambda image, _: image,
    "Invert": lambda image, _: ImageOps.invert(image),
    "Posterize": lambda image, p: ImageOps.posterize(image, int(p)),
    "Rotate": lambda image, p: image.rotate(p),
    "Sharpness": lambda image, p: ImageEnhance.Sharpness(image).enhance(p),
    "ShearX": lambda image, p: affine(image, 1, p, 0, 0, 1, 0),
    "ShearY": lambda image, p: affine(image, 1, 0, 0, p, 1, 0),
    "Solarize": lambda image, p: ImageOps.solarize(image, p),
    "SolarizeAdd": solarize_add,
    "TranslateX": lambda image, p: affine(image, 1, 0, int(p * image.width), 0, 1, 0),
    "TranslateY": lambda image, p: affine(image, 1, 0, 0, 0, 1, int(p * image.height)),
    "TranslateXabs": lambda image, p: affine(image, 1, 0, p, 0, 1, 0),
    "TranslateYabs": lambda image, p: affine(image, 1, 0, 0, 0, 1, p),
}
"""Each operator, image by image."""

MAGNITUDES = {
    "factor": st.floats(0, 2, width=32),
    "bits kept": st.integers(1, 8),
    "threshold": st.integers(0, 256) | st.floats(0, 256),
    "amount added": st.integers(0, 110),
    "degrees": st.integers(-30, 30) | st.floats(-180, 180),
    "columns per row": st.floats(-0.5, 0.5),
    "rows per column": st.floats(-0.5, 0.5),
    "share of the width": st.floats(-1, 1),
    "share of the height": st.floats(-1, 1),
    "pixels": st.integers(-40, 40),
    "": st.just(0),
}


def pictures(count: int, channels: int, height: int, width: int, seed: int) -> Tensor:
    """Noise, in half of the images of few values, which Equalize and AutoContrast treat in their own way."""
    generator = torch.Generator().manual_seed(seed)
    images = torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator)
    images[::2] = images[::2] // 100 * 60 + 7
    return images


def shapes(channels: Any = (1, 3)) -> Any:
    return st.tuples(st.sampled_from(channels), st.integers(1, 20), st.integers(1, 20))


def apply(op: str, images: Tensor, value: float) -> Tensor:
    """One operator of one magnitude to all images, through the engine."""
    recipe = Recipe(name="one", pool=(PoolEntry(op=op, values=(value,)),), layers=1, levels=1, cutout=0)
    return engine.apply_recipe(images, recipe, engine.choose_operations(recipe, len(images), Draws(0)))


def with_pillow(op: str, images: Tensor, value: float) -> Tensor:
    out = []
    for image in images.permute(0, 2, 3, 1).numpy():
        picture = PILLOW[op](Image.fromarray(image.squeeze(2) if image.shape[2] == 1 else image), value)
        out.append(torch.from_numpy(np.array(picture)).view(image.shape))
    return torch.stack(out).permute(0, 3, 1, 2)


@pytest.mark.skipif(not PIL.__version__.startswith("13."), reason="bytes are those of Pillow 13")
@pytest.mark.parametrize("op", PILLOW)
@given(shape=shapes(), seed=st.integers(0, 2**32), data=st.data())
def test_operators_compute_what_pillow_does(op: str, shape: Any, seed: int, data: Any) -> None:
    images = pictures(3, *shape, seed)
    value = data.draw(MAGNITUDES[OPERATORS[op].unit])
    assert torch.equal(apply(op, images, value), with_pillow(op, images, value))


def test_every_operator_is_compared() -> None:
    assert {*PILLOW, "CutoutAbs"} == {*OPERATORS}
    assert {operator.unit for operator in OPERATORS.values()} <= {*MAGNITUDES, "side in pixels"}


@pytest.mark.parametrize("op", PILLOW)
@given(size=st.tuples(st.integers(1, 12), st.integers(1, 12)), seed=st.integers(0, 2**32), data=st.data())
def test_one_channel_is_like_three_equal_ones(op: str, size: Any, seed: int, data: Any) -> None:
    grey = pictures(2, 1, *size, seed)
    value = data.draw(MAGNITUDES[OPERATORS[op].unit])
    assert torch.equal(
        apply(op, grey.expand(-1, 3, -1, -1), value), apply(op, grey, value).expand(-1, 3, -1, -1)
    )


@given(st.sampled_from([2, 4, 5, 6]), st.integers(0, 2**32))
def test_other_channel_counts_fade_to_their_mean(channels: int, seed: int) -> None:
    images = pictures(3, channels, 4, 5, seed)
    mean = (images.double().mean(1, keepdim=True) + 0.5).floor().to(torch.uint8)
    assert torch.equal(photometric.color(images, torch.zeros(3, 1, 1, 1)), mean.expand_as(images))


@given(
    centre=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    side=st.integers(1, 25),
    channels=st.integers(1, 4),
)
def test_boxes(centre: tuple[float, float], size: tuple[int, int], side: int, channels: int) -> None:
    """Painted from corner to corner + side, both included; the corner limited to the image, nothing else."""
    height, width = size
    x, y = centre[0] * width, centre[1] * height
    images = torch.full((1, channels, height, width), 9, dtype=torch.uint8)
    box = cutout.boxes(torch.tensor([[x, y]], dtype=torch.float64), side)
    out = cutout.paint(images, box, (10, 200, 30))
    left, top = int(max(0, x - side / 2)), int(max(0, y - side / 2))
    expected = images.clone()
    colour = [10, 200, 30] if channels == 3 else [124] * channels  # 0.299·10 + 0.587·200 + 0.114·30
    expected[:, :, top : top + side + 1, left : left + side + 1] = torch.tensor(colour)[:, None, None]
    assert torch.equal(out, expected)


def test_boxes_in_the_pool_lie_around_their_own_centre() -> None:
    pool = (PoolEntry(op="CutoutAbs", values=(2.0,)),)
    recipe = Recipe(name="boxes", pool=pool, layers=1, levels=1, cutout=0)
    images = torch.zeros(64, 3, 9, 9, dtype=torch.uint8)
    drawn = engine.choose_operations(recipe, 64, Draws(3))
    out = engine.apply_recipe(images, recipe, drawn)
    box = cutout.boxes(drawn.centre[:, 0] * 9, 2)
    assert torch.equal(out, cutout.paint(images, box, (125, 123, 114)))
    assert len({tuple(row) for row in box.tolist()}) > 20


@pytest.mark.parametrize("name", RECIPES)
@given(
    shape=shapes((1, 2, 3, 5)), count=st.integers(0, 9), chunk=st.integers(1, 9), seed=st.integers(0, 2**32)
)
def test_images_do_not_depend_on_their_batch(
    name: str, shape: Any, count: int, chunk: int, seed: int
) -> None:
    recipe = RECIPES[name]
    x = pictures(count, *shape, seed) / 255
    drawn = engine.choose_operations(recipe, count, Draws(seed))
    whole = engine.augment(x, recipe, drawn)
    assert whole.shape == x.shape
    assert whole.dtype == torch.float32
    assert count == 0 or (whole.min() >= 0 and whole.max() <= 1)
    assert torch.equal(engine.augment(x, recipe, drawn, chunk=chunk), whole)


@pytest.mark.parametrize("name", RECIPES)
def test_operators_follow_one_another(name: str) -> None:
    """A batch with mixed operators against one image and one operator at a time."""
    recipe = RECIPES[name]
    images = pictures(60, 3, 11, 9, 5)
    drawn = engine.choose_operations(recipe, 60, Draws(1))
    before = images.clone()
    out = engine.apply_recipe(images, recipe, drawn)
    assert torch.equal(images, before), "the input was changed"
    for place, image in enumerate(images.split(1)):
        for layer in range(recipe.layers):
            entry = recipe.pool[drawn.op[place, layer]]
            values = entry.mirrored if entry.mirrored and drawn.negative[place, layer] else entry.values
            value = values[drawn.level[place, layer]] if values else 0.0
            if entry.op == "CutoutAbs" and drawn.applied[place, layer]:
                box = cutout.boxes(
                    drawn.centre[place, layer][None] * torch.tensor([9, 11]), torch.tensor([value])
                )
                image = cutout.paint(image, box, (125, 123, 114))
            elif drawn.applied[place, layer]:
                image = apply(entry.op, image, value)
        if side := recipe.cutout_side(11, 9):
            box = cutout.boxes(drawn.centre[place, -1][None] * torch.tensor([9, 11]), torch.tensor([side]))
            image = cutout.paint(image, box, recipe.colour)
        assert torch.equal(out[place], image[0])


def test_floats_come_back_on_the_levels_of_bytes() -> None:
    recipe = RECIPES["fixmatch"]
    images = pictures(50, 3, 8, 8, 2)
    drawn = engine.choose_operations(recipe, 50, Draws(2))
    expected = engine.apply_recipe(images, recipe, drawn) / 255
    for dtype in (torch.float32, torch.float64):
        x = (images.to(dtype) / 255).contiguous(memory_format=torch.channels_last)
        out = engine.augment(x, recipe, drawn)
        assert out.dtype == dtype
        assert torch.equal((out * 255).round(), (expected * 255).round().to(dtype))
    assert torch.equal(engine.augment(images / 255, recipe, drawn), expected)


@pytest.mark.parametrize("name", RECIPES)
def test_the_host_never_looks_at_an_image(name: str) -> None:
    """On a device without values, whatever needs one raises."""
    recipe = RECIPES[name]
    x = torch.empty(64, 3, 16, 16, device="meta")
    assert engine.augment(x, recipe, engine.choose_operations(recipe, 64, Draws(0))).shape == x.shape


@pytest.mark.gpu
@pytest.mark.parametrize("name", RECIPES)
def test_devices_agree(name: str) -> None:
    there = device.choose_device("auto")
    if there.type == "cpu":
        pytest.skip("PyTorch sees no GPU here")
    recipe = RECIPES[name]
    images = pictures(448, 3, 32, 32, 7)
    drawn = engine.choose_operations(recipe, 448, Draws(7))
    out = engine.apply_recipe(images.to(there), recipe, drawn)
    assert torch.equal(out.cpu(), engine.apply_recipe(images, recipe, drawn))


def test_large_images_are_warped_in_whole() -> None:
    """Positions that no longer fit 32 bits of fixed point."""
    column = torch.zeros(1, 1, 1, 1 << 16, dtype=torch.uint8)
    column[..., -1] = 200
    moved = apply("TranslateXabs", column, float((1 << 16) - 2))
    assert moved.flatten().nonzero().flatten().tolist() == [1]


def test_sources_worked_out_beforehand_and_for_the_batch_are_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = RECIPES["fixmatch"]
    images = pictures(64, 3, 9, 12, 5)
    drawn = engine.choose_operations(recipe, 64, Draws(2))
    out = engine.apply_recipe(images, recipe, drawn)
    engine._tables.cache_clear()
    monkeypatch.setattr(engine, "_SOURCES", 0)
    assert torch.equal(engine.apply_recipe(images, recipe, drawn), out)
    assert engine._tables(recipe, 3, 9, 12, images.device)[2].sources is None
    engine._tables.cache_clear()


def test_recipes_that_are_equal_share_their_tables_and_others_do_not() -> None:
    one, other = (published.build_recipe("generic", magnitude=magnitude) for magnitude in (9, 10))
    assert hash(one) == hash(other)  # only equality tells pools apart
    images = pictures(64, 3, 9, 9, 5)
    drawn = engine.choose_operations(one, 64, Draws(2))
    assert not torch.equal(engine.apply_recipe(images, one, drawn), engine.apply_recipe(images, other, drawn))
    again = published.build_recipe("generic", magnitude=9)
    tables = [engine._tables(each, 3, 9, 9, images.device) for each in (one, again, other)]
    assert tables[0] is tables[1] is not tables[2]
