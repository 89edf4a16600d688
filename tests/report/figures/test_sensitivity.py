"""Fig. 5: which runs make a line, and what stands beside it."""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest
from support.small_records import bits, small_record, within

from lpa3bench.errors import DataError, UsageError
from lpa3bench.records import Record
from lpa3bench.report.figures.sensitivity import as_data, draw_sensitivity, sensitivity_lines

SLOTS = {"strong": "RandAugment", "positives": "LPA3"}
BASE = {"FixMatch.mu": "7"}


def lpa3(margin: str, ratio: str = "0.9", *, right: int = 8, seed: int = 0, **options: object) -> Record:
    config = BASE | {"positives/LPA3.margin": margin, "positives/LPA3.ratio": ratio}
    return small_record(
        bits(right),
        seed=seed,
        task="FixMatch",
        slots=SLOTS,
        config=config,
        **options,  # type: ignore[arg-type]
    )


def baseline(right: int = 5, seed: int = 0, **config: str) -> Record:
    slots = {"strong": "RandAugment"}
    return small_record(bits(right), seed=seed, task="FixMatch", slots=slots, config=BASE | config)


def grid() -> list[Record]:
    return [
        *(lpa3(margin, right=right, seed=seed) for margin, right in (("0.2", 6), ("0.02", 9), ("0.002", 7))
          for seed in (0, 1)),
        lpa3("0.02", right=8, seed=2),
        *(lpa3("0.02", ratio, right=4) for ratio in ("0.1", "1.0")),
        lpa3("0.5", "0.5", right=1),
        baseline(5), baseline(4, seed=1),
        baseline(1, seed=0, **{"FixMatch.lr": "9.0"}),
    ]  # fmt: skip


def test_a_line_varies_one_thing_and_the_baseline_is_the_same_without() -> None:
    (line,) = sensitivity_lines(grid(), "LPA3.margin")
    assert [(point.value, point.n) for point in line.points] == [(0.002, 2), (0.02, 3), (0.2, 2)]
    assert line.points[1].seeds == (0, 1, 2)
    assert line.points[1].mean == pytest.approx((0.9 + 0.9 + 0.8) / 3)
    assert line.points[1].std == pytest.approx(statistics.stdev([0.9, 0.9, 0.8]))
    assert line.baseline is not None
    assert line.baseline.scores == (0.5, 0.4), "not the one with another learning rate"
    (line,) = sensitivity_lines(grid(), "LPA3.ratio")
    assert [(point.value, point.n) for point in line.points] == [(0.1, 1), (0.9, 3), (1.0, 1)]
    assert line.points[0].std is None
    assert line.baseline is not None
    (of_slot,), (of_any,) = (sensitivity_lines(grid(), f"{slot}LPA3.margin") for slot in ("positives/", ""))
    assert of_slot.points == of_any.points


def test_no_baseline_no_band() -> None:
    (line,) = sensitivity_lines([lpa3("0.2"), lpa3("0.02")], "LPA3.margin")
    assert line.baseline is None
    assert as_data(line)["baseline"] is None


@pytest.mark.parametrize("parameter", ["FixMatch.mu", "LPA3.select", "LPA3.argin", "run.task"])
def test_what_is_not_varied_makes_no_line(parameter: str) -> None:
    assert sensitivity_lines(grid(), parameter) == []


def on(backbone: str, records: list[Record]) -> list[Record]:
    return [within(r, "cell", backbone=backbone) for r in records]


def test_each_environment_has_a_line_a_name_and_a_row(tmp_path: Path) -> None:
    both = [*on("WideNet", grid()), *grid()]
    titles = [line.title for line in sensitivity_lines(both, "LPA3.margin")]
    assert titles == ["Digits · FixMatch · SmallNet", "Digits · FixMatch · WideNet"]
    few = [lpa3("0.2", limit=10), lpa3("0.1", limit=10)]
    assert [line.title for line in sensitivity_lines([*grid(), *few], "LPA3.margin")][
        1
    ] == "Digits · FixMatch · 10 images"
    svg, _ = draw_sensitivity(both, tmp_path / "a")
    text = svg.read_text(encoding="utf-8")
    assert all(title in text for title in titles)
    assert text.count("with LP-A3 (n at each point)") == 4


def test_other_code_makes_no_point_and_no_line() -> None:
    with pytest.raises(DataError, match="have one config, and other code or data behind it"):
        sensitivity_lines([lpa3("0.2"), lpa3("0.2", seed=1, identity="1" * 8), lpa3("0.1")], "LPA3.margin")
    other = within(lpa3("0.1"), "identity", numerics=2)
    with pytest.raises(DataError, match="are of two numerics versions: they belong on no one line"):
        sensitivity_lines([lpa3("0.2"), other], "LPA3.margin")


def test_wrong_records_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="of one config and seed stand there twice"):
        sensitivity_lines([lpa3("0.2"), lpa3("0.2", identity="1" * 8), lpa3("0.1")], "LPA3.margin")
    with pytest.raises(DataError, match="accuracy.mean_last_20 is undefined; take another --metric"):
        sensitivity_lines(grid(), "LPA3.margin", "accuracy.mean_last_20")
    with pytest.raises(
        UsageError, match="--metric nll.last: none of the records has it; .* metrics are accuracy, "
    ):
        sensitivity_lines(grid(), "LPA3.margin", "nll.last")
    with pytest.raises(DataError, match=r"no two runs there differ in LPA3\.margin or LPA3\.ratio alone"):
        draw_sensitivity([baseline()], tmp_path / "a")


def test_the_figure_says_what_n_is_and_is_the_same_again(tmp_path: Path) -> None:
    svg, png = draw_sensitivity(grid(), tmp_path / "a")
    text = svg.read_text(encoding="utf-8")
    assert "without LP-A3 (n = 2)" in text
    assert "with LP-A3 (n at each point)" in text
    assert "margin σ" in text
    assert "ratio τ" in text
    assert "0.002" in text
    assert "test accuracy, last epoch, %" in text
    again = draw_sensitivity(grid()[::-1], tmp_path / "b")
    assert [path.read_bytes() for path in again] == [svg.read_bytes(), png.read_bytes()]
    even = draw_sensitivity(
        [lpa3("0.2"), lpa3("0.1"), baseline()], tmp_path / "c", parameters=["LPA3.margin"]
    )
    assert "with LP-A3 (n = 1)" in even[0].read_text(encoding="utf-8")
