"""What a board's conditions name is there, in a record or in a plugin; else the line and the nearest one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from support.small_boards import LPA3, TOML, defined
from support.small_records import bits, small_record

from lpa3bench.cli.boardnames import check_names
from lpa3bench.errors import ConfigError
from lpa3bench.plugin.registry import Registry, load_registry

RECORDS = [
    small_record(bits(5), config={"run.holdout": "0", "a/Unknown.size": "3"}),
    small_record(bits(6), slots=LPA3, setting="mine", config={"noise/LPA3.iterations": "0"}),
    small_record(bits(6), dataset="Theirs", task="TheirTask"),
]


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry()


def asking(condition: str) -> str:
    return TOML.replace('match = { "slots.positives" = "LPA3" }', f"match = {{ {condition} }}")


def refused(text: str, registry: Registry, folder: Path = Path("small")) -> str:
    with pytest.raises(ConfigError) as caught:
        check_names(defined(text, folder), registry, RECORDS)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ('"sots.view" = "none"', "there is no sots.view; did you mean slots.view?"),
        ('"slot.positives" = "none"', "there is no slot.positives; did you mean slots.positives?"),
        ('"run.holdoutt" = 0', "run has no parameter holdoutt; did you mean holdout"),
        ('"run.holdout" = false', "run.holdout must be an int, not False"),
        ('"LPA3.marginn" = 0.02', "LPA3 has no parameter marginn; did you mean margin"),
        ('"LPA33.margin" = 0.02', "there is no LPA33; did you mean LPA3 or LPA3Fast?"),
        ('"postives/LPA3.margin" = 0.02', "there is no postives; did you mean positives/LPA3.margin?"),
        ('"nosie/LPA3.iterations" = 0', "there is no nosie; did you mean noise/LPA3.iterations?"),
        ('"LPA3.iterations" = true', "LPA3.iterations must be an int, not True"),
        ('"LPA3.margin" = "0.02"', "LPA3.margin must be a"),
        ('"RandAugment.recipe" = "autoaugmnet_cifar10"', "did you mean 'autoaugment_cifar10'"),
        ('setting = "resnet100"', "has it; did you mean resnet"),
        ('setting = ["mine", "mien"]', "has it; did you mean mine"),
        (
            'dataset = ["Digits", "Digist"]',
            "there is no Digist among datasets and records; did you mean Digits",
        ),
        (
            'task = "Superwised"',
            "there is no Superwised among tasks and records; did you mean Supervised?",
        ),
        (
            '"slots.positives" = "LPA2"',
            "there is no LPA2 among augmenters and records; did you mean LPA3 or LPA3Fast?",
        ),
        (
            '"slots.positives" = "Digits"',
            "there is no Digits among augmenters and records; ",
        ),
    ],
)
def test_what_is_nowhere_is_told_with_its_line_and_the_nearest(
    condition: str, message: str, registry: Registry
) -> None:
    told = refused(asking(condition), registry)
    assert message in told
    assert told.startswith(f"small/board.toml:{asking(condition).split(condition)[0].count(chr(10)) + 1}: ")
    unless = asking('"slots.view" = "none"').rstrip() + f"\nunless = {{ {condition} }}\n"
    assert message in refused(unless, registry)


@pytest.mark.parametrize("name", ["LPA3.marginn", "run.holdoutt", "nosie/LPA3.iterations"])
def test_what_may_be_changed_must_be_there_too(name: str, registry: Registry) -> None:
    told = refused(f'changed = ["LPA3.margin", "{name}"]\n{TOML}', registry)
    assert told.startswith("small/board.toml:1: ")
    assert "did you mean" in told


@pytest.mark.parametrize(
    ("metric", "known"),
    [
        ("accuracy.last", True),
        ("macro_auc.last", True),
        ("passes_per_step", True),
        ("corruptions_accuracy.last", True),
        ("corruptions_mce.last", True),
        ("scaled_nll.val_selected", True),
        ("acuracy.last", False),
        ("corruptions_acuracy.last", False),
    ],
)
def test_a_metric_is_one_of_a_record_or_of_a_plugin(metric: str, known: bool, registry: Registry) -> None:
    text = TOML.replace('"accuracy.last"', f'"{metric}"')
    if known:
        check_names(defined(text), registry, RECORDS)
    else:
        told = (
            "small/board.toml:4: there is no metric acuracy among plugins and records; did you mean accuracy?"
            " One in a file of your own is given with --plugin FILE or run.plugins"
        )
        assert refused(text, registry) == told
        also = TOML.replace("protocol = 1", f'also = ["{metric}"]\nprotocol = 1')
        assert refused(also, registry).startswith("small/board.toml:5: there is no metric acuracy")


@pytest.mark.parametrize(
    "condition",
    [
        'setting = ["mine", "sym50", "resnet18", "none"]',
        'dataset = ["Theirs", "Digits"], task = ["TheirTask", "PES"]',
        '"Unknown.size" = [3, 4]',
        '"noise/LPA3.iterations" = 0, "other/LPA3.margin" = 0.5',
        '"LPA3.margin" = [1, "none"], "run.resize" = "none"',
        '"run.holdout" = 0, "run.weak" = "@WeakView()"',
        '"WeakView.crop" = "none"',
        '"InfoMinStyle.space" = "rgb"',
        'epochs = 300, numerics = 9, name = "any", identity = "00000000"',
        '"slots.strong" = "RandAugment"',
        '"Digits.split" = [0, "none"]',  # of records from before it was there
    ],
)
def test_what_is_planned_is_known_before_any_run(condition: str, registry: Registry) -> None:
    check_names(defined(asking(condition)), registry, RECORDS)


def test_settings_of_ones_own_are_known_from_a_gin_file_beside_the_board(
    tmp_path: Path, registry: Registry
) -> None:
    text = asking('setting = "ours"')
    assert re.search(f"none in {tmp_path} has it; ", refused(text, registry, tmp_path))
    (tmp_path / "ours.gin").write_text('run.settings = ("ours", "theirs")\n')
    check_names(defined(text, tmp_path), registry, RECORDS)
