"""`published.toml`: numbers as they were printed, each with its source; what is wrong is told in one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from lpa3bench.boards.published import load_published, published_for, quote, with_quotes
from lpa3bench.errors import ConfigError
from lpa3bench.runtime.paths import shipped

FILE = """
[[sources]]
key = "paper"
name = "A paper"

[[rows]]
key = "paper.pes"
source = "paper"
place = "Table 2"
metric = "oracle_best"
n = 3
note = "Rerun."
[rows.values]
cifar10_sym50 = "94.89 ± 0.12"
cifar10_sym90 = "87.1"
cifar100_sym50 = "74.0"

[[rows]]
key = "paper.mixup"
source = "paper"
metric = "unknown"
[rows.values]
cifar10_sym50 = "87.10"
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "published.toml"
    path.write_text(FILE, encoding="utf-8")
    return path


def test_numbers_keep_the_decimals_that_were_printed(path: Path) -> None:
    rows = load_published(path)
    claim = rows["paper.pes"]["cifar10_sym50"]
    assert (claim.printed, claim.printed_mean, claim.printed_std) == ("94.89 ± 0.12", "94.89", "0.12")
    assert (claim.mean, claim.std, claim.n) == (0.9489, 0.0012, 3)
    assert (claim.source, claim.metric, claim.note) == ("A paper, Table 2", "oracle_best", "Rerun.")
    assert rows["paper.pes"]["cifar10_sym90"].printed == "87.1"
    mixup = rows["paper.mixup"]["cifar10_sym50"]
    assert (mixup.printed, mixup.printed_std, mixup.std, mixup.n) == ("87.10", "", None, None)
    assert mixup.source == "A paper"


def test_numbers_are_quoted_in_the_order_of_the_file(path: Path) -> None:
    rows = load_published(path)
    assert quote(rows, "paper.pes: cifar10_*", " / ") == "94.89 ± 0.12 / 87.1"
    assert quote(rows, "paper.pes: cifar100_* cifar10_sym90") == "87.1, 74.0"
    assert with_quotes("{paper.mixup: *} of {100}, {x}", rows) == "87.10 of {100}, {x}"
    with pytest.raises(ValueError, match=r"there is no paper.pec; did you mean paper.pes\?"):
        quote(rows, "paper.pec: *")
    with pytest.raises(ValueError, match="paper.mixup: there is no cifar100"):
        quote(rows, "paper.mixup: cifar100_*")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"87.1"', '"8.71e1"', "rows[1].values[...]: expected str matching regex"),
        ('"87.1"', "87.1", "rows[1].values[...]: expected str, got float"),
        ('key = "paper.mixup"', 'key = "paper.pes"', "rows: paper.pes stands there 2 times"),
        (
            'source = "paper"\nplace',
            'source = "papre"\nplace',
            "rows paper.pes: source: there is no papre",
        ),
        ("n = 3", "n = 0", "rows[1].n: expected int >= 1"),
        ('place = "Table 2"', 'palce = "Table 2"', "rows[1]: there is no palce; did you mean place?"),
        ("[[sources]]", "[[source]]", "there is no source; did you mean sources?"),
        (
            '"87.1"',
            '"0.871"',
            "paper.pes: cifar10_sym90: 0.871 looks like a share; write it in per cent",
        ),
        ('"87.1"', '"871"', "more than 100 per cent"),
        ('"87.1"', "nan", "must be a number, not nan"),
        ('place = "Table 2"', 'place = "Table\\u001b 2"', "rows paper.pes: place: has the sign U+001B"),
    ],
)
def test_what_is_wrong_is_told(path: Path, old: str, new: str, message: str) -> None:
    assert old in FILE
    path.write_text(FILE.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_published(path)
    found = re.fullmatch(rf"{path}:(\d+): (.*)", str(caught.value))
    assert found
    assert message in found[2]
    changed = path.read_text(encoding="utf-8").split("\n")
    differ = [
        n for n, lines in enumerate(zip(changed, FILE.split("\n"), strict=True), 1) if len({*lines}) > 1
    ]
    assert int(found[1]) in differ or changed[int(found[1]) - 1] == "[rows.values]"


def test_a_board_finds_its_own_rows_before_the_shipped_ones(path: Path, tmp_path: Path) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    beside = published_for(folder)
    assert {"paper.pes", "lpa3.table2.pes"} <= beside.keys()
    (folder / "published.toml").write_text(FILE.replace("87.10", "88.8"), encoding="utf-8")
    assert published_for(folder)["paper.mixup"]["cifar10_sym50"].printed == "88.8"


def test_what_is_shipped_says_where_it_is_from_and_what_is_known_of_it() -> None:
    rows = load_published(shipped("leaderboards") / "published.toml")
    claims = [claim for row in rows.values() for claim in row.values()]
    assert all(claim.source and claim.note for claim in claims)
    assert not any("memory" in claim.note or "verified" in claim.note for claim in claims)
