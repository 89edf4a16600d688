"""What runs a cell: by its records, and by conditions and shipped gin files, held against shipped suites."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.shipped_configs import loaded
from support.small_boards import defined
from support.small_records import bits, small_record, within

from lpa3bench.boards.cell_commands import PlannedRun, command_of, planned_run, suite_seeds
from lpa3bench.boards.definition import load_definition
from lpa3bench.records import Record
from lpa3bench.runtime.paths import gin_root

BOARDS = Path(__file__).parents[2] / "leaderboards"


def of_suite(name: str) -> set[str]:
    """The commands of a shipped suite's cells."""
    text = (gin_root() / "suites" / f"{name}.gin").read_text(encoding="utf-8")
    return {f"lpa3bench run {line.strip()[1:-2]}" for line in text.splitlines() if line.startswith('    "')}


@pytest.mark.parametrize("name", ["table1", "table2", "table3"])
def test_an_empty_table_of_the_paper_is_run_as_its_suite_runs_it(name: str) -> None:
    board = load_definition(BOARDS / name)
    planned = [planned_run(board, row, column) for row, column in board.planned()]
    assert {one.command for one in planned} == of_suite(name)
    assert len({one.command for one in planned}) == len(planned)
    assert all("forward equivalents" in one.cost and "#" not in one.cost for one in planned)


def test_a_shipped_board_would_be_run_as_it_was() -> None:
    """Of the digits, apart from settings and `-p` that are the files' own defaults or are in no condition."""
    board = load_definition(BOARDS / "digits")
    planned = {planned_run(board, row, column).command for row, column in board.planned()}
    suites = set.union(*(of_suite(f"digits{more}") for more in ("", "_controls", "_noisy", "_later")))
    plain = {command.partition(" -p ")[0] for command in suites}
    assert {without_default_setting(command) for command in planned} == plain


def without_default_setting(command: str) -> str:
    """A derived command says the setting also where it is the one that the file has anyhow."""
    files, _, setting = command.partition(" --setting ")
    default = loaded(files.split()[2]).experiment().setting
    return files if setting == default else command


def planned(match: str, column: str = 'task = "Supervised"', unless: str = "") -> PlannedRun:
    board = defined(f"""
title = "Small"
metric = "accuracy.last"
protocol = 1
match = {{ dataset = "Digits" }}
[[columns]]
key = "c"
name = "C"
match = {{ {column} }}
[[rows]]
key = "r"
name = "R"
match = {{ {match} }}
unless = {{ {unless} }}
""")
    ((row, of),) = board.planned()
    return planned_run(board, row, of)


@pytest.mark.parametrize(
    ("match", "unless", "command"),
    [
        ('"slots.positives" = "none"', "", "digits_supervised"),
        ('"slots.positives" = "LPA3"', "", "digits_supervised augmenters/lpa3"),
        ('"slots.positives" = "LPA3", "LPA3.iterations" = 0', "", "digits_supervised augmenters/lpa3_noise"),
        ('"slots.positives" = "LPA3", "LPA3.margin" = 0.05', "",
         "digits_supervised augmenters/lpa3 -p LPA3.margin=0.05"),
        ('"slots.view" = "RandAugment"', '"RandAugment.recipe" = "autoaugment_cifar10"',
         "digits_supervised augmenters/randaugment"),
        ('"slots.view" = "RandAugment", "RandAugment.recipe" = "autoaugment_cifar10"', "",
         "digits_supervised augmenters/autoaugment"),
        ('setting = ["equal_cost", "labels40"]', 'setting = "equal_cost"',
         "digits_supervised --setting labels40"),
        ('"Digits.split" = [3, "none"]', "", "digits_supervised"),
        ('"Digits.split" = 3', "", "digits_supervised -p Digits.split=3"),
    ],
)  # fmt: skip
def test_conditions_name_an_overlay_a_setting_and_what_is_left(match: str, unless: str, command: str) -> None:
    assert planned(match, unless=unless).command == f"lpa3bench run {command}"


def test_a_slot_that_the_file_binds_needs_no_overlay() -> None:
    match = '"slots.strong" = "RandAugment", "slots.positives" = "LPA3"'
    assert planned(match, 'task = "FixMatch"').command == "lpa3bench run digits_fixmatch augmenters/lpa3"


def test_what_no_shipped_file_is_for_has_its_conditions_alone() -> None:
    unknown = planned('"slots.positives" = "none"', 'task = "Mine"')
    assert (unknown.command, unknown.cost) == ("", "")
    assert unknown.conditions == ("dataset is Digits", "slots.positives is none", "task is Mine")
    no_overlay = planned('"slots.positives" = "Mine"', unless='"LPA3.iterations" = [0, 1]')
    assert no_overlay.command == ""
    assert no_overlay.conditions[-1] == "LPA3.iterations is not 0 or 1"


def run(seed: int, *words: str) -> Record:
    return within(small_record(bits(5), seed=seed), "provenance", command=words)


def test_a_command_keeps_what_is_run_and_drops_where_and_with_which_seed() -> None:
    records = [
        run(seed, "lpa3bench", "run", "digits_pes", "augmenters/lpa3", "--setting=sym50", "-p",
            "PES.lambda_u = 7.5", "--seed", str(seed), "--device", "cpu", "--data=data", "--fresh",
            "--plugin", "mine.py", "--out", "runs")
        for seed in (0, 1)
    ]  # fmt: skip
    expected = (
        "lpa3bench run digits_pes augmenters/lpa3 --setting=sym50 -p 'PES.lambda_u = 7.5' --plugin mine.py"
    )
    assert command_of(records) == expected


def test_runs_of_several_commands_or_of_none_have_no_command() -> None:
    one, other = run(0, "lpa3bench", "run", "a"), run(1, "lpa3bench", "run", "b")
    assert command_of([one]) == "lpa3bench run a"
    assert command_of([one, other]) == ""
    assert command_of([run(0, "python", "mine.py")]) == ""


def test_the_seeds_of_an_unmeasured_board_are_its_suites() -> None:
    assert suite_seeds(load_definition(BOARDS / "table2").commands) == (1, 2, 3)
    assert suite_seeds(["lpa3bench suite mine", "it's", "lpa3bench leaderboard build b"]) == ()
