from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from support.label_contexts import context

from lpa3bench.api import Labels, LabelSet
from lpa3bench_plugins.labels.clean import Clean
from lpa3bench_plugins.labels.noise import (
    CIFAR100_SUPERCLASS,
    AsymmetricNoise,
    PairflipNoise,
    SymmetricNoise,
    next_within,
)

seeds = st.integers(0, 2**32)
rates = st.decimals(0, 1, places=3).map(float)


def labels(count: int, num_classes: int) -> torch.Tensor:
    return torch.randint(0, num_classes, (count,), generator=torch.Generator().manual_seed(count))


def consistent(made: LabelSet, clean: torch.Tensor, num_classes: int) -> None:
    """The record agrees with the labels."""
    confusion = torch.tensor(made.info["confusion"])
    assert confusion.shape == (num_classes, num_classes)
    for (true, false), count in (((int(i), int(j)), int(confusion[i, j])) for i, j in confusion.nonzero()):
        assert ((clean == true) & (made.given == false)).sum() == count
    assert confusion.sum() == made.labelled.sum() == len(clean)
    assert made.info["realised_rate"] == pytest.approx(float((made.given != clean).double().mean()))


@given(st.integers(1, 80), st.integers(2, 12), rates, seeds)
def test_pairflip_touches_exactly_the_rate(count: int, num_classes: int, rate: float, seed: int) -> None:
    """Every touched label is wrong here, so touched labels can be counted."""
    clean = labels(count, num_classes)
    made = PairflipNoise(rate=rate).apply(clean.clone(), context(num_classes, seed))
    wrong = made.given != clean
    assert wrong.sum() == math.floor(Fraction(str(rate)) * count)
    assert torch.equal(made.given[wrong], (clean[wrong] + 1) % num_classes)
    consistent(made, clean, num_classes)


@given(st.integers(1, 80), st.integers(2, 12), rates, seeds)
def test_symmetric_noise_stays_within_the_same_images(
    count: int, num_classes: int, rate: float, seed: int
) -> None:
    clean = labels(count, num_classes)
    made, pair = (
        noise(rate=rate).apply(clean, context(num_classes, seed)) for noise in (SymmetricNoise, PairflipNoise)
    )
    touched = pair.given != clean
    assert torch.equal(made.given[~touched], clean[~touched])
    assert made.given.min() >= 0
    assert made.given.max() < num_classes
    consistent(made, clean, num_classes)


@pytest.mark.parametrize(("rate", "num_classes"), [(0.5, 10), (0.8, 10), (0.9, 100)])
def test_symmetric_noise_draws_over_all_classes(rate: float, num_classes: int) -> None:
    clean = labels(50_000, num_classes)
    made = SymmetricNoise(rate=rate).apply(clean, context(num_classes))
    assert made.info["nominal_rate"] == rate
    assert made.info["realised_rate"] == pytest.approx(rate * (1 - 1 / num_classes), abs=0.007)
    drawn = torch.bincount(made.given[made.given != clean], minlength=num_classes).double()
    expected = 50_000 * rate * (1 - 1 / num_classes) / num_classes
    assert ((drawn - expected).abs() < 6 * math.sqrt(expected)).all()


def test_the_rate_counts_as_it_is_written() -> None:
    """As floats, 0.29 · 100 is a little less than 29."""
    clean = labels(100, 5)
    made = PairflipNoise(rate=0.29).apply(clean, context(5))
    assert (made.given != clean).sum() == 29


@given(seeds)
def test_a_higher_rate_touches_the_same_images_and_more(seed: int) -> None:
    clean = labels(200, 10)
    low, high = (
        PairflipNoise(rate=rate).apply(clean, context(10, seed)).given != clean for rate in (0.5, 0.8)
    )
    assert (low & ~high).sum() == 0


@pytest.mark.parametrize(
    "plugin",
    [
        SymmetricNoise(rate=0.4),
        PairflipNoise(rate=0.4),
        AsymmetricNoise(rate=0.4, mapping="cifar10"),
        Clean(),
    ],
)
def test_labels_depend_on_the_draws_alone_and_leave_the_clean_ones(plugin: Labels) -> None:
    clean = labels(300, 10)
    before = clean.clone()
    one, same, other = (plugin.apply(clean, context(10, s)) for s in (1, 1, 2))
    assert torch.equal(clean, before)
    assert one.given.data_ptr() != clean.data_ptr()
    assert torch.equal(one.given, same.given)
    assert one.info == same.info
    assert torch.equal(one.given, other.given) == isinstance(plugin, Clean)
    assert one.info["kind"] == type(plugin).__name__


def test_asymmetric_noise_on_cifar10() -> None:
    clean = torch.arange(10).repeat(500)
    made = AsymmetricNoise(rate=0.4, mapping="cifar10").apply(clean, context(10))
    confusion = torch.tensor(made.info["confusion"])
    flips = {(9, 1), (2, 0), (4, 7), (3, 5), (5, 3)}
    off_diagonal = confusion - confusion.diag().diag()
    assert {(int(i), int(j)) for i, j in off_diagonal.nonzero()} == flips
    assert made.info["realised_rate"] == pytest.approx(0.2, abs=0.02)


def test_asymmetric_noise_on_cifar100_stays_in_the_superclass() -> None:
    clean = torch.arange(100).repeat(20)
    made = AsymmetricNoise(rate=1.0, mapping="cifar100").apply(clean, context(100))
    superclass = torch.tensor(CIFAR100_SUPERCLASS)
    assert torch.equal(superclass[made.given], superclass[clean])
    assert (made.given != clean).all()
    assert torch.tensor(CIFAR100_SUPERCLASS).bincount().tolist() == [5] * 20


def test_next_within_goes_round_each_group() -> None:
    assert next_within((0, 1, 0, 1, 1, 2)) == (2, 3, 0, 4, 1, 5)


def test_asymmetric_noise_takes_a_map_of_ones_own() -> None:
    clean = torch.tensor([0, 1, 2, 2])
    made = AsymmetricNoise(rate=1.0, mapping=(2, 1, 0)).apply(clean, context(3))
    assert made.given.tolist() == [2, 1, 0, 0]


def test_asymmetric_noise_refuses_other_data_sets() -> None:
    plugin = AsymmetricNoise(rate=0.4, mapping="cifar10")
    with pytest.raises(ValueError, match=r"^mapping: is for 10 classes and the data set has 8; give"):
        plugin.apply(labels(50, 8), context(8))


@pytest.mark.parametrize("noise", [SymmetricNoise, PairflipNoise])
@pytest.mark.parametrize("rate", [-0.1, 1.1, float("nan")])
def test_a_rate_is_a_share(noise: Any, rate: float) -> None:
    with pytest.raises(ValueError, match=r"^rate: must be from 0 to 1"):
        noise(rate=rate)


@pytest.mark.parametrize("mapping", ["cifar", (), (0, 2), (-1, 0)])
def test_a_map_names_classes(mapping: Any) -> None:
    with pytest.raises(ValueError, match=r"^mapping: "):
        AsymmetricNoise(rate=0.1, mapping=mapping)
