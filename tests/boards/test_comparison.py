"""Methods compared cell by cell."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.small_records import bits, elsewhere, label, small_record, write

from lpa3bench.boards.comparison import compare
from lpa3bench.boards.selection import Group, select
from lpa3bench.errors import UsageError
from lpa3bench.records import Record

LPA3 = {"positives": "LPA3"}
PLAIN_LABEL, LPA3_LABEL = (label(small_record(bits(5), slots=slots)) for slots in ({}, LPA3))


def groups(folder: Path, *records: Record) -> list[Group]:
    return select(str(write(folder, *records)), folder)


def three(right: tuple[int, int, int], slots: dict[str, str], identity: str, cost: float) -> list[Record]:
    """Three seeds of ten test images each, and an epoch before with one image fewer right."""
    return [
        small_record(
            bits(number), seed=seed, slots=slots, identity=identity, passes=cost, seconds=cost / 100,
            earlier=[number / 10 - 0.1], per_class=[number / 10, 0.5],
        )
        for seed, number in enumerate(right)
    ]  # fmt: skip


def test_six_small_records_by_hand(tmp_path: Path) -> None:
    """8, 9, 10 of ten images right against 6, 8, 7, and three times the cost.

    Differences 0.2, 0.1, 0.3: mean 0.2, deviation 0.1. All three better is p = 2/8, and not testable. The
    first images are right, so seed 0 tells images 7 and 8 apart, seed 1 the ninth, seed 2 the last three: net
    1, 2, 2, 1 of images 7 to 10. Four images of one mind are p = 2/16.
    """
    method = groups(tmp_path / "a", *three((8, 9, 10), LPA3, "000000aa", 3000.0))
    baseline = groups(tmp_path / "b", *three((6, 8, 7), {}, "000000bb", 1000.0))
    compared = compare(method, baseline, "accuracy.last")
    (cell,) = compared.cells
    assert (cell.method.label, cell.baseline.label) == (
        f"digits-supervised-lpa3-{method[0].first.identity}",
        f"digits-supervised-{baseline[0].first.identity}",
    )
    assert (cell.method.runs, cell.method.scores.mean) == (3, pytest.approx(0.9))
    assert (cell.baseline.scores.mean, cell.baseline.scores.std) == pytest.approx((0.7, 0.1))
    assert (cell.test.n, cell.test.p, cell.test.smallest_p) == (3, 0.25, 0.25)
    assert (cell.test.difference, cell.test.std) == pytest.approx((0.2, 0.1))
    assert (cell.test.verdict, cell.test.why) == (
        "not testable",
        "not testable: 3 pairs allow no p below 0.25",
    )
    assert cell.images
    assert (cell.images.pooled.only_method, cell.images.pooled.only_baseline) == (4, 0)
    assert cell.images.pooled.p == pytest.approx(0.125)
    assert [one.p for _, one in cell.images.seeds] == pytest.approx([0.5, 1.0, 0.25])
    assert cell.harm
    assert (cell.harm.harmed, cell.harm.worst.number, cell.harm.worst.mean) == (0, 1, 0.0)
    assert cell.badge == "augmenter only"
    assert cell.augmenters == ("run.positives: None → @positives/augmenters.LPA3()",)
    passes, seconds = cell.costs
    assert (passes.axis, passes.method, passes.baseline) == ("passes", 3000.0, 1000.0)
    assert (seconds.axis, seconds.method, seconds.baseline) == ("seconds", 30.0, 10.0)
    # An epoch of the method costs 1500: at the baseline's cost it has done none.
    assert (passes.at_baseline_cost.method, passes.at_baseline_cost.n) == (None, 0)
    # And the baseline has ended at a third of the method's cost: stopped there, it is no other run.
    assert (passes.at_method_cost.p, passes.at_method_cost.spent) == (None, pytest.approx(1 / 3))
    # Final scores of the baseline: 0.6, 0.8, 0.7; the method's first epochs have 0.7, 0.8, 0.9.
    assert (passes.to_target.reached, passes.to_target.method, passes.to_target.baseline) == (
        3,
        1500.0,
        1000.0,
    )
    assert compared.pooled is None


def test_the_other_way_round_everything_turns(tmp_path: Path) -> None:
    one = groups(tmp_path / "a", *three((8, 9, 6), LPA3, "000000aa", 3000.0))
    other = groups(tmp_path / "b", *three((6, 8, 7), {}, "000000bb", 1000.0))
    (there,), (back,) = compare(one, other, "accuracy.last").cells, compare(other, one, "accuracy.last").cells
    assert there.test.difference == pytest.approx(-(back.test.difference or 0))
    assert (there.test.p, there.method, there.baseline) == (back.test.p, back.baseline, back.method)
    assert there.images
    assert back.images
    assert there.images.pooled.only_method == back.images.pooled.only_baseline == 2
    assert back.augmenters == ("run.positives: @positives/augmenters.LPA3() → None",)


def test_cells_that_share_an_environment_are_compared(tmp_path: Path) -> None:
    """Two settings; each method meets its own, never the other, and p is corrected over both."""
    settings = ("labels40", "sym50")
    plain = [small_record(bits(5), seed=s, setting=one) for one in settings for s in range(7)]
    lpa3 = [small_record(bits(7), seed=s, setting=one, slots=LPA3) for one in settings for s in range(7)]
    compared = compare(groups(tmp_path / "a", *lpa3), groups(tmp_path / "b", *plain), "accuracy.last")
    assert [(cell.method.label, cell.baseline.label) for cell in compared.cells] == [
        (label(lpa3[0]), label(plain[0])),
        (label(lpa3[-1]), label(plain[-1])),
    ]
    assert {(cell.test.p, cell.test.p_holm, cell.test.verdict) for cell in compared.cells} == {
        (2 / 128, 2 / 64, "better")
    }
    assert compared.pooled
    assert (compared.pooled.n, compared.pooled.p, compared.pooled.verdict) == (2, 0.5, "not testable")
    assert compared.pooled.difference == pytest.approx(0.2)


def test_two_methods_of_one_folder_are_compared_once(tmp_path: Path) -> None:
    """Not the other way round as well, which would double every p."""
    plain = [small_record(bits(5), seed=seed) for seed in range(7)]
    lpa3 = [small_record(bits(7), seed=seed, slots=LPA3) for seed in range(7)]
    both = groups(tmp_path, *plain, *lpa3)
    (cell,) = compare(both, both, "accuracy.last").cells
    assert cell.test.p == cell.test.p_holm == 2 / 128


def test_one_run_against_every_method_of_a_board(tmp_path: Path) -> None:
    mine = groups(tmp_path / "a", small_record(bits(7), slots={"view": "Mine"}))
    board = groups(
        tmp_path / "b",
        *three((6, 8, 7), {}, "000000bb", 1000.0),
        *[small_record(bits(right), seed=right, slots=LPA3) for right in (0, 1, 2)],
        small_record(bits(9)),
        small_record(bits(9), dataset="FashionMNIST"),
    )
    compared = compare(mine, board, "accuracy.last")
    assert [cell.baseline.label for cell in compared.cells] == [
        PLAIN_LABEL,
        LPA3_LABEL,
    ]
    assert [str(unpaired) for unpaired in compared.cells[1].refused] == [
        "seed 1: no run of the method",
        "seed 2: no run of the method",
    ]
    assert compared.pooled is None


def test_two_cells_are_compared_whatever_they_are(tmp_path: Path) -> None:
    longer = groups(tmp_path / "a", *three((6, 8, 7), {}, "000000bb", 1000.0))
    short = groups(tmp_path / "b", small_record(bits(5)))
    (cell,) = compare(longer, short, "accuracy.last").cells
    assert (cell.badge, cell.besides) == ("other settings too", ("run.epochs: 1 → 2",))
    (same,) = compare(short, groups(tmp_path / "c", small_record(bits(6))), "accuracy.last").cells
    assert (same.badge, same.test.difference) == ("nothing differs", pytest.approx(-0.1))


def test_runs_on_part_of_the_images_are_marked(tmp_path: Path) -> None:
    part = groups(tmp_path / "a", small_record(bits(5), limit=64))
    whole = groups(tmp_path / "b", small_record(bits(5)))
    (cell,) = compare(part, whole, "accuracy.last").cells
    assert (cell.method.is_result, cell.baseline.is_result) == (False, True)
    assert cell.besides == ("--limit: none → 64",)


def test_what_runs_of_one_experiment_differ_in_is_told_whichever_pair_it_is_in(tmp_path: Path) -> None:
    first, second = three((6, 8, 7), LPA3, "000000aa", 1.0)[:2]
    moved = elsewhere(second, cpu_model="another CPU")
    method = groups(tmp_path / "a", first, moved)
    baseline = groups(tmp_path / "b", *three((6, 8, 7), {}, "000000bb", 1.0))
    assert compare(method, baseline, "accuracy.last").cells[0].surroundings == (
        "hardware: a CPU → another CPU",
    )


def refusal(ours: list[Group], theirs: list[Group], metric: str = "accuracy.last") -> str:
    with pytest.raises(UsageError) as caught:
        compare(ours, theirs, metric)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_cannot_be_compared(tmp_path: Path) -> None:
    plain = groups(tmp_path / "a", small_record(bits(5)))
    others = groups(tmp_path / "b", small_record(bits(5), labels="b", slots=LPA3))
    assert refusal(plain, plain) == f"nothing to compare: both are {PLAIN_LABEL}"
    assert refusal(plain, others) == (
        f"nothing to compare: no run of {PLAIN_LABEL} makes a pair with one of "
        f"{LPA3_LABEL}: seed 0: the labels, or the images that were trained on, differ"
    )
    lpa3 = groups(tmp_path / "c", small_record(bits(5), slots=LPA3))
    assert "seed 0: accuracy.val_selected is undefined" in refusal(plain, lpa3, "accuracy.val_selected")
    assert refusal(plain, lpa3, "nll.last") == (
        "--metric nll.last: none of the records has it; METRIC.RULE: metrics are accuracy, rules last, "
        "mean_last_10, mean_last_20, median_last_20, val_selected, oracle_best (docs/metrics.md)"
    )
    far = groups(tmp_path / "d", small_record(bits(5), task="PES"), small_record(bits(5), dataset="STL10"))
    assert refusal(plain, far) == (
        "nothing to compare: no two cells share task, data set, labels, setting, backbone and epochs; they "
        "are Supervised Digits Clean SmallNet 1, and PES Digits Clean SmallNet 1; "
        "Supervised STL10 Clean SmallNet 1; name one cell on each side to compare them all the same"
    )


@pytest.mark.parametrize(("cost", "compared_with_it"), [(3000.0, True), (2500.0, True), (9000.0, False)])
def test_an_arm_far_from_the_methods_cost_is_no_arm_at_equal_cost(
    tmp_path: Path, cost: float, *, compared_with_it: bool
) -> None:
    method = groups(tmp_path / "a", *three((8, 9, 10), LPA3, "000000aa", 3000.0))
    baseline = groups(tmp_path / "b", *three((6, 8, 7), {}, "000000bb", 1000.0))
    arm = groups(tmp_path / "c", *three((9, 9, 9), {}, "000000cc", cost))
    (cell,) = compare(method, baseline, "accuracy.last", arm).cells
    assert (cell.at_equal_cost is not None) == compared_with_it
