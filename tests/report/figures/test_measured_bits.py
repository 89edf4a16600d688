"""Measured bits: what is compared with what, and how it is shown."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from support.small_records import bits, small_record

from lpa3bench.errors import DataError, UsageError
from lpa3bench.records import Record
from lpa3bench.report.figures.information_figure import draw_information
from lpa3bench.report.figures.measured_bits import (
    INFORMATION_VERSION,
    MeasuredArm,
    MeasuredBits,
    MeasuredRun,
    MeasuredTarget,
    ProbeBits,
    arms_of,
    difference_table,
    difference_text,
    information_of,
    information_table,
    read_bits,
    told,
)
from lpa3bench.stats.paired import holm, paired_test

SEEDS = range(100, 112)
TARGETS = (MeasuredTarget("label", 10, 3.32), MeasuredTarget("colour", 6, 2.58))


def run_of(seed: int, label: float, colour: float, **more: ProbeBits) -> MeasuredRun:
    """Two probes of each target, 0.1 bits apart."""
    both: ProbeBits = {"label": (label - 0.05, label + 0.05), "colour": (colour - 0.05, colour + 0.05)}
    return MeasuredRun(run=f"r-s{seed}", seed=seed, features=64, bits=both, **more)


def measured() -> MeasuredBits:
    """Of an arm that lowers the colour by 0.5 bits, and one that does nothing."""
    noise = np.random.default_rng(0).normal(0, 0.05, (3, 2, len(SEEDS))).tolist()
    zero: ProbeBits = {"label": (0.0, 0.0), "colour": (0.0, 0.0)}
    swapped: ProbeBits = {"label": (2.5, 2.5), "colour": (0.0, 0.0)}
    arms = [
        MeasuredArm(
            name,
            "method" if place else "baseline",
            tuple(
                run_of(
                    seed,
                    2.5 + noise[place][0][k],
                    2.0 - fewer + noise[place][1][k],
                    **({} if place else {"swapped": swapped, "blank": zero}),
                )
                for k, seed in enumerate(SEEDS)
            ),
        )
        for place, (name, fewer) in enumerate({"weak view only": 0.0, "LP-A3": 0.5, "Identity": 0.0}.items())
    ]
    images: ProbeBits = {"label": (3.0,), "colour": (2.5,)}
    return MeasuredBits(INFORMATION_VERSION, "NuisanceDigits", TARGETS, images, tuple(arms))


def test_each_arm_is_compared_with_the_first_seed_by_seed_and_all_are_judged_together() -> None:
    file = measured()
    found = information_of(file)
    baseline, lpa3, identity = found.arms
    assert baseline.tests == {}
    assert baseline.bits["label"][0] == pytest.approx(sum(file.arms[0].runs[0].bits["label"]) / 2)
    differences = [a - b for a, b in zip(lpa3.bits["colour"], baseline.bits["colour"], strict=True)]
    alone = paired_test(differences)
    assert lpa3.tests["colour"].difference == pytest.approx(alone.difference)
    tests = [row.tests[target.name] for row in (lpa3, identity) for target in TARGETS]
    assert [t.p_holm for t in tests] == pytest.approx(holm([t.p or math.nan for t in tests]))
    assert [told(test) for test in tests] == ["no difference shown", "fewer", *2 * ["no difference shown"]]
    assert difference_text(lpa3.tests["colour"]).startswith("**−0.")
    assert "], p 0.00" in difference_text(lpa3.tests["colour"])


def test_runs_without_a_partner_are_left_out() -> None:
    file = measured()
    short = msgspec.structs.replace(file.arms[1], runs=file.arms[1].runs[3:])
    found = information_of(msgspec.structs.replace(file, arms=(file.arms[0], short)))
    assert found.arms[1].tests["label"].n == len(SEEDS) - 3


def test_images_whose_truth_is_known_stand_beside() -> None:
    pixels, swapped, blank = information_of(measured()).references
    assert pixels.bits["colour"] == (2.5,)
    assert swapped.summary("label").mean == 2.5
    assert swapped.summary("colour").mean == blank.summary("label").mean == 0


def test_the_tables() -> None:
    found = information_of(measured())
    lines = information_table(found).splitlines()
    assert lines[0] == "| bits found | label, of 3.32 | colour, of 2.58 |"
    assert [line.split(" | ")[0] for line in lines[2:]] == [
        "| weak view only", "| LP-A3", "| Identity", "| the images' pixels", "| swapped within the class",
        "| blank images",
    ]  # fmt: skip
    assert lines[-1] == "| blank images | 0.00 ± 0.00 | 0.00 ± 0.00 |"
    assert lines[-3] == "| the images' pixels | 3.00 | 2.50 |", "no spread of one probe"
    assert [line.count("**") for line in difference_table(found).splitlines()] == [0, 0, 2, 0]


def test_the_file_is_read_as_it_was_written_and_drawn_the_same(tmp_path: Path) -> None:
    files = draw_information(measured(), tmp_path / "a")
    assert [file.name for file in files] == ["a.json", "a.svg", "a.png"]
    assert read_bits(files[0]) == measured()
    again = draw_information(read_bits(files[0]), tmp_path / "b.svg")
    assert [file.read_bytes() for file in again] == [file.read_bytes() for file in files]
    svg = files[1].read_text(encoding="utf-8")
    assert "<title>Bits of label, colour in representations by augmenter</title>" in svg
    assert "Found bits are there; bits not found may be there too" in svg
    for name in ("LP-A3", "blank images", "label, of 3.32 bits", "n = 12"):
        assert name in svg
    assert files[2].stat().st_size < 300_000


def test_what_is_no_file_of_measured_bits_is_refused(tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.json"
    wrong.write_text("{}")
    with pytest.raises(DataError, match=r"is no file of measured bits .*missing required field"):
        read_bits(wrong)
    wrong.write_text(msgspec.structs.replace(measured(), version=0).text())
    with pytest.raises(DataError, match="is of version 0, not 1; measure again"):
        read_bits(wrong)


def without(file: MeasuredBits, place: int, **changed: Any) -> MeasuredBits:
    """With the first run of an arm changed."""
    first, *rest = file.arms[place].runs
    runs = (msgspec.structs.replace(first, **changed), *rest)
    arms = [*file.arms]
    arms[place] = msgspec.structs.replace(arms[place], runs=runs)
    return msgspec.structs.replace(file, arms=tuple(arms))


@pytest.mark.parametrize(
    "damaged",
    [
        msgspec.structs.replace(measured(), arms=()),
        msgspec.structs.replace(measured(), arms=measured().arms[1:]),
        msgspec.structs.replace(measured(), arms=(MeasuredArm("weak view only", "baseline", ()),)),
        msgspec.structs.replace(measured(), targets=TARGETS[:1]),
        msgspec.structs.replace(measured(), targets=()),
        msgspec.structs.replace(measured(), images={"label": (3.0,)}),
        without(measured(), 1, bits={"label": (1.0,)}),
        without(measured(), 1, bits={"label": (1.0,), "colour": ()}),
        without(measured(), 0, blank=None),
        without(measured(), 0, swapped={}),
    ],
)
def test_what_lacks_bits_is_refused(tmp_path: Path, damaged: MeasuredBits) -> None:
    path = tmp_path / "damaged.json"
    path.write_text(damaged.text())
    with pytest.raises(DataError, match="lacks bits of a target, or an arm without an augmenter"):
        read_bits(path)


# ------------------------------------------------------------------------------------------------- the arms
def record(slots: dict[str, str], seed: int, **more: str) -> Record:
    return small_record(bits(5), seed=seed, dataset="NuisanceDigits", slots=slots, **more)  # type: ignore[arg-type]


def test_arms_are_named_as_elsewhere_the_one_without_an_augmenter_first() -> None:
    records = [record(slots, seed) for slots in ({"positives": "LPA3"}, {}) for seed in (1, 0)]
    arms = arms_of(records)
    assert [(name, role) for name, role, _ in arms] == [
        ("weak view only", "baseline"), ("LP-A3", "method"),
    ]  # fmt: skip
    assert [record.seed for record in arms[1][2]] == [0, 1]


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UsageError, match="no run there is without an augmenter"):
        arms_of([record({"positives": "LPA3"}, 0)])
    with pytest.raises(UsageError, match="one environment is drawn, and the runs are of 2: "):
        arms_of([record({}, 0), small_record(bits(5), dataset="Digits")])
    with pytest.raises(UsageError, match="the runs are of 0: none"):
        arms_of([])
