"""The mixture that DivideMix splits by. Its numbers are held against the released code in golden/."""

from __future__ import annotations

import warnings

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from lpa3bench.errors import RunFailed
from lpa3bench.runtime.seeding import Draws
from lpa3bench.testing import no_global_randomness
from lpa3bench_plugins.tasks import codivide


@given(st.lists(st.floats(0, 50, width=32), min_size=2, max_size=50))
def test_losses_are_stretched_over_the_unit_interval(values: list[float]) -> None:
    losses = torch.tensor(values)
    found = codivide.scaled_losses(losses)
    assert bool(((found >= 0) & (found <= 1)).all())
    if len({*values}) > 1:
        assert (found.min(), found.max()) == (0, 1)
    else:
        assert found.tolist() == [0.0] * len(values)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_network_that_has_diverged_stops_the_run_in_one_line(bad: float) -> None:
    with pytest.raises(RunFailed, match="the network has diverged"):
        codivide.scaled_losses(torch.tensor([0.1, bad, 0.3]))


def test_the_history_keeps_the_latest() -> None:
    history = torch.zeros(0, 2)
    for epoch in range(4):
        history = codivide.remember(history, torch.full((2,), float(epoch)), 3)
        assert history[:, 0].tolist() == [*range(max(0, epoch - 2), epoch + 1)]
    assert codivide.remember(history, torch.ones(2), 1).tolist() == [[1.0, 1.0]]


def test_the_lower_losses_are_the_clean_ones() -> None:
    draws = Draws(0)
    losses = torch.cat([draws.normal((60,), 0.2, 0.05), draws.normal((40,), 0.8, 0.05)])
    first = codivide.clean_probability(losses, seed=3)
    with no_global_randomness():  # but for what is drawn when scikit-learn is first imported
        clean = codivide.clean_probability(losses, seed=3)
    assert torch.equal(clean, first)
    assert clean.dtype == torch.float64
    assert bool((clean[:60] > 0.99).all())
    assert bool((clean[60:] < 0.01).all())


def test_labels_that_nothing_speaks_against_are_clean() -> None:
    assert codivide.clean_probability(torch.full((5,), 0.25), seed=0).tolist() == [1.0] * 5


@given(st.integers(0, 2**31 - 1), st.lists(st.floats(0, 1, width=32), min_size=2, max_size=30))
def test_whatever_the_losses_it_is_a_probability_and_warns_of_nothing(seed: int, values: list[float]) -> None:
    """Ten iterations may not be enough to converge: a part of the method."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        clean = codivide.clean_probability(torch.tensor(values), seed)
    assert bool(((clean >= 0) & (clean <= 1)).all())
