"""The explorer on a board's page: by keyboard alone, in the address, undone by Back; and what axe finds."""

from __future__ import annotations

import gzip
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest
from support.browser import Show, violations
from support.made_up_boards import board

from lpa3bench.boards.board import Board
from lpa3bench.report.html import board_page

BOARDS = sorted((Path(__file__).parents[2] / "leaderboards").glob("*/board.toml"))
FACETS = {"slots.view": "none", "slots.positives": "none", "dataset": "CIFAR10"}


def _by_size(board: Path) -> Any:
    """A board of several hundred kilobytes takes axe a minute."""
    large = board.with_name("index.html").stat().st_size > 500_000
    return pytest.param(board, marks=pytest.mark.long) if large else board


@cache
def made() -> Board:
    """With facets, and a cost for every measured cell."""
    cells = []
    for number, cell in enumerate(board().cells):
        slots = {"slots.positives": "LPA3"} if "lpa3" in cell.row else {}
        facets = {**FACETS, "task": "FixMatch" if "fixmatch" in cell.row else "Supervised", **slots}
        cells.append(
            replace(cell, facets=facets, passes=cell.mean and 1000.0 * (number + 1), seconds=cell.mean)
        )
    return replace(board(), cells=tuple(cells))


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("explorer") / "index.html"
    path.write_text(board_page(made()), encoding="utf-8")
    return path


def names(tab: Any) -> list[str]:
    return [
        " ".join(text.split()) for text in tab.locator("#board tr.method:visible .name").all_inner_texts()
    ]


def heads(tab: Any) -> list[str]:
    return [" ".join(text.split()) for text in tab.locator("#board thead tr.kinds th").all_inner_texts()]


def chosen(tab: Any) -> dict[str, str]:
    """What the address says."""
    return {name: values[-1] for name, values in parse_qs(tab.evaluate("location.search.slice(1)")).items()}


def pick(tab: Any, name: str, value: str) -> None:
    """An option of a list, by typing its first letters."""
    tab.locator(f'[name="{name}"]').focus()
    tab.keyboard.type(value)
    tab.keyboard.press("Tab")


def looks(tab: Any) -> dict[str, Any]:
    """All that a reload must bring back."""
    return {
        "names": names(tab),
        "heads": heads(tab),
        "values": tab.locator("#board td.measured:visible").all_inner_texts(),
        "pair": tab.locator("#pair").inner_text(),
        "front": tab.locator("input[name=front]:checked").get_attribute("value"),
        "chart": tab.locator("#chart-list").inner_text(),
        "fields": tab.evaluate(
            """[...document.querySelectorAll('.controls [name]')]
              .map((field) => field.type === 'checkbox' ? field.checked : field.value)"""
        ),
    }


def test_a_walk_by_keyboard_alone(show: Show, file: Path) -> None:
    """Facet, measure, compare, copy, open, Back, reload: each is in the address, and Back undoes it."""
    with show(file, permissions=["clipboard-read", "clipboard-write"]) as tab:
        everything = names(tab)
        pick(tab, "task", "FixMatch")
        assert names(tab) == ["FixMatch", "FixMatch + LP-A3"]
        assert chosen(tab) == {"task": "FixMatch"}
        assert "2 of 4 methods" in tab.get_by_role("status").inner_text()

        pick(tab, "m", "best on test")
        assert chosen(tab)["m"] == "oracle_best"
        assert "best on test" in heads(tab)
        menu = tab.locator(".menu summary")
        menu.focus()
        tab.keyboard.press("Enter")
        box = tab.locator('[name="also"][value="last"]')
        box.wait_for()
        box.focus()
        tab.keyboard.press("Space")
        assert chosen(tab)["also"] == "last"
        tab.keyboard.press("Escape")
        assert not box.is_visible()
        assert menu.evaluate("summary => summary === document.activeElement")
        assert heads(tab).count("last epoch") == heads(tab).count("best on test") > 1

        pick(tab, "a", "FixMatch + LP-A3")
        pick(tab, "b", "FixMatch")
        assert "FixMatch + LP-A3 and FixMatch" in tab.locator("#pair h3").inner_text()
        assert "not tested on this board" in tab.locator("#pair").inner_text(), (
            "a test is of the board's measure"
        )

        copy = tab.get_by_role("button", name="Copy as TSV")
        copy.focus()
        tab.keyboard.press("Enter")
        tab.get_by_role("status").get_by_text("The table is copied.").wait_for()
        lines = [line.split("\t") for line in tab.evaluate("navigator.clipboard.readText()").split("\n")]
        assert len(lines) == 3
        assert len({len(line) for line in lines}) == 1
        assert lines[0][0] == "Method"
        assert lines[2][0] == "FixMatch + LP-A3"
        assert "94.20" in lines[2]

        before = looks(tab)
        link = tab.locator("#board [data-row=fixmatch-lpa3] td.measured a.open", has_text="94.20").first
        link.focus()
        tab.keyboard.press("Enter")
        dialog = tab.get_by_role("dialog")
        assert dialog.is_visible()
        assert tab.url.endswith("#cell-fixmatch-lpa3:c250")
        tab.go_back()
        dialog.wait_for(state="hidden")
        assert looks(tab) == before

        tab.reload()
        assert looks(tab) == before
        tab.go_back()
        assert "b" not in chosen(tab)
        assert tab.locator("#pair").inner_text() == ""
        tab.get_by_role("button", name="Reset").focus()
        tab.keyboard.press("Enter")
        assert chosen(tab) == {}
        assert names(tab) == everything
        tab.go_back()
        assert chosen(tab)["task"] == "FixMatch"


def test_the_front_is_chosen_by_arrow_keys_and_its_points_open_cells(show: Show, file: Path) -> None:
    with show(file, width=375) as tab:
        first = tab.locator("input[name=front]:checked")
        key = first.get_attribute("value")
        first.focus()
        tab.keyboard.press("ArrowRight")
        other = tab.locator("input[name=front]:checked").get_attribute("value")
        assert other != key
        assert chosen(tab) == {"front": other}
        shown = tab.locator(".pane:visible")
        assert shown.count() == 1
        boxes = [one.bounding_box() for one in shown.locator(".point .hit").all()]
        assert len(boxes) == shown.locator("tbody tr").count() > 1
        order = [int(text) for text in shown.locator(".point text").all_text_contents()]
        assert order == sorted(order), "by Tab they come as they are numbered"
        assert min(min(box["width"], box["height"]) for box in boxes) >= 24, "a finger hits each"
        for one in boxes:
            apart = [
                abs(one["x"] - two["x"]) >= 23.5 or abs(one["y"] - two["y"]) >= 23.5
                for two in boxes
                if two != one
            ]
            assert all(apart), "and no other one"
        shown.locator(".point").first.focus()
        tab.keyboard.press("Enter")
        assert tab.get_by_role("dialog").is_visible()
        tab.keyboard.press("Escape")
        tab.get_by_role("dialog").wait_for(state="hidden")
        tab.wait_for_url(lambda url: "cell" not in url)
        assert tab.evaluate("document.documentElement.scrollWidth") == 375, (
            "the page does not scroll sideways"
        )


def test_the_filter_sees_rows_settings_and_augmenters(show: Show, file: Path) -> None:
    with show(file) as tab:
        field = tab.get_by_label("Filter")
        field.fill("lpa3")
        assert names(tab) == ["FixMatch + LP-A3"], "by its augmenter"
        field.fill("positives: lpa3")
        assert names(tab) == ["FixMatch + LP-A3"], "by its slot"
        field.fill("40 labels")
        assert len(tab.locator("#board tfoot td[data-column]:visible").all()) == 1, "by its setting"
        assert chosen(tab) == {"q": "40 labels"}
        field.fill("nothing of the kind")
        assert names(tab) == []
        tab.go_back()
        assert field.input_value() == "", "what is typed in one go is one step"


def test_the_free_chart_takes_any_measure_and_axis(show: Show, file: Path) -> None:
    with show(file) as tab:
        tab.locator('#chart select[name="y"]').select_option("oracle_best")
        tab.locator('#chart select[name="x"]').select_option("seconds")
        assert chosen(tab) == {"y": "oracle_best", "x": "seconds"}
        setting = tab.locator('#chart select[name="at"]')
        assert setting.input_value() == tab.locator("input[name=front]:checked").get_attribute("value")
        points, rows = tab.locator("#chart-plot .point"), tab.locator("#chart-list tbody tr")
        own = [cell for cell in made().cells if cell.column == setting.input_value()]
        assert points.count() == rows.count() == sum(cell.mean is not None for cell in own)
        setting.select_option("all")
        assert points.count() == rows.count() == sum(cell.mean is not None for cell in made().cells)
        tab.get_by_label("Filter").fill("lp-a3")
        assert points.count() == 2, "of the cells that the table shows"


def test_labels_of_the_free_chart_keep_clear_of_each_other(show: Show, tmp_path: Path) -> None:
    many = tuple(
        replace(cell, passes=1000.0 + n % 2, seconds=1.0, mean=cell.mean and 0.9 + n / 1e4)
        for n, cell in enumerate(made().cells)
    )
    path = tmp_path / "index.html"
    path.write_text(board_page(replace(made(), cells=many)), encoding="utf-8")
    with show(path, address="?at=all", width=1280) as tab:
        boxes = [one.bounding_box() for one in tab.locator("#chart-plot .disc").all()]
        assert len(boxes) > 2
        for n, one in enumerate(boxes):
            assert all(max(abs(one[s] - two[s]) for s in "xy") >= one["width"] for two in boxes[:n])


def test_the_page_says_which_way_is_better_what_is_tested_and_counts_what_is_shown(
    show: Show, tmp_path: Path
) -> None:
    cells = tuple(
        replace(cell, other_scores={**cell.other_scores, "seconds_per_step": cell.mean})
        for cell in made().cells
    )
    path = tmp_path / "index.html"
    path.write_text(board_page(replace(made(), cells=cells)), encoding="utf-8")
    with show(path) as tab:
        words, total = tab.locator("#results"), tab.locator("#board tfoot .total")
        assert "the highest mean" in words.inner_text()
        assert "▲ ▼" in words.inner_text()
        assert total.inner_text() == f"{made().measured} of {len(cells)}"
        tab.locator('[name="m"]').select_option("seconds_per_step")
        assert "the lowest mean" in words.inner_text()
        assert "Lower is better." in tab.locator("#shown").inner_text()
        assert "Verdicts are of" in words.inner_text()
        assert "▲ ▼" not in words.inner_text()
        assert "against FixMatch" not in tab.locator("#board").inner_text()
        tab.locator('[name="task"]').select_option("FixMatch")
        own = [cell for cell in made().cells if "fixmatch" in cell.row]
        assert total.inner_text() == f"{sum(cell.mean is not None for cell in own)} of {len(own)}"
        tab.get_by_label("Filter").fill("nothing of the kind")
        assert "Nothing matches" in words.inner_text()
        assert not tab.locator("#board").is_visible()
        tab.locator("#nothing .reset").click()
        assert chosen(tab) == {}
        for name in "ab":
            tab.locator(f'[name="{name}"]').select_option("fixmatch")
        assert "the same method twice" in tab.locator("#pair").inner_text()


def test_what_an_address_says_and_the_page_does_not_offer_is_as_if_it_did_not(show: Show, file: Path) -> None:
    with show(file) as tab:
        plain = looks(tab)
    for told in (
        "m=gone&also=gone,__proto__&hide=gone",
        "x=__proto__&y=constructor",
        "front=99&sort=name!up&task=gone",
    ):
        with show(file, address=f"?{told}") as tab:
            assert looks(tab) == plain, told
    with show(file, address="?m=gone&a={}&b={}".format(*(row.key for row in made().rows[:2]))) as tab:
        assert tab.locator("#pair table").is_visible()


def test_a_word_longer_than_the_screen_makes_no_page_wider(show: Show, tmp_path: Path) -> None:
    word, page = "x_" * 50, tmp_path / "index.html"
    rows = tuple(replace(row, name=word + row.name, note=word) for row in made().rows)
    columns = tuple(replace(column, name=word + column.name) for column in made().columns)
    long = replace(made(), title=word, text=word, rows=rows, columns=columns)
    page.write_text(board_page(long), encoding="utf-8")
    with show(page, width=375) as tab:
        assert tab.evaluate("document.documentElement.scrollWidth") == 375


def test_what_is_selected_and_copied_is_what_is_seen(show: Show, file: Path) -> None:
    with show(file) as tab:
        selected = tab.evaluate(
            """(getSelection().selectAllChildren(document.querySelector('#board tbody')),
              getSelection().toString())"""
        )
        assert "94.20" in selected
        assert "against FixMatch:" not in selected
        assert "not planned" not in selected
        assert "Sort by" not in selected


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_on_a_page_and_an_open_cell(show: Show, file: Path, scheme: str) -> None:
    with show(file, color_scheme=scheme, address="?a=fixmatch&b=fixmatch-lpa3") as tab:
        assert violations(tab) == []
        tab.locator("#board td.measured a.open").first.click()
        assert violations(tab, within="dialog") == []


@pytest.mark.slow
@pytest.mark.parametrize("path", BOARDS, ids=lambda path: path.parent.name)
def test_shipped_boards_are_light_and_fit_a_phone(show: Show, path: Path) -> None:
    page = path.with_name("index.html")
    assert len(gzip.compress(page.read_bytes())) < 250_000, "as it is sent"
    with show(page) as tab:
        for width in (820, 375):
            tab.set_viewport_size({"width": width, "height": 900})
            assert tab.evaluate("document.documentElement.scrollWidth") == width


@pytest.mark.slow
@pytest.mark.parametrize("path", [_by_size(path) for path in BOARDS], ids=lambda path: path.parent.name)
def test_axe_finds_nothing_on_shipped_boards(show: Show, path: Path) -> None:
    with show(path.with_name("index.html")) as tab:
        for scheme in ("light", "dark"):
            tab.emulate_media(color_scheme=scheme)
            assert violations(tab, rules=None if scheme == "light" else ["color-contrast"]) == [], scheme
        links = tab.locator("#results a.open")
        if links.count():
            links.first.click()
            assert violations(tab, within="dialog") == []
