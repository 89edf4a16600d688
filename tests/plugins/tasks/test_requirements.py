"""What tasks ask of their parameters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lpa3bench_plugins.tasks import requirements


@pytest.mark.parametrize(
    ("check", "fine", "wrong", "said"),
    [
        (requirements.positive, 0.1, 0, "must be > 0, not 0"),
        (requirements.not_negative, 0, -0.5, "must be >= 0, not -0.5"),
        (requirements.below_one, 0, 1, r"must be in \[0, 1\), not 1"),
        (requirements.fraction, 1, 1.5, r"must be in \[0, 1\], not 1.5"),
        (lambda **given: requirements.at_least(4, **given), 4, 3, "must be >= 4, not 3"),
    ],
)
def test_the_first_that_is_out_of_range_is_named(
    check: Callable[..., None], fine: Any, wrong: Any, said: str
) -> None:
    check(alpha=fine, beta=fine)
    with pytest.raises(ValueError, match=f"^beta: {said}$"):
        check(alpha=fine, beta=wrong)
    with pytest.raises(ValueError, match=f"^alpha: {said}$"):
        check(alpha=wrong, beta=wrong)
