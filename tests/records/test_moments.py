"""Means and standard deviations are those of the standard library, bit for bit."""

from __future__ import annotations

import random
import statistics

import pytest

from lpa3bench.records.moments import exact_mean, exact_stdev

SCORES = [
    [0.25],
    [0.0, 0.0],
    [1, 2.5, 3],
    [0.1, 0.1, 0.1],
    [5e-324, 1e300, -1e300, 1.0],
    [1e16, 1e16 + 2, 1e16 + 4],
    [1e-160, 2e-160, 4e-160],
    *([draw.choice((1, -1)) * draw.random() * 10.0 ** draw.randint(-9, 9) for _ in range(n)]
      for draw in (random.Random(0),) for n in (2, 3, 5, 12, 120)),
    *([draw.randrange(718) / 717 for _ in range(n)]
      for draw in (random.Random(1),) for n in (2, 12, 20) * 30),
]  # fmt: skip


@pytest.mark.parametrize("values", SCORES)
def test_are_those_of_the_standard_library(values: list[float]) -> None:
    assert exact_mean(values) == statistics.mean(values)
    if len(values) > 1:
        assert exact_stdev(values) == statistics.stdev(values)


def test_one_value_has_no_deviation() -> None:
    with pytest.raises(ValueError, match="two or more"):
        exact_stdev([1.0])
