"""What AugMix promises; its numbers are golden file O's."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from lpa3bench.api import Context
from lpa3bench.runtime.seeding import Draws
from lpa3bench_plugins.augmenters.augmix import AugMix

X = torch.rand(6, 3, 12, 12, generator=torch.Generator().manual_seed(0))


def viewed(x: Tensor = X, seed: int = 0, **options: Any) -> Tensor:
    view = AugMix(**options).generate(x, cast("Context", SimpleNamespace(draws=Draws(seed))))
    assert view.rows.tolist() == list(range(len(x)))
    assert view.x.shape == x.shape
    return view.x


def test_defaults_are_the_papers() -> None:
    """Severity 3, three chains of one to three of nine operators, none of them of colour."""
    mix = AugMix()
    assert (mix.recipe.levels, mix.width, mix.depth, mix.recipe.layers, mix.alpha) == (3, 3, None, 3, 1)
    assert len(mix.recipe.pool) == 9
    assert not {"Brightness", "Color", "Contrast", "Sharpness"} & {entry.op for entry in mix.recipe.pool}


def test_views_are_images_of_bytes_that_the_draws_decide() -> None:
    view = viewed(severity=10, all_ops=True)
    assert (view.min(), view.max()) >= (0, 0)
    assert view.max() <= 1
    assert torch.allclose(view * 255, (view * 255).round(), atol=1e-4)
    assert torch.equal(view, viewed(severity=10, all_ops=True))
    assert not torch.equal(view, viewed(severity=10, all_ops=True, seed=1))


def test_chains_are_one_to_three_operators_long_and_all_their_own() -> None:
    drawn = AugMix(width=4).choose(200, Draws(0))
    length = drawn.chains.applied.sum(dim=1)
    assert length.shape == (800,)
    assert length.unique().tolist() == [1, 2, 3]
    assert (drawn.chains.applied.int().diff(dim=1) <= 0).all(), "the first ones"
    assert len(drawn.chains.op.view(4, 200, 3).unique(dim=0)) == 4
    fixed = AugMix(depth=5).choose(3, Draws(0)).chains
    assert fixed.applied.shape == (9, 5)
    assert fixed.applied.all()


class _Rows:
    """The draws of the whole batch, of which one process takes some rows."""

    def __init__(self, rows: slice) -> None:
        self.draws, self.rows = Draws(0), rows

    def uniform(self, size: tuple[int, ...]) -> Tensor:
        return self.draws.uniform((6, *size[1:]))[self.rows]

    def integers(self, size: tuple[int, ...], low: int, high: int) -> Tensor:
        return self.draws.integers((6, *size[1:]), low, high)[self.rows]


def test_processes_that_share_a_batch_make_the_same_views() -> None:
    parts = [slice(0, 4), slice(4, 6)]
    made = [
        AugMix().generate(X[part], cast("Context", SimpleNamespace(draws=_Rows(part)))).x for part in parts
    ]
    assert torch.equal(torch.cat(made), viewed(X))


def test_shares_are_shares_and_larger_alpha_evens_them_out() -> None:
    spread = {}
    for alpha in (1, 8):
        drawn = AugMix(alpha=alpha).choose(4000, Draws(0))
        for shares in (drawn.shares, drawn.weights):
            assert torch.allclose(shares.sum(dim=1), torch.ones(4000))
            assert torch.allclose(shares.mean(dim=0), torch.tensor(1 / shares.shape[1]), atol=0.02)
        spread[alpha] = drawn.shares[:, 0].var().item()
    assert spread[1] == pytest.approx(1 / 12, rel=0.1), "uniform"
    assert spread[8] == pytest.approx(1 / 68, rel=0.1), "of Dirichlet(8, 8)"


def test_grey_images_are_mixed_too() -> None:
    grey = X[:, :1]
    assert viewed(grey, all_ops=True).shape == grey.shape


def test_twins_are_two_mixtures_of_each_image() -> None:
    made = [(pair, cast("Context", SimpleNamespace(draws=Draws(0)))) for pair in (False, True)]
    one, two = (AugMix(jensen_shannon=pair).generate(X, ctx) for pair, ctx in made)
    assert (one.twin, AugMix().twins, AugMix(jensen_shannon=True).twins) == (None, False, True)
    assert torch.equal(one.x, two.x)
    assert two.twin is not None
    apart = (two.twin - two.x).flatten(1).abs().amax(1)
    assert (apart > 0).float().mean() > 0.8
    assert torch.equal(two.rows, torch.arange(len(X)))


def test_no_images_have_no_views() -> None:
    assert viewed(X[:0]).shape == X[:0].shape


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"severity": 0}, "severity: must be from 1 to 10, not 0"),
        ({"severity": 11}, "severity: must be from 1 to 10, not 11"),
        ({"width": 0}, "width: must be >= 1, not 0"),
        ({"depth": 0}, "depth: must be >= 1, not 0"),
        ({"alpha": 0.5}, "alpha: must be a whole number >= 1, not 0.5"),
        ({"alpha": math.inf}, "alpha: must be a whole number >= 1, not inf"),
        ({"domain": "both"}, "domain: must be 'main' or 'aux', not 'both'"),
    ],
)
def test_parameters_out_of_range(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        AugMix(**options)
