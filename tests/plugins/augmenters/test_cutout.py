from __future__ import annotations

from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.hostsync import HostSyncs

from lpa3bench.api import Context, DatasetSpec, WeakView
from lpa3bench.runtime.seeding import Draws
from lpa3bench.types import SLOTS
from lpa3bench_plugins.augmenters.cutout import GREY, Cutout
from lpa3bench_plugins.augmenters.image_ops import cutout

MEAN = (0.5, 0.25, 0.125)


def spec(size: int, crop: int | None = None) -> DatasetSpec:
    weak = WeakView(crop=crop)
    return DatasetSpec(name="x", num_classes=2, channels=3, size=size, mean=MEAN, std=(1.0,) * 3, weak=weak)


def context(seed: int = 0) -> Context:
    nothing = cast("Any", None)
    return Context(
        model=nothing, logits=nothing, index=None, target=None, copies=1, spec=spec(8), epoch=0, step=0,
        pass_no=0, draws=Draws(seed),
    )  # fmt: skip


@given(
    centre=st.tuples(st.floats(0, 0.999), st.floats(0, 0.999)),
    size=st.tuples(st.integers(1, 20), st.integers(1, 20)),
    half=st.integers(1, 12),
)
def test_the_centred_box_is_that_of_the_original(
    centre: tuple[float, float], size: tuple[int, int], half: int
) -> None:
    """Rows and columns centre − half … centre + half − 1, each limited to the image."""
    height, width = size
    x, y = centre[0] * width, centre[1] * height
    box = cutout.centred_boxes(torch.tensor([[x, y]], dtype=torch.float64), 2 * half)
    expected = torch.zeros(1, 1, height, width, dtype=torch.uint8)
    rows = slice(max(0, int(y) - half), min(height, int(y) + half))
    columns = slice(max(0, int(x) - half), min(width, int(x) + half))
    expected[:, :, rows, columns] = 255
    assert torch.equal(cutout.inside(box, height, width), expected)


@pytest.mark.parametrize("side", [1, 3, 4])
def test_a_box_inside_the_image_has_the_side_it_was_given(side: int) -> None:
    box = cutout.centred_boxes(torch.tensor([[5.9, 5.0]], dtype=torch.float64), side)
    assert (cutout.inside(box, 11, 11) == 255).sum() == side**2


@pytest.mark.parametrize(("fill", "colour"), [("mean", MEAN), ("grey", (GREY,) * 3)])
@pytest.mark.parametrize("box", ["centred", "fixmatch"])
def test_hides_one_box_of_each_image_and_nothing_else(box: Any, fill: Any, colour: Any) -> None:
    x = torch.full((200, 3, 12, 16), 0.9)
    view = Cutout(side=4, box=box, fill=fill).generate(x, context())
    hidden = (view.x != x).any(1)
    shade = torch.tensor(colour).view(3, 1, 1)
    assert torch.equal(view.x, torch.where(hidden[:, None], shade, x))
    areas = hidden.flatten(1).sum(1)
    largest = 4 if box == "centred" else 5
    assert areas.max() == largest**2
    assert areas.min() > 0
    corners = {tuple(h.nonzero()[0].tolist()) for h in hidden}
    assert len(corners) > 50, "each image has a place of its own"
    at_left_edge = hidden[:, :, 0].any(1)
    widths = hidden[at_left_edge].any(1).sum(1)
    assert (widths < largest).any() == (box == "centred"), "only the original is cut off there"
    assert view.rows.tolist() == list(range(200))
    assert view.target is None


def test_fixmatch_box_and_grey_are_the_end_of_fixmatchs_randaugment() -> None:
    """The same boxes from the same centres, on images that are whole bytes."""
    images = torch.randint(0, 256, (50, 3, 32, 32), dtype=torch.uint8)
    view = Cutout(box="fixmatch", fill="grey").generate(images / 255, context(5))
    centre = Draws(5).uniform((50, 2)).double() * 32
    expected = cutout.paint(images, cutout.boxes(centre, 16), (127, 127, 127))
    assert torch.equal(view.x, expected / 255)


@pytest.mark.parametrize(
    ("size", "side", "expected"), [(32, None, 16), (28, None, 14), (9, None, 4), (9, 3, 3)]
)
def test_the_side_is_half_the_image_unless_bound(size: int, side: int | None, expected: int) -> None:
    view = Cutout(side=side, fill="grey").generate(torch.zeros(400, 3, size, size), context())
    assert (view.x[:, 0] > 0).flatten(1).sum(1).max() == expected**2


def test_the_seed_decides_and_one_pixel_or_no_image_will_do() -> None:
    x = torch.rand(9, 3, 8, 8, dtype=torch.float64)
    first, same, other = (Cutout().generate(x, context(seed)).x for seed in (1, 1, 2))
    assert torch.equal(first, same)
    assert not torch.equal(first, other)
    assert first.dtype == x.dtype
    for shape in ((1, 3, 1, 1), (0, 3, 8, 8)):
        assert Cutout().generate(torch.zeros(shape), context()).x.shape == shape


def test_nothing_waits_for_the_device() -> None:
    with HostSyncs() as syncs:
        Cutout().generate(torch.zeros(4, 3, 8, 8), context())
    assert syncs.found == []


def test_unsupported_where_the_box_hides_the_image() -> None:
    assert Cutout().unsupported(spec(8), SLOTS["view"]) is None
    assert Cutout(side=16).unsupported(spec(32), SLOTS["view"]) is None
    why = "a box of 16 pixels hides images of 8×8; leave Cutout.side at None"
    assert Cutout(side=16).unsupported(spec(8), SLOTS["positives"]) == why
    assert Cutout(side=16).unsupported(spec(32, crop=12), SLOTS["view"]) is not None


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"side": 0}, "side: must be >= 1, not 0"),
        ({"box": "round"}, "box: must be 'centred' or 'fixmatch', not 'round'"),
        ({"fill": "black"}, "fill: must be 'mean' or 'grey', not 'black'"),
    ],
)
def test_refuses_values_out_of_range(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        Cutout(**parameters)
