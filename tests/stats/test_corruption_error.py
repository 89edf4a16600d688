"""Corruption errors, checked by hand."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from support.later_scores import made_up_scores
from support.small_records import bits, small_record

from lpa3bench.stats.corruption_error import corruption_errors, mean_corruption_error

RECORD = small_record(bits(6))
HALF = made_up_scores(RECORD, lambda kind, severity: 0.5)


def test_errors_are_summed_over_severities_before_they_are_divided() -> None:
    """fog: 0.1 + 0.2 + 0.3 + 0.4 + 0.5 = 1.5 over 2.5; all others 0.25 · 5 over 2.5."""
    mine = made_up_scores(RECORD, lambda kind, severity: 1 - 0.1 * severity if kind == "fog" else 0.75)
    errors = corruption_errors(mine, HALF)
    assert (errors["fog"], errors["snow"]) == (pytest.approx(0.6), pytest.approx(0.5))
    assert mean_corruption_error(mine, HALF) == pytest.approx((0.6 + 14 * 0.5) / 15)
    assert mean_corruption_error(HALF, HALF) == 1


def test_conditions_of_both_count_alone() -> None:
    part = msgspec.structs.replace(HALF, conditions=HALF.conditions[:2])
    mine = made_up_scores(RECORD, lambda kind, severity: 0.25 * severity)
    assert corruption_errors(mine, part) == {"gaussian_noise": pytest.approx(1.25)}


@pytest.mark.parametrize("changed", [{"data": "e" * 64}, {"images": 11}])
def test_of_other_images_there_is_no_error(changed: dict[str, Any]) -> None:
    other = msgspec.structs.replace(HALF, **changed)
    assert corruption_errors(HALF, other) == {}
    assert mean_corruption_error(HALF, other) is None


def test_a_baseline_without_errors_defines_none() -> None:
    perfect = made_up_scores(RECORD, lambda kind, severity: 1.0 if kind == "fog" else 0.5)
    assert corruption_errors(HALF, perfect)["fog"] is None
    assert mean_corruption_error(HALF, perfect) is None
    one_of_a_million = made_up_scores(RECORD, lambda kind, severity: 1 - 1e-6)
    assert mean_corruption_error(HALF, one_of_a_million) == pytest.approx(5e5)
    assert mean_corruption_error(msgspec.structs.replace(HALF, conditions=()), HALF) is None
