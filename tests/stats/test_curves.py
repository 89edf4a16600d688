"""Differences between curves: each epoch against what the baseline of the same seed was by then."""

from __future__ import annotations

import pytest
from support.small_records import bits, small_record

from lpa3bench.records import Record
from lpa3bench.stats.curves import Progress, difference_curve


def run(seed: int, scores: list[float], passes: float) -> Record:
    *earlier, last = scores
    return small_record(bits(round(10 * last)), seed=seed, earlier=earlier, passes=passes, seconds=passes)


BASELINES = [run(0, [0.2, 0.5], 2.0), run(1, [0.4, 0.7], 2.0), run(7, [0.0, 0.1], 2.0)]
METHODS = [run(0, [0.3, 0.6, 0.8], 6.0), run(1, [0.3, 0.8, 0.8], 6.0), run(9, [0.0, 0.1, 0.1], 6.0)]


@pytest.mark.parametrize(
    ("along", "differences"),
    [
        # two passes an epoch: after the first one the baseline, at one an epoch, has ended
        ("passes", [(-0.2, -0.4), (0.1, 0.1), (0.3, 0.1)]),
        ("epochs", [(0.1, -0.1), (0.1, 0.1), (0.3, 0.1)]),
    ],
)
def test_a_baseline_counts_as_it_was_by_then(along: Progress, differences: list[tuple[float, float]]) -> None:
    found = difference_curve(METHODS, BASELINES, "accuracy", along)
    assert found is not None
    assert found.epochs == (1, 2, 3)
    assert found.passes == pytest.approx((2, 4, 6))
    assert found.mean == pytest.approx([sum(pair) / 2 for pair in differences])
    assert found.std == pytest.approx([abs(a - b) / 2**0.5 for a, b in differences])


def test_epochs_before_the_baselines_first_score_are_left_out() -> None:
    found = difference_curve([run(0, [0.3, 0.6, 0.8], 3.0)], [run(0, [0.2, 0.5], 4.0)], "accuracy", "passes")
    assert found is not None
    assert found.epochs == (2, 3)
    assert found.mean == pytest.approx([0.4, 0.6])
    assert found.std == (None, None)


def test_what_has_no_difference() -> None:
    assert difference_curve(METHODS[:1], BASELINES[1:], "accuracy", "epochs") is None, "no seed in common"
    late = [run(0, [0.2], 100.0)]
    assert difference_curve(METHODS[:1], late, "accuracy", "passes") is None, "no score in time"
