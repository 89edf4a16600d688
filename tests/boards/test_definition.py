"""`board.toml`: what it says comes back; what is wrong in it is told in one line that opens with its path."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.small_boards import TOML, defined

from lpa3bench.boards import definition
from lpa3bench.errors import ConfigError

CLAIM = """
[[published]]
row = "lpa3"
source = "A paper"
metric = "accuracy.oracle_best"
n = 3
note = "claimed"
[published.values]
digits = [89.51, 3.14]
"""


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        defined(text)
    message = str(caught.value)
    assert message.startswith("small/board.toml: ")
    assert "\n" not in message
    return message.removeprefix("small/board.toml: ")


def test_what_it_says_comes_back() -> None:
    board = defined(TOML + CLAIM)
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
    assert (claim.mean, claim.std, claim.n, claim.metric) == (0.8951, 0.0314, 3, "accuracy.oracle_best")
    assert board.ranked == ("none", "lpa3")


def test_a_row_may_be_planned_in_some_columns_only() -> None:
    text = TOML + '\n[[rows]]\nkey = "cutmix"\nname = "CutMix"\ncolumns = ["digits"]\n'
    more = text.replace("[[rows]]", '[[columns]]\nkey = "other"\nname = "Other"\n\n[[rows]]', 1)
    board = defined(more)
    assert [column.key for row, column in board.planned() if row.key == "cutmix"] == ["digits"]
    assert board.ranked == ("none", "lpa3")


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
        ('key = "lpa3"', 'key = "none"', "rows: the key none stands there 2 times"),
        ("{ dataset =", "{ datset =", "columns digits: match: there is no datset; did you mean dataset?"),
        ('key = "lpa3"', 'key = "../lpa3"', "rows[2].key: "),
        ("protocol = 1", 'protocol = "one"', "protocol: 'one' is not of type 'integer'"),
        ('title = "A small board"', "", "'title' is a required property"),
        ('text = "For tests."', 'txet = "For tests."', "Additional properties are not allowed"),
        ('text = "For tests."', "text = ", "is no TOML: "),
        ('text = "For tests."', 'ranked = ["mixup"]', "ranked: there is no mixup"),
        ('row = "lpa3"', 'row = "lap3"', "published: row: there is no lap3; did you mean lpa3?"),
        (
            "digits = [89.51",
            "digit = [89.51",
            "values: there is no digit; did you mean digits?",
        ),
        (
            'metric = "accuracy.oracle_best"',
            'metric = "best"',
            "published lpa3: metric: best is no measure; write <metric>.<rule>, such as accuracy.last, or "
            "seconds_per_step or passes_per_step; or unknown or none",
        ),
        ("[89.51, 3.14]", "[8951, 3.14]", "published[1].values.digits[1]: 8951 is greater than the maximum"),
    ],
)
def test_what_is_wrong_is_told(old: str, new: str, message: str) -> None:
    text = TOML + CLAIM
    assert old in text
    assert message in refused(text.replace(old, new))


def test_a_folder_without_one_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"board.toml: cannot be read .*--from runs/"):
        definition.load(tmp_path)
