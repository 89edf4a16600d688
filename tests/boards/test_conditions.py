"""Conditions of rows and columns on records."""

from __future__ import annotations

from typing import Any

import pytest
from support.small_records import bits, small_record

from lpa3bench.boards.conditions import Conditions, parsed

RECORD = small_record(
    bits(7),
    task="PES",
    setting="sym50",
    slots={"positives": "LPA3", "strong": "RandAugment"},
    config={
        "PES.lambda_u": "7.5",
        "PES.nesterov": "True",
        "positives/LPA3.iterations": "0",
        "positives/LPA3.step_size": "None",
        "positives/RandAugment.domain": "'aux'",
        "strong/RandAugment.domain": "'main'",
        "run.weak": "@WeakView()",
    },
)


@pytest.mark.parametrize(
    ("match", "fits"),
    [
        ({"task": "PES"}, True),
        ({"task": ["Mixup", "PES"]}, True),
        ({"task": "Mixup"}, False),
        ({"setting": "none"}, False),
        ({"epochs": 1}, True),
        ({"slots.positives": "LPA3", "slots.view": "none"}, True),
        ({"slots.view": "LPA3"}, False),
        ({"LPA3.iterations": 0}, True),
        ({"LPA3.iterations": 3}, False),
        ({"positives/LPA3.iterations": 0}, True),
        ({"positives/LPA3.iterations": 0.0}, True),
        ({"positives/LPA3.iterations": False}, False),
        ({"positives/LPA3.iterations": [1, False]}, False),
        ({"PES.nesterov": True}, True),
        ({"PES.nesterov": 1}, False),
        ({"strong/LPA3.iterations": 0}, False),
        ({"LPA3.step_size": "none"}, True),
        ({"LPA3.margin": "none"}, True),
        ({"PES.lambda_u": 7.5}, True),
        ({"RandAugment.domain": "main"}, True),
        ({"positives/RandAugment.domain": "main"}, False),
        ({"run.weak": "@WeakView()"}, True),
        ({"numerics": 1}, True),
        ({"numerics": [2, 3]}, False),
        ({"identity": RECORD.identity}, True),
        ({"identity": "01234567"}, False),
    ],
)
def test_conditions_hold_or_not(match: dict[str, Any], fits: bool) -> None:
    assert Conditions.of({"match": match}).fit(RECORD) is fits
    assert Conditions.of({"unless": match}).fit(RECORD) is not fits


def test_what_fails_is_told() -> None:
    assert Conditions.of({"match": {"task": ["Mixup", "PCorrection"]}}).failed(RECORD) == (
        "task is not Mixup or PCorrection"
    )
    assert Conditions.of({"unless": {"LPA3.iterations": 0}}).failed(RECORD) == "LPA3.iterations is 0"
    assert Conditions.of({}).failed(RECORD) is None


def test_a_record_without_a_setting_has_none() -> None:
    assert Conditions.of({"match": {"setting": "none"}}).fit(small_record(bits(1)))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("'aux'", "aux"),
        ("None", "none"),
        ("True", True),
        ("(1, 2)", "(1, 2)"),
        ("@a.B()", "@a.B()"),
        ("1e999", "1e999"),
    ],
)
def test_values_are_taken_from_their_text(text: str, value: object) -> None:
    assert parsed(text) == value
