from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lpa3bench.api import Context
from lpa3bench.errors import PluginError
from lpa3bench.runtime.seeding import Draws
from lpa3bench_plugins.augmenters.cutmix import CutMix, draw_box, paste


def context(target: Tensor | None, draws: Any = None) -> Context:
    nothing = cast("Any", None)
    return Context(
        model=nothing, logits=nothing, index=None, target=target, copies=1, spec=nothing, epoch=0, step=0,
        pass_no=0, draws=draws or Draws(0),
    )  # fmt: skip


class Recorded:
    """Draws that were written down: of the coin, then of the box's centre."""

    def __init__(self, share: float, partner: list[int], centre: tuple[float, float]) -> None:
        self.share, self.partner, self.uniforms = share, partner, [torch.zeros(1), torch.tensor(centre)]

    def uniform(self, size: tuple[int, ...]) -> Tensor:
        return self.uniforms.pop(0)

    def beta(self, a: float, b: float) -> float:
        return self.share

    def permutation(self, n: int) -> Tensor:
        return torch.tensor(self.partner)


def test_by_hand() -> None:
    """√0.36 of 10 rows and 5 columns is 6 and 3; of 3 columns an even 2 are left."""
    x = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 1, 10, 5) / 2
    target = torch.eye(3)
    draws = Recorded(0.64, [2, 0, 1], (0.5, 0.99))
    view = CutMix(probability=1).generate(x, context(target, draws))
    expected = x.clone()
    expected[:, :, 2:8, 3:5] = x[[2, 0, 1], :, 2:8, 3:5]
    assert torch.equal(view.x, expected)
    assert view.target is not None
    pasted = 6 * 2 / 50
    torch.testing.assert_close(view.target, (1 - pasted) * target + pasted * target[[2, 0, 1]])
    assert view.info == {"pasted": pasted}
    assert view.rows.tolist() == [0, 1, 2]


def test_labels_are_mixed_by_what_was_really_pasted() -> None:
    """A box in the corner is cut off, and the label says so."""
    target = torch.eye(2)
    view = CutMix(probability=1).generate(
        torch.stack((torch.zeros(1, 8, 8), torch.ones(1, 8, 8))),
        context(target, Recorded(0.0, [1, 0], (0, 0))),
    )
    assert view.target is not None
    share_of_ones = view.x.mean((1, 2, 3))
    assert share_of_ones.tolist() == [0.25, 0.75]
    torch.testing.assert_close(view.target[:, 1], share_of_ones)


@given(
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)), share=st.floats(0, 1), seed=st.integers(0, 2**32)
)
def test_boxes_are_those_of_the_released_code(size: tuple[int, int], share: float, seed: int) -> None:
    centre = Draws(seed).uniform((2,)).tolist()
    expected = []
    for length, place in zip(size, centre, strict=True):
        cut, middle = int(length * math.sqrt(share)), int(place * length)
        expected.append((min(max(middle - cut // 2, 0), length), min(max(middle + cut // 2, 0), length)))
    box = draw_box(*size, share, Draws(seed))
    assert [(side.start, side.stop) for side in box] == expected


@given(
    shape=st.tuples(st.integers(1, 6), st.integers(1, 3), st.integers(1, 12), st.integers(1, 12)),
    classes=st.integers(1, 7),
    seed=st.integers(0, 2**32),
)
def test_images_and_targets_stay_what_they_are(shape: tuple[int, ...], classes: int, seed: int) -> None:
    """Every pixel is the image's or its partner's; targets sum to one; the input is left alone."""
    x = torch.rand(shape, generator=torch.Generator().manual_seed(seed))
    target = torch.eye(classes)[torch.arange(len(x)) % classes]
    before = x.clone(), target.clone()
    view = CutMix(probability=1).generate(x, context(target, Draws(seed)))
    assert view.target is not None
    assert view.target.shape == target.shape
    torch.testing.assert_close(view.target.sum(1), torch.ones(len(x)))
    assert (view.x[:, None] == x[None]).flatten(3).all(2).any(1).all()
    assert torch.equal(x, before[0])
    assert torch.equal(target, before[1])


def test_one_image_has_only_itself() -> None:
    x, target = torch.rand(1, 3, 8, 8), torch.tensor([[0.2, 0.8]])
    view = CutMix(probability=1).generate(x, context(target))
    assert torch.equal(view.x, x)
    torch.testing.assert_close(view.target, target)


def test_no_image_will_do() -> None:
    view = CutMix(probability=1).generate(torch.zeros(0, 3, 8, 8), context(torch.zeros(0, 4)))
    assert view.x.shape == (0, 3, 8, 8)
    assert view.target is not None
    assert view.target.shape == (0, 4)


def test_batches_are_mixed_with_the_probability_given_and_otherwise_left() -> None:
    x, target = torch.rand(4, 1, 8, 8), torch.eye(4)
    draws = Draws(0)
    views = [CutMix().generate(x, context(target, draws)) for _ in range(400)]
    left = [view for view in views if view.x is x]
    assert 150 < len(left) < 250
    assert all(view.target is target for view in left)
    never = CutMix(probability=0)
    assert all(never.generate(x, context(target, draws)).x is x for _ in range(50))


def test_the_box_does_not_depend_on_the_probability() -> None:
    x, target = torch.rand(4, 1, 8, 8), torch.eye(4)
    half, always = Draws(1), Draws(1)
    for _ in range(20):
        one = CutMix().generate(x, context(target, half))
        other = CutMix(probability=1).generate(x, context(target, always))
        assert one.x is x or torch.equal(one.x, other.x)


def test_large_alpha_keeps_to_the_middle() -> None:
    target = torch.eye(4)
    draws = Draws(0)
    narrow = [CutMix(alpha=500, probability=1).generate(torch.zeros(4, 1, 64, 64), context(target, draws))]
    narrow += [CutMix(alpha=500, probability=1).generate(torch.zeros(4, 1, 64, 64), context(target, draws))]
    assert all(float(view.info["pasted"]) <= 0.56 for view in narrow)


def test_pasting_takes_partners_by_their_places() -> None:
    x = torch.arange(3.0).view(3, 1, 1, 1).expand(3, 2, 4, 4)
    out, target, pasted = paste(x, torch.eye(3), torch.tensor([1, 2, 0]), (slice(0, 4), slice(0, 2)))
    assert out[:, 0, 0].tolist() == [[1, 1, 0, 0], [2, 2, 1, 1], [0, 0, 2, 2]]
    assert target.tolist() == [[0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]]
    assert pasted == 0.5


def test_without_targets_there_is_nothing_to_mix() -> None:
    with pytest.raises(PluginError, match="^CutMix mixes labels, and the task gives none in this slot"):
        CutMix().generate(torch.zeros(2, 1, 4, 4), context(None))


def test_says_that_it_makes_targets() -> None:
    assert CutMix.soft_targets
    assert not CutMix.needs_model


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"alpha": 0}, "alpha: must be > 0, not 0"),
        ({"probability": 1.5}, r"probability: must be in \[0, 1\], not 1.5"),
        ({"probability": -0.1}, r"probability: must be in \[0, 1\], not -0.1"),
    ],
)
def test_refuses_values_out_of_range(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=f"^{message}"):
        CutMix(**parameters)
