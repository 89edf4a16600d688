"""What a method does to single classes."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from support.small_records import bits, small_record

from lpa3bench.stats import Pair, class_harm


def pair(method: Sequence[float | None], baseline: Sequence[float | None], seed: int = 0) -> Pair:
    ours, theirs = (small_record(bits(5), seed=seed, per_class=side) for side in (method, baseline))
    return Pair(method=ours, baseline=theirs)


def test_the_worst_class_and_the_number_harmed() -> None:
    """Class 0: +0.2, +0.1. Class 1: −0.1, −0.3. Class 2: −0.1, +0.05. Class 3: 0, 0."""
    harm = class_harm(
        [pair([0.9, 0.5, 0.4, 1], [0.7, 0.6, 0.5, 1]), pair([0.8, 0.4, 0.6, 1], [0.7, 0.7, 0.55, 1], seed=1)]
    )
    assert harm
    assert [one.mean for one in harm.classes] == pytest.approx([0.15, -0.2, -0.025, 0.0])
    assert (harm.worst.number, harm.worst.mean) == (1, pytest.approx(-0.2))
    assert harm.worst.std == pytest.approx(0.02**0.5)
    assert (harm.harmed, harm.harmed_in_every_pair) == (2, 1)


def test_a_class_without_test_images_is_left_out() -> None:
    harm = class_harm([pair([None, 0.5, 0.4], [0.7, 0.6, 0.3])])
    assert harm
    assert [one.number for one in harm.classes] == [1, 2]
    assert class_harm([pair([None, 0.5], [0.5, None])]) is None


def test_differences_by_rounding_harm_nobody() -> None:
    harm = class_harm([pair([0.3, 0.3], [0.1 + 0.2, 0.1 + 0.2])])
    assert harm
    assert (harm.harmed, harm.harmed_in_every_pair, harm.worst.number) == (0, 0, 0)


def test_what_cancels_out_over_seeds_harms_nobody() -> None:
    """Of 7 images one more, then one less, then as many: as floats the mean is −2.8e-17."""
    pairs = [
        pair([3 / 7, 1.0], [2 / 7, 1.0]),
        pair([5 / 7, 1.0], [6 / 7, 1.0], seed=1),
        pair([4 / 7, 1.0], [4 / 7, 1.0], seed=2),
    ]
    harm = class_harm(pairs)
    assert harm
    assert [one.mean for one in harm.classes] == [0.0, 0.0]
    assert harm.harmed == 0


def test_without_pairs_there_is_nothing_to_say() -> None:
    assert class_harm([]) is None
