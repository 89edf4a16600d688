"""`board.toml`: what it says comes back; what is wrong in it is told in one line that opens with its path."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from support.small_boards import TOML, defined

from lpa3bench.boards.definition import load_definition
from lpa3bench.errors import ConfigError
from lpa3bench.runtime.paths import shipped

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


def refused(text: str, folder: Path) -> tuple[int | None, str]:
    """The line, and what is wrong in it."""
    with pytest.raises(ConfigError) as caught:
        defined(text, folder)
    found = re.fullmatch(rf"{folder}/board\.toml(?::(\d+))?: (.*)", str(caught.value))
    assert found
    return int(found[1]) if found[1] else None, found[2]


def test_a_comparison_is_asked_one_way_round(folder: Path) -> None:
    """Asked both ways it would be corrected for twice."""
    one, other = (
        f'\n[[questions]]\ntext = "?"\nrows = ["{row}"]\nagainst = ["{against}"]\n'
        for row, against in (("lpa3", "none"), ("none", "lpa3"))
    )
    assert len(defined(TOML + one, folder).questions) == 1
    twice = "an earlier question compares lpa3 with none in digits already"
    assert refused(TOML + one + one, folder)[1] == f"questions[2]: {twice}"
    told = "lpa3 is compared with none already, in digits; ask it that way round"
    assert refused(TOML + other, folder)[1] == f"questions[1]: {told}"
    alone = TOML.replace('baseline = "none"\n', "")
    assert refused(alone + one + other, folder)[1] == f"questions[2]: {told}"


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
    line, told = refused(text.replace("{paper.lpa3:", "{paper.lpa:"), folder)
    assert "there is no paper.lpa" in told
    assert text.split("\n")[line - 1].startswith("note = ")


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
        ('baseline = "none"', 'baseline = "lpa3"', "rows lpa3: baseline: a circle, lpa3 → lpa3"),
        (
            'name = "no augmenter"',
            'name = "no augmenter"\nbaseline = "lpa3"',
            "rows none: baseline: a circle, none → lpa3 → none; one of them is compared with none",
        ),
        ('name = "LP-A3"', 'name = "no augmenter"', "rows: no augmenter stands there 2 times"),
        ('name = "LP-A3"', 'name = " "', "rows lpa3: name: is blank"),
        ('"A small board"', '" "', "title: is blank"),
        ('"A small board"', '"A \\u001b[31mred board"', "title: has the sign U+001B"),
        ('"For tests."', '"For \\u202etests."', "text: has the sign U+202E"),
        ('"A small board"', '"\ufeffA small board"', "title: has the sign U+FEFF"),
        ('"A small board"', '"A small\\nboard"', "title: has the sign U+000A"),
        ('"A small board"', "nan", "title: must be a number, not nan"),
        ("protocol = 1", "protocol = nan", "protocol: must be a number, not nan"),
        ("protocol = 1", f"protocol = {10**30}", "protocol: is a number too large for TOML"),
        ('"Digits" }', '"Digits", "LPA3.margin" = nan }', "columns[1].match.LPA3.margin: must be a number"),
        ('"Digits" }', '"Digits", "LPA3.margin" = [1, -inf] }', "LPA3.margin[2]: must be a number, not -inf"),
        ('lpa3 = "paper.lpa3"', "lpa3 = nan", "published.lpa3: must be a number, not nan"),
        ('"slots.positives" = "LPA3"', '"slots.positive" = "LPA3"', "did you mean slots.positives?"),
        (
            '"slots.positives" = "LPA3"',
            '"slots.positives" = false',
            "slots.positives: must be text, not False",
        ),
        ('dataset = "Digits"', "dataset = 0", "columns digits: match: dataset: must be text, not 0"),
        ('dataset = "Digits"', 'dataset = ["Digits", "Digits"]', "dataset: Digits stands there twice"),
        ('dataset = "Digits"', 'dataset = " "', "columns digits: match: dataset: is blank"),
        ('dataset = "Digits"', 'epochs = "30"', "epochs: must be a whole number, not '30'"),
        ('dataset = "Digits"', "numerics = true", "numerics: must be a whole number, not True"),
        ('dataset = "Digits"', 'identity = "1234"', "identity: 1234 is no identity, the eight digits"),
        ('text = "For tests."', 'also = ["nll.last", "nll.last"]', "also: nll.last stands there 2 times"),
        ('text = "For tests."', 'also = ["accuracy.last"]', "also: accuracy.last is the metric of the main"),
        ('text = "For tests."', 'changed = ["A.b", "A.b"]', "changed: A.b stands there 2 times"),
        (
            "protocol = 1",
            'protocol = 1\nmatch = { dataset = ["FashionMNIST", "CIFAR10"] }',
            "columns digits: match: dataset is Digits here and FashionMNIST or CIFAR10 there, in the board's",
        ),
        (
            '{ "slots.positives" = "none" }',
            '{ dataset = "CIFAR10" }',
            "rows none: match: dataset is CIFAR10 here and Digits there, in column digits, where the row is",
        ),
        ('key = "lpa3"', 'key = "lpa3\\n"', "rows[2].key: expected str matching regex"),
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
    text = text.replace(old, new)
    line, told = refused(text, folder)
    assert message in told
    assert (line is None) == (old == 'title = "A small board"'), "what is missing at the head has no line"
    if "in the board's" in message:
        where = 'match = { dataset = "Digits" }'
    else:
        where = {"": "[[columns]]"}.get(new, new.splitlines()[-1] if new else "")
    assert line is None or text.split("\n")[line - 1].startswith(where) or where in text.split("\n")[line - 1]


def test_a_claim_of_an_unknown_measure_is_refused(folder: Path) -> None:
    path = folder.parent / "published.toml"
    path.write_text(PUBLISHED.replace("accuracy.oracle_best", "best"), encoding="utf-8")
    line, told = refused(TOML + CLAIM, folder)
    assert told.startswith("published lpa3: metric of paper.lpa3: best is no measure")
    assert (TOML + CLAIM).split("\n")[line - 1] == 'lpa3 = "paper.lpa3"'


@pytest.mark.parametrize(
    ("new", "message"),
    [("9" * 5000, "is no TOML: Exceeds the limit"), ("[" * 9999, "is nested too deep")],
    ids=["digits", "brackets"],
)
def test_what_stops_the_reader_is_told(folder: Path, new: str, message: str) -> None:
    assert refused(TOML.replace('"A small board"', new), folder)[1].startswith(message)


def test_whatever_is_typed_into_one_is_told_in_a_line_or_taken(tmp_path: Path) -> None:
    """Lines of a shipped board repeated, lost, cut and mixed up, and values put in the place of others."""
    draw = random.Random(12)
    lines = (shipped("leaderboards") / "digits" / "board.toml").read_text(encoding="utf-8").splitlines()
    values = [
        "nan",
        "-inf",
        "9" * 40,
        "false",
        '""',
        '" "',
        "[]",
        "[[]]",
        "{}",
        '"\\u0000"',
        "1979-05-27",
        '"x.y"',
        "'",
    ]
    refused = 0
    for _ in range(300):
        changed = [*lines]
        for _ in range(draw.randint(1, 3)):
            place = draw.randrange(len(changed))
            key, equals, value = changed[place].partition(" = ")
            changed[place : place + 1] = draw.choice(
                [
                    [],
                    [changed[place]] * 2,
                    [changed[place][: draw.randint(0, 30)]],
                    [draw.choice(changed), changed[place]],
                    [f"{key}{equals}{draw.choice(values)}"],
                    [f"{draw.choice(changed).partition(' = ')[0]} = {value}"],
                    [f"{key}{equals}{draw.choice(changed).partition(' = ')[2]}"],
                ]
            )
        try:
            defined("\n".join(changed), tmp_path)
        except ConfigError as error:
            refused += 1
            assert str(error).startswith(f"{tmp_path}/board.toml:")
            assert "\n" not in str(error)
    assert 150 < refused < 300


def test_a_byte_order_mark_is_read_over(folder: Path) -> None:
    folder.mkdir()
    for marked in (b"\xef\xbb\xbf" + TOML.encode(), TOML.replace("\n", "\r\n").encode()):
        (folder / "board.toml").write_bytes(marked)
        assert load_definition(folder).title == "A small board"
    (folder / "board.toml").write_bytes(TOML.encode("utf-16"))
    with pytest.raises(ConfigError, match="board.toml: is not UTF-8"):
        load_definition(folder)


def test_rows_of_two_groups_may_share_a_name(folder: Path) -> None:
    text = TOML.replace('name = "LP-A3"', 'name = "no augmenter"\ngroup = "Another network"')
    assert [row.name for row in defined(text, folder).rows] == ["no augmenter"] * 2


def test_a_folder_without_one_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"board.toml: cannot be read .*--from runs/"):
        load_definition(tmp_path)
