"""Which runs make pairs."""

from __future__ import annotations

import pytest
from support.small_records import NLL, bits, small_record, within

from lpa3bench.stats import Pair, Unpaired, paired_runs

BASELINE = [small_record(bits(5 + seed), seed=seed) for seed in range(3)]
METHOD = [small_record(bits(7), seed=seed, slots={"positives": "LPA3"}) for seed in (2, 0, 1)]


def test_runs_with_one_seed_are_a_pair() -> None:
    pairing = paired_runs(METHOD, BASELINE, "accuracy.last")
    assert [pair.seed for pair in pairing.pairs] == [0, 1, 2]
    assert pairing.differences("accuracy.last") == pytest.approx([0.2, 0.1, 0.0])
    assert pairing.refused == ()
    with pytest.raises(ValueError, match="measure: accuracy.val_selected is undefined in a run with seed 0"):
        pairing.differences("accuracy.val_selected")


def test_a_seed_that_one_side_lacks_makes_no_pair() -> None:
    pairing = paired_runs(METHOD[:1], BASELINE, "accuracy.last")
    assert [pair.seed for pair in pairing.pairs] == [2]
    assert pairing.refused == (Unpaired(0, "no run of the method"), Unpaired(1, "no run of the method"))


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (small_record(bits(5), labels="b"), "the labels, or the images that were trained on, differ"),
        (small_record(bits(5), data="e"), "the data differs"),
        (small_record(bits(6, of=12)), "the test sets differ in size"),
    ],
)
def test_what_was_not_trained_and_tested_on_the_same_is_not_pooled(other: object, reason: str) -> None:
    pairing = paired_runs([small_record(bits(5))], [other], "accuracy.last")  # type: ignore[list-item]
    assert (pairing.pairs, pairing.refused) == ((), (Unpaired(0, reason),))


def test_other_protocols_and_undefined_scores_do_not_compare() -> None:
    older = within(BASELINE[0], "protocol", version=7)
    refused = paired_runs([METHOD[1]], [older], "accuracy.last").refused
    assert refused == (Unpaired(0, "protocol versions 7 and 1 do not compare"),)
    assert paired_runs([METHOD[1]], BASELINE[:1], "accuracy.val_selected").refused == (
        Unpaired(0, "accuracy.val_selected is undefined"),
    )


@pytest.mark.parametrize("side", ["method", "baseline"])
def test_a_score_that_one_side_lacks_is_no_difference(side: str) -> None:
    runs = {"method": METHOD[1], "baseline": BASELINE[0]}
    runs[side] = small_record(bits(5), metric="nll", kind=NLL, last=0.5)
    refused = paired_runs([runs["method"]], [runs["baseline"]], "accuracy.last").refused
    assert refused == (Unpaired(0, "accuracy.last is undefined"),)
    with pytest.raises(ValueError, match="undefined in a run with seed 0"):
        Pair(**runs).difference("accuracy.last")


def test_two_runs_with_one_seed_are_not_chosen_between() -> None:
    twice = [*BASELINE[:1], small_record(bits(9), identity="1")]
    one, other = sorted(map(str, twice))
    assert paired_runs([METHOD[1]], twice, "accuracy.last").refused == (
        Unpaired(0, f"2 runs of the baseline: {one}, {other}"),
    )
