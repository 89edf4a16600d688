"""`board.toml`: what it says comes back; what is wrong in it is told in one line that opens with its path."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.small_boards import TOML, defined

from lpa3bench.boards.definition import load_definition
from lpa3bench.errors import ConfigError

CLAIM = """
[published]
lpa3 = "paper.lpa3"
"""
PUBLISHED = """
[[sources]]
key = "paper"
name = "A paper"

[[rows]]
key = "paper.lpa3"
source = "paper"
place = "Table 1"
metric = "accuracy.oracle_best"
n = 3
note = "claimed"
[rows.values]
digits = "89.5 ± 3.14"
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Of a board, beside a `published.toml`."""
    (tmp_path / "published.toml").write_text(PUBLISHED, encoding="utf-8")
    return tmp_path / "small"


def refused(text: str, folder: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        defined(text, folder)
    message = str(caught.value)
    assert message.startswith(f"{folder}/board.toml: ")
    assert "\n" not in message
    return message.removeprefix(f"{folder}/board.toml: ")


def test_what_it_says_comes_back(folder: Path) -> None:
    board = defined(TOML + CLAIM, folder)
    assert (board.key, board.title, board.metric, board.protocol) == (
        "small",
        "A small board",
        "accuracy.last",
        1,
    )
    assert [(row.key, row.baseline) for row in board.rows] == [("none", None), ("lpa3", "none")]
    assert [(row.key, column.key) for row, column in board.planned()] == [
        ("none", "digits"),
        ("lpa3", "digits"),
    ]
    claim = board.published["lpa3", "digits"]
    assert (claim.mean, claim.std, claim.n, claim.metric) == (0.895, 0.0314, 3, "accuracy.oracle_best")
    assert (claim.source, claim.printed) == ("A paper, Table 1", "89.5 ± 3.14")
    assert board.ranked == ("none", "lpa3")


def test_a_row_may_be_planned_in_some_columns_only() -> None:
    text = TOML + '\n[[rows]]\nkey = "cutmix"\nname = "CutMix"\ncolumns = ["digits"]\n'
    more = text.replace("[[rows]]", '[[columns]]\nkey = "other"\nname = "Other"\n\n[[rows]]', 1)
    board = defined(more)
    assert [column.key for row, column in board.planned() if row.key == "cutmix"] == ["digits"]
    assert board.ranked == ("none", "lpa3")


def test_a_note_may_quote_what_was_published(folder: Path) -> None:
    text = TOML.replace('name = "LP-A3"', 'name = "LP-A3"\nnote = "Claimed: {paper.lpa3: digits}, of {n}."')
    assert defined(text, folder).rows[1].note == "Claimed: 89.5 ± 3.14, of {n}."
    assert "there is no paper.lpa" in refused(text.replace("{paper.lpa3:", "{paper.lpa:"), folder)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            'metric = "accuracy.last"',
            'metric = "last"',
            "metric: last is no measure; write <metric>.<rule>, such as accuracy.last, or seconds_per_step "
            "or passes_per_step",
        ),
        (
            'metric = "accuracy.last"',
            'metric = "nll.lest"',
            "metric: lest is no rule; there are last, mean_last_10, mean_last_20, median_last_20, "
            "val_selected, oracle_best",
        ),
        (
            'baseline = "none"',
            'baseline = "nune"',
            "rows lpa3: baseline: there is no nune; did you mean none?",
        ),
        ('baseline = "none"', 'baseline = "lpa3"', "rows lpa3: baseline: there is no lpa3"),
        ('key = "lpa3"', 'key = "none"', "rows: none stands there 2 times"),
        ("{ dataset =", "{ datset =", "columns digits: match: there is no datset; did you mean dataset?"),
        ('key = "lpa3"', 'key = "../lpa3"', "rows[2].key: expected str matching regex"),
        ('baseline = "none"', 'basline = "none"', "rows[2]: there is no basline; did you mean baseline?"),
        ("{ dataset =", "{ dataset = [], task =", "columns[1].match[...]: expected array of length >= 1"),
        ("protocol = 1", 'protocol = "one"', "protocol: expected int, got str"),
        ('title = "A small board"', "", "the key title is missing"),
        ('name = "Digits"', "", "columns[1]: the key name is missing"),
        ('text = "For tests."', 'txet = "For tests."', "there is no txet; did you mean text?"),
        ('text = "For tests."', "text = ", "is no TOML: "),
        ('text = "For tests."', 'ranked = ["mixup"]', "ranked: there is no mixup"),
        ('lpa3 = "paper', 'lap3 = "paper', "published: there is no lap3; did you mean lpa3?"),
        ('"paper.lpa3"', '"paper.lpa"', "published lpa3: there is no paper.lpa; did you mean paper.lpa3?"),
        (
            '"paper.lpa3"',
            '"lpa3.table1.infomin_rgb"',
            "published lpa3: lpa3.table1.infomin_rgb has numbers for stl10_1000, and the row",
        ),
    ],
)
def test_what_is_wrong_is_told(old: str, new: str, message: str, folder: Path) -> None:
    text = TOML + CLAIM
    assert old in text
    assert message in refused(text.replace(old, new), folder)


def test_a_claim_of_an_unknown_measure_is_refused(folder: Path) -> None:
    path = folder.parent / "published.toml"
    path.write_text(PUBLISHED.replace("accuracy.oracle_best", "best"), encoding="utf-8")
    assert refused(TOML + CLAIM, folder).startswith(
        "published lpa3: metric of paper.lpa3: best is no measure"
    )


def test_a_folder_without_one_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"board.toml: cannot be read .*--from runs/"):
        load_definition(tmp_path)
