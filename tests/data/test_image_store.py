from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torch import Tensor
from torch.nn import functional

from lpa3bench.api import WeakView
from lpa3bench.data.image_store import ImageStore
from lpa3bench.runtime.seeding import Draws


def pictures(count: int, channels: int, height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(count + 10 * channels + 100 * height + 1000 * width)
    return torch.randint(0, 256, (count, channels, height, width), dtype=torch.uint8, generator=generator)


def one_by_one(images: Tensor, weak: WeakView, index: Tensor, draws: Draws) -> Tensor:
    """The training view as its definition reads: flip, pad, crop, image after image."""
    height, width = images.shape[-2:]
    h, w = weak.crop or height, weak.crop or width
    count = len(index)
    flips = draws.integers((count,), 0, 2).tolist()
    tops = draws.integers((count,), 0, height + 2 * weak.pad - h + 1).tolist()
    lefts = draws.integers((count,), 0, width + 2 * weak.pad - w + 1).tolist()
    views = []
    for place, flip, top, left in zip(index.tolist(), flips, tops, lefts, strict=True):
        image = images[place].to(torch.float32) / 255
        if weak.flip and flip:
            image = image.flip(-1)
        image = functional.pad(image[None], (weak.pad,) * 4, mode=weak.mode)[0]
        views.append(image[:, top : top + h, left : left + w])
    return torch.stack(views)


@st.composite
def stores(draw: Any) -> tuple[Tensor, WeakView]:
    height, width = draw(st.integers(2, 9)), draw(st.integers(2, 9))
    mode = draw(st.sampled_from(["reflect", "constant"]))
    side = min(height, width)
    pad = draw(st.integers(0, side - 1 if mode == "reflect" else 5))
    crop = draw(st.none() | st.integers(1, side + 2 * pad))
    images = pictures(draw(st.integers(1, 6)), draw(st.integers(1, 4)), height, width)
    return images, WeakView(flip=draw(st.booleans()), pad=pad, mode=mode, crop=crop)


@given(stores(), st.integers(1, 9), st.integers(0, 2**32))
def test_weak_is_flip_pad_crop(store: tuple[Tensor, WeakView], count: int, seed: int) -> None:
    images, weak = store
    index = torch.randint(0, len(images), (count,), generator=torch.Generator().manual_seed(seed))
    views = ImageStore(images, weak, "cpu").weak(index, Draws(seed))
    assert views.dtype == torch.float32
    assert views.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(views, one_by_one(images, weak, index, Draws(seed)))


@given(stores(), st.integers(0, 2**32))
def test_plain_is_the_image(store: tuple[Tensor, WeakView], seed: int) -> None:
    images, weak = store
    index = torch.randint(0, len(images), (7,), generator=torch.Generator().manual_seed(seed))
    plain = ImageStore(images, weak, "cpu").plain(index)
    assert torch.equal(plain, images[index].to(torch.float32) / 255)
    assert plain.is_contiguous(memory_format=torch.channels_last)


def test_every_view_takes_the_same_random_numbers() -> None:
    images = pictures(5, 3, 8, 8)
    index = torch.arange(5)
    views = [WeakView(), WeakView(flip=False, pad=0), WeakView(pad=2, mode="constant", crop=4)]
    after = []
    for weak in views:
        draws = Draws(3)
        ImageStore(images, weak, "cpu").weak(index, draws)
        after.append(draws.uniform((4,)).tolist())
    assert after[0] == after[1] == after[2]


def test_padding_moves_no_flip() -> None:
    """Black images with one white column: who was flipped can be seen whatever the crop."""
    images = torch.zeros(64, 1, 9, 9, dtype=torch.uint8)
    images[:, :, :, 2] = 255
    unpadded, padded = (
        ImageStore(images, WeakView(pad=pad, mode="constant"), "cpu").weak(torch.arange(64), Draws(1))
        for pad in (0, 1)
    )
    flipped = unpadded[:, 0, 4].argmax(1) == 6
    assert 0 < flipped.sum() < 64
    assert torch.equal(flipped, padded[:, 0, 4].argmax(1) > 4)


def test_without_flip_padding_and_crop_nothing_changes() -> None:
    images = pictures(4, 3, 6, 6)
    store = ImageStore(images, WeakView(flip=False, pad=0), "cpu")
    index = torch.tensor([3, 1, 1])
    assert torch.equal(store.weak(index, Draws(0)), store.plain(index))
    assert len(store) == 4


def test_all_places_and_both_directions_occur() -> None:
    image = torch.arange(16, dtype=torch.uint8).view(1, 1, 4, 4)
    weak = WeakView(pad=1, mode="constant")
    views = ImageStore(image, weak, "cpu").weak(torch.zeros(600, dtype=torch.int64), Draws(0))
    assert len({tuple(view.flatten().tolist()) for view in views}) == 2 * 3 * 3


def test_a_batch_of_nothing() -> None:
    store = ImageStore(pictures(4, 3, 6, 6), WeakView(pad=2), "cpu")
    assert store.weak(torch.zeros(0, dtype=torch.int64), Draws(0)).shape == (0, 3, 6, 6)


@pytest.mark.parametrize(
    ("images", "weak", "message"),
    [
        (torch.zeros(2, 3, 8, 8), WeakView(), "images: must be uint8"),
        (pictures(2, 3, 8, 8)[0], WeakView(), "images: must be uint8"),
        (pictures(2, 3, 4, 8), WeakView(pad=4), "pad: must be < 4"),
        (pictures(2, 3, 8, 8), WeakView(pad=1, crop=11), "crop: 11 does not fit"),
    ],
)
def test_what_cannot_be(images: Tensor, weak: WeakView, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        ImageStore(images, weak, "cpu")


def test_resized_views_repeat_each_pixel() -> None:
    """By nearest neighbour, as Pillow does it, in training views and whole images alike."""
    images = pictures(3, 3, 7, 7)
    weak = WeakView(pad=2, mode="constant")
    plain, large = (ImageStore(images, weak, "cpu", resize=side) for side in (None, 28))
    index = torch.tensor([2, 0])
    for small, big in (
        (plain.plain(index), large.plain(index)),
        (plain.weak(index, Draws(5)), large.weak(index, Draws(5))),
    ):
        assert torch.equal(big, small.repeat_interleave(4, 2).repeat_interleave(4, 3))
        assert big.is_contiguous(memory_format=torch.channels_last)
    odd = ImageStore(images, weak, "cpu", resize=10).plain(index[:1])[0]
    picture = Image.fromarray(images[2].permute(1, 2, 0).numpy())
    pillow = np.asarray(picture.resize((10, 10), Image.Resampling.NEAREST))
    assert torch.equal((odd * 255).round().byte().permute(1, 2, 0), torch.from_numpy(pillow.copy()))


def test_a_crop_that_is_resized_is_refused() -> None:
    with pytest.raises(ValueError, match=r"crop: 4 cannot go with run\.resize"):
        ImageStore(pictures(2, 3, 8, 8), WeakView(crop=4), "cpu", resize=16)
