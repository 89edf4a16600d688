"""A cell and the curves in a real browser: by keyboard, without a script, by a screen reader's rules."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.browser import Show, violations
from support.made_up_boards import board

from lpa3bench.boards.board import Board, Cell
from lpa3bench.report.html import board_page


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("board") / "index.html"
    path.write_text(board_page(board()), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def empty_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "index.html"
    path.write_text(board_page(empty()), encoding="utf-8")
    return path


def empty() -> Board:
    """The made-up board before its first run."""
    cells = tuple(
        Cell(row=cell.row, column=cell.column, published=cell.published, command="lpa3bench run mine")
        for cell in board().cells
    )
    return replace(board(), cells=cells, records={}, ranking=None)


def seen(tab: Any) -> set[str]:
    """What the charts in sight show against what."""
    views = tab.locator(".curve > .v:visible").all()
    return {view.get_attribute("class").removeprefix("v ") for view in views}


@pytest.mark.parametrize("script", [True, False])
def test_axes_are_chosen_by_keyboard_with_and_without_a_script(show: Show, file: Path, script: bool) -> None:
    with show(file, java_script_enabled=script) as tab:
        assert seen(tab) == {"passes score"}, "counted passes come first"
        tab.get_by_label("counted passes", exact=True).focus()
        tab.keyboard.press("ArrowRight")
        assert seen(tab) == {"epochs score"}
        tab.keyboard.press("ArrowRight")
        assert seen(tab) == {"seconds score"}
        tab.get_by_label("difference from the baseline").focus()
        tab.keyboard.press("Space")
        assert seen(tab) == {"seconds difference"}
        assert not tab.get_by_label("± standard deviation", exact=True).is_visible(), "differences have none"


def test_chosen_axes_are_in_the_address_and_back_undoes_them(show: Show, file: Path) -> None:
    with show(file) as tab:
        tab.get_by_label("wall-clock").check()
        tab.get_by_label("difference from the baseline").check()
        assert tab.url.endswith("?curve-x=seconds&curve-y=difference")
        tab.reload()
        assert seen(tab) == {"seconds difference"}
        tab.go_back()
        assert seen(tab) == {"seconds score"}


def test_the_bands_can_be_switched_off(show: Show, file: Path) -> None:
    with show(file) as tab:
        bands = tab.locator(".curve > .v:visible .band:visible")
        assert bands.count() == 2
        tab.get_by_label("± standard deviation", exact=True).focus()
        tab.keyboard.press("Space")
        assert bands.count() == 0


def test_a_column_unfolds_and_a_method_leads_to_its_cell(show: Show, file: Path) -> None:
    with show(file) as tab:
        titles = tab.locator(".method-title a:visible")
        assert titles.all_inner_texts() == ["FixMatch + LP-A3", "RandAugment"], "FixMatch is the baseline"
        tab.locator(".of-column > summary").last.focus()
        tab.keyboard.press("Enter")
        assert titles.count() == 4
        titles.first.press("Enter")
        assert tab.get_by_role("dialog", name="FixMatch + LP-A3 — CIFAR-10, 40 labels").is_visible()


def test_a_cell_opens_with_its_verdict_and_folds_the_rest(show: Show, file: Path) -> None:
    with show(file, address="#cell-fixmatch-lpa3:c40") as tab:
        dialog = tab.get_by_role("dialog")
        first = " ".join(dialog.locator("p").first.inner_text().split())
        assert first == "▲ Better than FixMatch by 2.30 points."
        assert dialog.get_by_role("img").count() == 1, "the seeds; bars have their numbers beside them"
        assert "better in 5 of 5 pairs with FixMatch" in dialog.inner_text()
        assert "positives/LPA3.margin" not in dialog.inner_text()
        config = dialog.locator(".fold > summary", has_text="Config")
        config.focus()
        tab.keyboard.press("Enter")
        assert "positives/LPA3.margin" in dialog.inner_text()


def test_an_empty_place_of_a_measured_board_opens_and_says_its_command(show: Show, tmp_path: Path) -> None:
    cells = tuple(
        replace(cell, command="lpa3bench run mine") if not cell.n else cell for cell in board().cells
    )
    path = tmp_path / "index.html"
    path.write_text(board_page(replace(board(), cells=cells)), encoding="utf-8")
    with show(path) as tab:
        links = tab.get_by_role("link", name="not measured: how to run it")
        assert links.count() == 4, "what is not planned is no link"
        links.first.press("Enter")
        dialog = tab.get_by_role("dialog", name="FixMatch — STL-10, 1000 labels")
        assert "lpa3bench run mine --seed 0" in dialog.inner_text()


def test_the_command_is_copied_as_it_stands(show: Show, empty_file: Path) -> None:
    may = ["clipboard-read", "clipboard-write"]
    with show(empty_file, address="#cell-fixmatch:c40", permissions=may) as tab:
        button = tab.get_by_role("dialog").get_by_role("button", name="Copy").first
        button.press("Enter")
        tab.get_by_role("button", name="Copied").wait_for()
        assert tab.evaluate("navigator.clipboard.readText()") == "lpa3bench run mine --seed 0"


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 375)])
def test_nothing_is_wrong_for_a_screen_reader_in_an_unfolded_cell(
    show: Show, file: Path, scheme: str, width: int
) -> None:
    with show(file, color_scheme=scheme, width=width, address="#cell-fixmatch-lpa3:c40") as tab:
        for fold in tab.locator("dialog .fold > summary").all():
            fold.click()
        assert violations(tab, within="dialog") == []
        assert tab.evaluate("document.querySelector('dialog').scrollWidth") <= width, "nothing sticks out"


def test_nor_on_a_board_without_runs_and_in_a_cell_of_it(show: Show, empty_file: Path) -> None:
    with show(empty_file, color_scheme="dark", width=375) as tab:
        assert violations(tab) == []
        assert tab.evaluate("document.documentElement.scrollWidth") == 375
        tab.locator("#board a.open").first.press("Enter")
        assert violations(tab, within="dialog") == []
