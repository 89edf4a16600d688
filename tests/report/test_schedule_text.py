"""Schedules compared, in sentences and as JSON."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from support.schedule_runs import grid

from lpa3bench.boards.measures import measure_of
from lpa3bench.report.figures.schedules import schedule_panels
from lpa3bench.report.schedule_text import Found, agreement_text, found_of, schedules_json, schedules_text
from lpa3bench.stats import kendall_tau

ACCURACY = measure_of("accuracy.last", grid(lambda *_: 500, seeds=1))


def found(score: Callable[[str, str, int], int], seeds: int = 8, names: str = " PGD LPA3") -> Found:
    (panel,), _ = schedule_panels(grid(score, seeds, names), "accuracy.last")
    return found_of(panel, ACCURACY)


def gains(augmenter: str, setting: str, seed: int) -> int:
    """LP-A3 gains four points, PGD loses one or two; the double schedule is a point better."""
    loss = {"short": 20, "whole": 20, "double": 10}[setting]
    return 500 + {"": 0, "LPA3": 40, "PGD": -loss}[augmenter] + (10 if setting == "double" else 0) + seed % 3


def test_a_sentence_claims_what_the_tests_carry() -> None:
    """LP-A3's short schedule costs less than the double one; its others cost more than any run of the task
    alone. PGD's cost as much as the next one, or more than any."""
    assert found(gains).sentence == (
        "Digits · FixMatch: against “weak view only” on the schedules that cost next more and next less, "
        "“LP-A3” is better on 1 (short: +3.00 points), is not testable on 2 (the task alone has no run as "
        "dear) of 3 schedules; “PGD” is worse on 3 (short: −2.00, whole: −3.00, double: −1.00 points) of 3 "
        "schedules (8 pairs of runs each, on these test images)."
    )


def test_with_few_seeds_or_without_the_task_alone_nothing_is_claimed() -> None:
    few = found(gains, seeds=3).sentence
    assert "better" not in few
    assert "worse" not in few
    assert few.endswith("not testable: “LP-A3”, “PGD” (3 pairs of runs each, on these test images).")
    alone = found(gains, names="PGD LPA3")
    assert (
        alone.sentence
        == "Digits · FixMatch: there is not one task alone that methods could be compared with."
    )
    assert alone.at_cost == []


def test_no_difference_is_no_claim() -> None:
    same = found(lambda augmenter, setting, seed: 500 + 10 * ((seed + len(augmenter)) % 2), names=" PGD")
    assert same.sentence.endswith(
        "cost next more and next less, no difference is shown for “PGD” "
        "(8 pairs of runs each, on these test images)."
    )


def test_a_ranking_in_words() -> None:
    short, whole = found(gains).agreements
    assert agreement_text(short, "double") == (
        "τ 1.00 [1.00, 1.00] with double (3 methods, 8 seeds); by halves of the seeds 1.00, double with "
        "itself 1.00"
    )
    assert whole.of.tau == 1
    (few, _) = found(gains, names=" PGD").agreements
    assert agreement_text(few, "double") == (
        "no τ with double: of fewer than 3 methods rankings say next to nothing (2 methods, 8 seeds)"
    )
    turned = found(lambda augmenter, setting, seed: 500 + len(augmenter) * (-1 if setting == "short" else 1))
    assert agreement_text(turned.agreements[0], "double").startswith("τ −1.00 [−1.00, −1.00] with double")


def test_the_json_has_every_score_that_its_numbers_come_from() -> None:
    told = json.loads(schedules_json([found(gains)], ACCURACY, [Path("a/budget.svg")]))
    (panel,) = told["panels"]
    assert (told["metric"], told["files"], panel["reference"]) == ("accuracy.last", ["budget.svg"], "double")
    means = {
        setting: [
            sum(point["scores"].values()) / len(point["scores"])
            for method in panel["methods"]
            for point in method["points"]
            if point["schedule"] == setting
        ]
        for setting in ("short", "double")
    }
    assert panel["agreements"][0]["tau"] == kendall_tau(means["short"], means["double"])
    (lpa3, *_) = panel["at_cost"]
    assert (lpa3["method"], lpa3["schedule"], lpa3["verdict"]) == ("LP-A3", "short", "better")
    assert lpa3["longer"]["schedule"] == "double"
    assert lpa3["longer"]["difference"] == 0.03
    assert schedules_text([found(gains)], ACCURACY).count("Digits · FixMatch") == 2
