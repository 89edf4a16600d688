"""What a run says of its data."""

from __future__ import annotations

from dataclasses import replace

from lpa3bench.data.data_summary import MOST_CLASSES, DataSummary
from lpa3bench.testing import SPEC

SUMMARY = DataSummary(
    images={"train": [3, 0, 2], "test": [1, 1, 0]},
    duplicates={"test in train": 2},
    found={"passed over": {".gif": 1, "hidden": 3}, "images": {}},
)
NAMED = replace(SPEC, class_names=("ant", "bee", "cat"))


def test_lines() -> None:
    assert [*SUMMARY.lines(NAMED)] == [
        "Tiny: train 5 (ant 3, bee 0, cat 2), test 2 (ant 1, bee 1, cat 0)",
        "Tiny: passed over: 3 hidden, 1 .gif",
    ]
    assert next(SUMMARY.lines(SPEC)) == "Tiny: train 5 (0 3, 1 0, 2 2), test 2 (0 1, 1 1, 2 0)"
    assert [*SUMMARY.warnings(NAMED)] == ["Tiny: 2 of 2 test images have the pixels of training images"]


def test_some_of_the_images_in_two_splits_are_named() -> None:
    one = replace(SUMMARY, examples={"test in train": [("test/a.png", "train/b.png")]})
    line = "Tiny: 2 of 2 test images have the pixels of training images (test/a.png is train/b.png; …)"
    assert [*one.warnings(NAMED)] == [line]


def test_splits_stand_in_their_order_and_a_class_without_a_validation_image_is_named() -> None:
    held = replace(SUMMARY, duplicates={}, images={**SUMMARY.images, "val": [1, 0, 0]})
    assert next(held.lines(NAMED)).partition("), ")[2].startswith("val 1 (ant 1")
    assert [*held.warnings(NAMED)] == [
        "Tiny: no validation image is of class bee, cat; take more of them, as by run.holdout"
    ]


def test_many_classes_are_not_counted_one_by_one() -> None:
    many = replace(SUMMARY, images={"train": [*range(4, 5 + MOST_CLASSES)]})
    spec = replace(SPEC, num_classes=MOST_CLASSES + 1)
    assert next(many.lines(spec)) == "Tiny: train 294 (4 to 24 of each of 21 classes)"


def test_files_that_are_always_the_same_are_not_worth_a_line() -> None:
    plain = replace(SUMMARY, found={})
    assert [*plain.lines(NAMED)] == []
    assert plain.as_record() == {
        "images": {"train": [3, 0, 2], "test": [1, 1, 0]},
        "duplicates": {"test in train": 2},
    }
    assert SUMMARY.as_record() == plain.as_record() | {"found": {"passed over": {"hidden": 3, ".gif": 1}}}
