"""Values read back from the texts of a config."""

from __future__ import annotations

from typing import Any

import pytest

from lpa3bench.boards.conditions import parsed
from lpa3bench.records.config_text import value_of


@pytest.mark.parametrize(
    ("text", "value"), [("0.02", 0.02), ("'a'", "a"), ("(1, None)", (1, None)), ("{'a': [1]}", {"a": [1]})]
)
def test_what_a_text_stands_for(text: str, value: Any) -> None:
    assert value_of(text) == value


NO_VALUES = (
    "@augmenters.LPA3()", "", "{[1]: 2}", "-" * 9999 + "1", "[" * 9999, "1+" * 4000 + "1", "1" * 5000,
    r"'\ud800'", "\0", "lambda: 1", "1 +",
)  # fmt: skip


@pytest.mark.parametrize("text", NO_VALUES)
def test_what_is_none_is_one_error_and_stays_text_on_a_board(text: str) -> None:
    with pytest.raises(ValueError):
        value_of(text)
    assert parsed(text) == text


@pytest.mark.parametrize("text", ["1e999", "-1e999"])
def test_what_no_board_can_write_stays_text(text: str) -> None:
    assert parsed(text) == text
