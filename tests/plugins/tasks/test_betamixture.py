"""The beta mixture: held against a plain computation; its lookup; and losses that say little."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lpa3bench_plugins.tasks import betamixture
from lpa3bench_plugins.tasks.betamixture import BINS, EDGE, BetaMixture, Suspicion


def two_heaps(seed: int = 0, wrong: float = 0.4, count: int = 400) -> tuple[Tensor, Tensor]:
    """Normalised losses and which of them are of the high heap, in float64."""
    generator = np.random.default_rng(seed)
    high = generator.random(count) < wrong
    values = np.where(high, generator.beta(8, 3, count), generator.beta(2, 9, count))
    return torch.from_numpy(values), torch.from_numpy(high)


def density(x: float, alpha: float, beta: float) -> float:
    norm = math.gamma(alpha) * math.gamma(beta) / math.gamma(alpha + beta)
    return x ** (alpha - 1) * (1 - x) ** (beta - 1) / norm


def plain_fit(x: list[float], iterations: int) -> list[tuple[float, float, float]]:
    """(alpha, beta, weight) of both components, sample by sample."""
    parts = [(1.0, 2.0, 0.5), (2.0, 1.0, 0.5)]
    for _ in range(iterations):
        shares: list[list[float]] = [[], []]
        for value in x:
            found = [max(w * density(value, a, b), 1e-12) for a, b, w in parts]
            for k in range(2):
                shares[k].append(found[k] / sum(found))
        parts = []
        for k in range(2):
            total = sum(shares[k])
            mean = sum(r * v for r, v in zip(shares[k], x, strict=True)) / total
            variance = sum(r * (v - mean) ** 2 for r, v in zip(shares[k], x, strict=True)) / total
            alpha = mean * (mean * (1 - mean) / variance - 1)
            parts.append((alpha, alpha * (1 - mean) / mean, total / len(x)))
    return parts


# ---------------------------------------------------------------------------------------------------- fit
@pytest.mark.parametrize("iterations", [0, 1, 2, 10])
def test_expectation_maximisation_sample_by_sample(iterations: int) -> None:
    x, _ = two_heaps(count=60)
    found = betamixture.fit_mixture(x, iterations)
    for k, (alpha, beta, weight) in enumerate(plain_fit(x.tolist(), iterations)):
        assert float(found.alphas[k]) == pytest.approx(alpha, rel=1e-9)
        assert float(found.betas[k]) == pytest.approx(beta, rel=1e-9)
        assert float(found.weights[k]) == pytest.approx(weight, rel=1e-9)


def test_densities_are_those_of_beta_distributions() -> None:
    from scipy import stats

    mixture = BetaMixture(torch.tensor([0.7, 6.0]), torch.tensor([3.0, 2.0]), torch.tensor([0.3, 0.7]))
    mixture = BetaMixture(*(part.double() for part in mixture))
    x = torch.tensor([1e-4, 0.2, 0.5, 0.999], dtype=torch.float64)
    found = betamixture.weighted_densities(mixture, x)
    for k, (a, b, w) in enumerate(zip(*(part.tolist() for part in mixture), strict=True)):
        np.testing.assert_allclose(found[k].numpy(), w * stats.beta.pdf(x.numpy(), a, b), rtol=1e-9)


@given(st.floats(0.02, 0.98), st.floats(1.5, 200))
def test_moments_give_back_the_distribution(mean: float, size: float) -> None:
    alpha, beta = mean * size, (1 - mean) * size
    half = math.sqrt(mean * (1 - mean) / (size + 1))  # two points as far from the mean as they spread
    if not (mean - half > 0 and mean + half < 1):
        return
    x = torch.tensor([mean - half, mean + half], dtype=torch.float64)
    alphas, betas = betamixture.weighted_moments(x, torch.ones(2, 2, dtype=torch.float64))
    assert alphas.tolist() == pytest.approx([alpha] * 2, rel=1e-6)
    assert betas.tolist() == pytest.approx([beta] * 2, rel=1e-6)


@pytest.mark.parametrize("wrong", [0.2, 0.5, 0.8])
def test_it_finds_the_heap_of_wrong_labels(wrong: float) -> None:
    """Ten steps are not to the end: the weights are still on their way from one half."""
    x, high = two_heaps(seed=3, wrong=wrong, count=3000)
    found = betamixture.fit_mixture(x)
    assert float(found.weights[1]) == pytest.approx(wrong, abs=0.15)
    table = betamixture.lookup(found).float()
    called = betamixture.wrong(x.float(), Suspicion(torch.tensor(0.0), torch.tensor(1.0), table)) > 0.5
    assert float((called == high).float().mean()) > 0.93


# ------------------------------------------------------------------------------------------------- lookup
def test_the_table_is_the_posterior_and_stays_at_its_maximum() -> None:
    # Alpha 9 of the low heap against 2 of the high one, which is wide: beyond its maximum near 1 it falls.
    mixture = BetaMixture(torch.tensor([9.0, 30.0]), torch.tensor([2.0, 12.0]), torch.tensor([0.5, 0.5]))
    mixture = BetaMixture(*(part.double() for part in mixture))
    table = betamixture.lookup(mixture)
    assert table.shape == (BINS,)
    plain = []
    for place in range(BINS):
        x = min(max(place / (BINS - 1), 1e-12), 1 - 1e-12)
        low, high = 0.5 * density(x, 9, 2), 0.5 * density(x, 30, 12)
        plain.append(high / (low + high + 1e-12))
    top = plain.index(max(plain))
    assert 10 < top < BINS - 10
    assert plain[-1] < 0.01, "without the rule the highest losses would look clean"
    assert table[: top + 1].tolist() == pytest.approx(plain[: top + 1], rel=1e-9)
    assert table[top:].tolist() == pytest.approx([plain[top]] * (BINS - top), rel=1e-9)


def test_a_loss_is_looked_up_between_the_percentiles() -> None:
    known = Suspicion(torch.tensor(1.0), torch.tensor(3.0), torch.linspace(0, 1, BINS))
    losses = torch.tensor([-5.0, 1.0, 2.001, 2.5, 3.0, 80.0])
    found = betamixture.wrong(losses, known)
    expected = [EDGE, EDGE, 50 / 99, 75 / 99, 1 - EDGE, 1 - EDGE]
    assert found.tolist() == pytest.approx(expected, abs=1e-6)


def test_losses_beyond_the_percentiles_are_clipped() -> None:
    losses = torch.cat([torch.linspace(0, 100, 101), torch.tensor([])])
    low, high, _ = betamixture.suspicion(losses)
    assert (float(low), float(high)) == pytest.approx(tuple(np.percentile(losses.numpy(), [5, 95])))
    x = betamixture.normalised_losses(losses.double(), low.double(), high.double())
    assert x[:6].tolist() == pytest.approx([EDGE] * 6)
    assert x[-6:].tolist() == pytest.approx([1 - EDGE] * 6)
    assert float(x[50]) == pytest.approx(0.5)


def test_the_whole_way_from_losses_to_probabilities() -> None:
    x, _ = two_heaps(seed=5, count=80)
    losses = 0.1 + 6 * x
    known = betamixture.suspicion(losses)
    low, high = np.percentile(losses.numpy(), [5, 95])
    scaled = [min(max((v - low) / (high - low), 1e-4), 1 - 1e-4) for v in losses.tolist()]
    parts = plain_fit(scaled, 10)
    table = []
    for place in range(100):
        value = min(max(place / 99, 1e-12), 1 - 1e-12)
        found = [w * density(value, a, b) for a, b, w in parts]
        table.append(found[1] / (sum(found) + 1e-12))
    top = table.index(max(table))
    table[top:] = [table[top]] * (100 - top)
    expected = [min(max(table[int(100 * v)], 1e-4), 1 - 1e-4) for v in scaled]
    assert betamixture.wrong(losses, known).tolist() == pytest.approx(expected, abs=1e-5)


# --------------------------------------------------------------------------------------------- degenerate
@pytest.mark.parametrize(
    "losses",
    [
        torch.full((50,), 2.3),
        torch.tensor([0.7]),
        torch.full((50,), 2.3) + 1e-8 * torch.arange(50),
        torch.tensor([1.0, math.nan, 2.0]),
        torch.tensor([1.0, math.inf, 2.0]),
    ],
    ids=["equal", "one", "nearly equal", "not a number", "infinite"],
)
def test_losses_that_say_nothing_leave_every_label_as_likely_wrong_as_right(losses: Tensor) -> None:
    known = betamixture.suspicion(losses)
    assert known.table.tolist() == [0.5] * BINS
    assert betamixture.wrong(losses, known).tolist() == [0.5] * len(losses)


@pytest.mark.parametrize(
    "losses",
    [
        torch.tensor([0.0, 1.0]),
        torch.tensor([0.0] * 30 + [5.0] * 30),
        torch.tensor([0.0] * 59 + [5.0]),
        torch.tensor([0.0] * 40 + [5.0] * 3),
        torch.linspace(0, 1, 7),
        torch.cat([torch.zeros(100), torch.logspace(-6, 2, 100)]),
        100 * torch.rand(64, generator=torch.Generator().manual_seed(0)) ** 8,
    ],
    ids=["two", "two values", "one outlier", "a few outliers", "seven", "heavy", "skewed"],
)
def test_odd_losses_give_probabilities(losses: Tensor) -> None:
    known = betamixture.suspicion(losses)
    found = betamixture.wrong(losses, known)
    assert all(bool(torch.isfinite(part).all()) for part in known)
    assert bool(((found >= EDGE) & (found <= 1 - EDGE)).all())
    assert known.table.dtype == torch.float32


def test_two_values_are_told_apart() -> None:
    losses = torch.tensor([0.0] * 30 + [5.0] * 30)
    found = betamixture.wrong(losses, betamixture.suspicion(losses))
    assert found[:30].tolist() == pytest.approx([EDGE] * 30)
    assert found[30:].tolist() == pytest.approx([1 - EDGE] * 30)


def test_a_loss_that_is_no_number_is_looked_up_all_the_same() -> None:
    """The run stops for it at the next look at the flags; the table must not fail before."""
    known = Suspicion(torch.tensor(0.0), torch.tensor(1.0), torch.full((BINS,), 0.3))
    assert betamixture.wrong(torch.tensor([math.nan]), known).tolist() == pytest.approx([0.3])


def test_nothing_is_drawn() -> None:
    x, _ = two_heaps()
    before = torch.get_rng_state()
    one, again = betamixture.suspicion(x), betamixture.suspicion(x)
    assert all(torch.equal(a, b) for a, b in zip(one, again, strict=True))
    assert torch.equal(torch.get_rng_state(), before)
