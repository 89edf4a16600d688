from __future__ import annotations

from lpa3bench.runtime.counting import counted


def test_one_is_no_plural_and_none_is() -> None:
    assert [counted(number, "epoch") for number in (0, 1, 2, 1797)] == [
        "0 epochs", "1 epoch", "2 epochs", "1,797 epochs",
    ]  # fmt: skip
