"""What plugins ask of their parameters."""

from __future__ import annotations

from collections.abc import Callable
from math import inf, nan
from typing import Any

import pytest

from lpa3bench_plugins import parameters


@pytest.mark.parametrize(
    ("check", "fine", "wrong", "said"),
    [
        (parameters.positive, 0.1, (0, inf), "must be > 0 and finite"),
        (parameters.not_negative, 0, (-0.5, inf), "must be >= 0 and finite"),
        (parameters.below_one, 0, (1, -0.1), r"must be in \[0, 1\)"),
        (parameters.fraction, 1, (1.5, -0.1), r"must be in \[0, 1\]"),
        (lambda **given: parameters.at_least(4, **given), 4, (3,), "must be >= 4"),
        (lambda **given: parameters.one_of(("a", "b"), **given), "b", ("c",), "must be 'a' or 'b'"),
    ],
)
def test_the_first_that_is_out_of_range_is_named(
    check: Callable[..., None], fine: Any, wrong: tuple[Any, ...], said: str
) -> None:
    check(alpha=fine, beta=fine)
    for value in (*wrong, nan):
        with pytest.raises(ValueError, match=f"^beta: {said}, not {value!r}$"):
            check(alpha=fine, beta=value)
        with pytest.raises(ValueError, match=f"^alpha: {said}, not {value!r}$"):
            check(alpha=value, beta=value)
