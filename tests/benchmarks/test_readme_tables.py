"""The README's tables, and the numbers in its text, are those of the records and of what was measured."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from forecast import ROWS, count
from readme_parts import claims, measured, paper
from readme_parts.page import MADE, cells, p_value, percent, renewed, table
from readme_tables import PAGES, PARTS

from lpa3bench.boards.board import Published

README = PAGES[0]


@pytest.fixture(scope="module")
def parts() -> dict[str, str]:
    """Each made once, for all pages."""
    return {name: make() for name, make in PARTS.items()}


@pytest.mark.parametrize("page", PAGES, ids=lambda path: path.name)
def test_a_page_is_fresh(page: Path, parts: dict[str, str]) -> None:
    text = page.read_text(encoding="utf-8")
    fresh = renewed(text, {name: lambda name=name: parts[name] for name in parts})  # type: ignore[misc]
    assert fresh == text, "python benchmarks/readme_tables.py renews it"


def test_every_table_of_the_readme_is_made_and_every_part_stands_somewhere() -> None:
    text = README.read_text(encoding="utf-8")
    assert not re.search(r"^\|", MADE.sub("", text), re.MULTILINE)
    used = {found[2] for page in PAGES for found in MADE.finditer(page.read_text(encoding="utf-8"))}
    assert used == {*PARTS}


def test_what_stands_between_the_marks_is_replaced_and_nothing_else() -> None:
    text = "a <!-- made one -->old<!-- end --> b\n<!-- made two -->old\n\nold<!-- end -->\nc"
    fresh = renewed(text, {"one": lambda: "1", "two": lambda: table(["x"], [["2"]])})
    assert fresh == (
        "a <!-- made one -->1<!-- end --> b\n<!-- made two -->\n\n| x |\n| --- |\n| 2 |\n\n<!-- end -->\nc"
    )
    with pytest.raises(ValueError, match=r"<!-- made one -->: there is no such part; there are two"):
        renewed(text, {"two": str})


def test_numbers_as_they_are_shown() -> None:
    assert percent(0.98271, 0.0035) == "98.27 ± 0.35"
    assert [percent(x, sign=True) for x in (0.0191, -0.0015, -0.00001)] == ["+1.91", "−0.15", "0.00"]
    assert [p_value(p) for p in (0.3604, 0.0058, 1e-9, 0.0)] == ["p 0.36", "p 0.0058"] + 2 * ["p < 0.0001"]


# ---------------------------------------------------------------------------------------------- by the data
def test_the_digits_are_those_of_the_board(parts: dict[str, str]) -> None:
    of = cells(measured.board("digits"))
    shown = of["lpa3", "fixmatch"]
    assert f"| LP-A3 | {percent(of['lpa3', 'supervised']['mean'])} ± " in parts["digits"]
    assert f" {percent(shown['mean'], shown['std'])} (" in parts["digits"]
    claimed = [c for c in of.values() if (a := measured.against(c)) and a["verdict"] in measured.CLAIMED]
    mine = [c for c in claimed if c["row"] in measured.ROWS and c["column"] in measured.DIGITS]
    assert parts["digits"].count("(**") == len(mine)


def test_each_task_is_set_beside_cross_entropy_at_its_own_cost(parts: dict[str, str]) -> None:
    """FixMatch's 40 labels make steps of 40 images: 450 epochs × 40 × 3, not the 81 k of all labels."""
    by_task = {line.split(" | ")[0].strip("| "): line for line in parts["learns"].splitlines()[2:]}
    assert by_task["FixMatch, 40 labels"].endswith("| 54 k |")
    assert by_task["PES, 50 % noise"].endswith("| 81 k |")


def test_what_stands_against_the_controls_is_the_boards_verdict(parts: dict[str, str]) -> None:
    found = measured.against(cells(measured.board("digits"))["lpa3", "fixmatch"], "equal_cost")
    assert found["difference"] < 0
    told = f"weak view only, equal cost {percent(found['difference'], sign=True)}, {found['verdict']}"
    assert told in parts["digits.rivals"]
    assert measured.outcome({"verdict": "not testable", "p_holm": None}) == "not testable"


# ---------------------------------------------------------------------------------------------- by counting
def test_the_same_network_and_as_many_passes_cost_the_same_hours() -> None:
    for task in ("mixup", "pcorrection", "mcorrection"):
        one, other = (paper.hours(f"cifar{n}_{task} --setting sym90") for n in (10, 100))
        assert one == pytest.approx(other, rel=1e-3)  # the last layer has 10 or 100 outputs
    cpu, gpu = paper.hours("cifar10_mixup --setting sym90")
    assert cpu / gpu == pytest.approx(100e12 / paper.counted()["throughput"]["operations_a_second"])


@pytest.mark.parametrize(
    "command", ["cifar10_mixup --setting sym90", "pathmnist_supervised augmenters/lpa3 --setting resnet18"]
)
def test_what_was_counted_is_counted_today(command: str) -> None:
    kept = paper.counted()["rows"][command]
    assert count(command) == {name: kept[name] for name in ("forward_equivalents", "operations_of_an_image")}


def test_mixup_by_hand() -> None:
    """300 epochs of 391 steps of 128 images, forward 1 and backward to the weights 2."""
    found = paper.counted()["rows"]["cifar10_mixup --setting sym90"]["forward_equivalents"]
    assert found == 300 * 391 * 128 * 3


def test_every_row_of_the_paper_is_counted_and_every_published_number_quoted_once(
    parts: dict[str, str],
) -> None:
    assert {" ".join(words) for _, words in ROWS} == {*paper.counted()["rows"]}
    tables = "\n".join(parts[f"table{n}"] for n in (1, 2, 3))
    numbers = [
        c.printed for key, row in paper.published().items() if key[:5] == "lpa3." for c in row.values()
    ]
    cells_ = [
        cell for line in tables.splitlines() if "`" in line for cell in line.split(" | ")[2].split(" / ")
    ]
    assert sorted(cells_) == sorted(numbers)
    assert len(numbers) == 106


# ------------------------------------------------------------------------------------------------- claims
def claim(mean: float, std: float | None = None) -> Published:
    return Published(mean=mean, std=std, n=3, source="s", metric="unknown", printed=f"{100 * mean:.1f}")


def test_a_gain_is_method_less_baseline(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {
        "lpa3.ours": {"a": claim(0.5, 0.01), "b": claim(0.4)},
        "lpa3.plain": {"a": claim(0.495, 0.002), "b": claim(0.41)},
    }
    monkeypatch.setattr(claims, "published", lambda: rows)
    monkeypatch.setattr(claims, "PAIRS", {"ResNet-18": ("ours", "plain")})
    assert claims.below() == "ResNet-18, b: 40.0 against 41.0 (−1.00); in the other 1 of 2 it is above"
    assert claims.within_spread() == "1 of 2: ResNet-18, a (+0.50)"
    assert claims.medmnist().startswith("0 of 2 cells; the largest gain is ResNet-18, a: ")


def test_the_papers_own_tables_say_so(parts: dict[str, str]) -> None:
    assert parts["claims.below"].startswith("DivideMix, cifar100_sym50: 74.12 ± 0.23 against 74.2 (−0.08); ")
    assert parts["claims.medmnist"].startswith("0 of 16 cells; the largest gain is ResNet-18, octmnist: ")
    assert parts["claims.randaugment"].startswith("1 of 16 cells: ResNet-50, organamnist: 94.59")
    assert "| FixMatch, 40 labels | 2.3 × | 12 of 12 | 3.2 × |" in parts["claims.convergence"]
    for line in parts["claims.equal_cost"].splitlines()[2:]:
        assert line.split(" | ")[1].startswith("−"), line
