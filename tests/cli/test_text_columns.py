from __future__ import annotations

from lpa3bench.cli.text_columns import aligned


def test_numbers_stand_at_the_right_and_the_last_cell_runs_on() -> None:
    rows = [("run", "seconds", ""), ("digits", "7.5", "not a result, and why"), ("d", "110.2", "")]
    assert aligned(rows, numbers=[1]) == [
        "run     seconds",
        "digits      7.5  not a result, and why",
        "d         110.2",
    ]


def test_the_last_cell_of_a_short_row_widens_no_column() -> None:
    rows = [("memory", "0.3 GiB, programs and data included"), ("step", "4 ms", "10 images")]
    assert aligned(rows, indent="  ") == [
        "  memory  0.3 GiB, programs and data included",
        "  step    4 ms  10 images",
    ]
    assert aligned([]) == []
