"""RandAugment against the released implementations as Pillow 13 runs them, byte by byte (C_randaugment)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from support.golden_files import DEVICE, placed
from support.recorded_draws import RecordedLogits, recorded
from torch import Tensor

from lpa3bench_plugins.augmenters.image_ops import cutout
from lpa3bench_plugins.augmenters.image_ops.engine import Choices, apply_recipe
from lpa3bench_plugins.augmenters.image_ops.recipes import Recipe
from lpa3bench_plugins.augmenters.randaugment import RandAugment
from lpa3bench_plugins.tasks.fixmatch import FixMatch

Golden = dict[str, np.ndarray]
WITHOUT_MAGNITUDE = {"AutoContrast", "Equalize", "Identity"}
SIGNED = {"Rotate", "ShearX", "ShearY", "TranslateX", "TranslateY"}


@pytest.fixture(scope="module")
def golden() -> Golden:
    with np.load(Path(__file__).parent / "C_randaugment.npz") as archive:
        return dict(archive)


def planar(images: np.ndarray) -> Tensor:
    """[..., H, W, C] to [..., C, H, W]."""
    return placed(images).movedim(-1, -3)


def choices(op: int, levels: list[int], *, negative: bool = False) -> Choices:
    """One image for each level, the same operator for all of them."""
    count = len(levels)
    return Choices(
        op=torch.full((count, 1), op),
        level=torch.tensor(levels)[:, None],
        applied=torch.ones(count, 1, dtype=torch.bool),
        negative=torch.full((count, 1), negative),
        centre=torch.zeros(count, 2, 2, dtype=torch.float64),
    )


def run(recipe: Recipe, image: np.ndarray, drawn: Choices) -> Tensor:
    return apply_recipe(planar(image).expand(len(drawn.op), -1, -1, -1), recipe, drawn)


def test_pool(golden: Golden) -> None:
    pool = RandAugment(recipe="fixmatch").recipe.pool
    assert [entry.op for entry in pool] == golden["randaug/op_name"].tolist()
    assert {entry.op for entry in pool if not entry.values} == WITHOUT_MAGNITUDE
    assert {entry.op for entry in pool if entry.mirrored} == SIGNED
    levels = golden["randaug/magnitude_v"]
    for entry in pool:
        key = f"randaug/param/{entry.op}"
        if entry.values:
            expected = golden.get(f"{key}_threshold", golden[key])
            assert [entry.values[v - 1] for v in levels] == expected.tolist(), entry.op


@pytest.mark.parametrize("image", ["natural", "noise"])
@pytest.mark.parametrize("place", range(14))
def test_fixmatch_operators(golden: Golden, place: int, image: str) -> None:
    recipe = RandAugment(recipe="fixmatch", n=1, cutout=0).recipe
    op = recipe.pool[place].op
    levels = [0] if op in WITHOUT_MAGNITUDE else [int(v) - 1 for v in golden["randaug/magnitude_v"]]
    for sign in ("pos", "neg") if op in SIGNED else ("pos",):
        out = run(recipe, golden[f"randaug/image/{image}"], choices(place, levels, negative=sign == "neg"))
        assert torch.equal(out, planar(golden[f"randaug/out/{op}/{image}/{sign}"])), sign


def test_every_fixmatch_output_is_compared(golden: Golden) -> None:
    keys = {key for key in golden if key.startswith("randaug/out/")}
    signs = {op: ("pos", "neg") if op in SIGNED else ("pos",) for op in golden["randaug/op_name"].tolist()}
    assert keys == {
        f"randaug/out/{op}/{image}/{sign}"
        for op, several in signs.items()
        for sign in several
        for image in ("natural", "noise")
    }


@pytest.mark.parametrize("place", range(16))
def test_generic_operators(golden: Golden, place: int) -> None:
    for row, magnitude in enumerate(golden["randaug_generic/m"].tolist()):
        recipe = RandAugment(recipe="generic", n=1, magnitude=magnitude).recipe
        assert [entry.op for entry in recipe.pool] == golden["randaug_generic/op_name"].tolist()
        entry = recipe.pool[place]
        if entry.op == "CutoutAbs":  # its box is drawn, so there is no recorded output
            assert entry.values == (magnitude / 30 * 40,)
            continue
        assert bool(entry.mirrored) == (f"randaug_generic/out/{entry.op}/neg" in golden)
        for sign in ("pos", "neg") if entry.mirrored else ("pos",):
            drawn = choices(place, [0], negative=sign == "neg")
            out = run(recipe, golden["randaug/image/natural"], drawn)
            expected = golden[f"randaug_generic/out/{entry.op}/{sign}"][row]
            assert torch.equal(out[0], planar(expected)), (magnitude, sign)


@pytest.mark.parametrize(("name", "image"), [("cutout32", "natural"), ("cutout28", "natural28")])
def test_cutout(golden: Golden, name: str, image: str) -> None:
    centre = torch.from_numpy(golden[f"randaug/{name}/centre_xy"])
    images = planar(golden[f"randaug/image/{image}"]).expand(len(centre), -1, -1, -1)
    box = cutout.boxes(centre, float(golden[f"randaug/{name}/side"]))
    out = cutout.paint(images, box.to(DEVICE), (127, 127, 127))
    assert torch.equal(out, planar(golden[f"randaug/{name}/out"]))


def test_whole_pipeline(golden: Golden) -> None:
    """Two operators and Cutout from recorded draws, all trials in one batch, in the slot of a run."""
    draws = torch.from_numpy(golden["randaug/pipeline/draws"])
    of_layer = draws[:, :8].reshape(-1, 2, 4)  # trial, layer, (operator, v, applied, sign)
    centre = torch.zeros(len(draws), 3, 2, dtype=torch.float64)
    centre[:, -1] = draws[:, 8:] / 32
    whole = iter([of_layer[..., 0], of_layer[..., 1] - 1, (of_layer[..., 3] < 0)])
    # An operator is applied where this is below one half.
    shares = iter([torch.where(of_layer[..., 2] > 0, 0.499, 0.5), centre])

    def integers(size: Sequence[int], low: int, high: int) -> Tensor:
        drawn = next(whole).long()
        assert drawn.shape == torch.Size(size)
        assert low <= int(drawn.min()) <= int(drawn.max()) < high
        return drawn

    drawn = SimpleNamespace(integers=integers, uniform=lambda size: next(shares).view(size))
    pair = torch.stack([planar(golden[f"randaug/image/{name}"]) for name in ("natural", "noise")])
    images = pair.repeat(len(draws) // 2, 1, 1, 1)
    env = recorded(
        FixMatch(),
        RecordedLogits(images.float(), torch.zeros(len(images), 10)),
        given=torch.zeros(len(images), dtype=torch.int64),
        num_classes=10,
        images=images.cpu(),
        draws={"augment/strong/net": drawn},
        slots={"strong": RandAugment()},
    )
    index = torch.arange(len(images), device=DEVICE)
    view = env.views("strong", env.models["net"], env.weak(index), index=index, target=None)
    assert view is not None
    assert view.rows.tolist() == index.tolist()
    assert torch.equal((view.x * 255).round().byte(), planar(golden["randaug/pipeline/out"]))
