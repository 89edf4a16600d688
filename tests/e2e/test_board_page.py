"""A board's page in a real browser: by keyboard, offline, without a complaint on the console."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.browser import Show
from support.console import Cli
from support.made_up_boards import board, large
from support.small_records import bits, small_record, write

from lpa3bench.report.html import board_page

BOARDS = Path(__file__).parents[2] / "leaderboards"


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("board") / "index.html"
    path.write_text(board_page(board()), encoding="utf-8")
    return path


def names(tab: Any) -> list[str]:
    """The methods that the main table shows, from top to bottom."""
    rows = tab.locator("#board tr.method:visible .name")
    return [" ".join(text.split()) for text in rows.all_inner_texts()]


def press(tab: Any, locator: Any, key: str = "Enter") -> None:
    locator.focus()
    tab.keyboard.press(key)


def unfold(dialog: Any) -> None:
    for fold in dialog.locator(".fold > summary").all():
        fold.click()


OWN_ORDER = ["FixMatch", "FixMatch + LP-A3", "RandAugment", "InfoMin"]


def test_a_header_sorts_by_keyboard_and_says_so(show: Show, file: Path) -> None:
    with show(file) as tab:
        header = tab.locator("#board .kinds th.measured").nth(1)
        button = header.get_by_role("button", name="Sort by CIFAR-10, 250 labels: measured")
        assert header.get_attribute("aria-sort") == "none"
        press(tab, button)
        assert names(tab) == ["RandAugment", "FixMatch", "FixMatch + LP-A3", "InfoMin"]
        assert header.get_attribute("aria-sort") == "descending"
        assert tab.locator("#board tr.group:visible").count() == 0, "groups have no meaning in this order"
        press(tab, button, "Space")
        assert names(tab) == ["FixMatch + LP-A3", "FixMatch", "RandAugment", "InfoMin"], "missing stays last"
        assert header.get_attribute("aria-sort") == "ascending"
        press(tab, button)
        assert names(tab) == OWN_ORDER
        assert header.get_attribute("aria-sort") == "none"
        assert tab.locator("#board tr.group:visible").count() == 2
        press(tab, tab.get_by_role("button", name="Sort by Method").first)
        assert names(tab) == sorted(OWN_ORDER)
        assert tab.locator("#board [aria-sort=ascending], #board [aria-sort=descending]").count() == 1


def test_the_filter_narrows_and_a_status_counts(show: Show, file: Path) -> None:
    with show(file) as tab:
        field = tab.get_by_label("Filter")
        field.press_sequentially("lp-a3 fix")
        assert names(tab) == ["FixMatch + LP-A3"]
        assert tab.get_by_role("status").inner_text() == "1 of 4 methods, 3 of 3 settings"
        assert tab.locator("#board tr.group:visible").all_inner_texts() == ["Semi-supervised"]
        field.fill("recipe")
        assert names(tab) == ["RandAugment"], "notes count"
        field.fill("nothing of the kind")
        assert names(tab) == []
        field.fill("")
        assert names(tab) == OWN_ORDER
        assert tab.get_by_role("status").inner_text() == "4 of 4 methods, 3 of 3 settings"


def test_a_cell_opens_by_keyboard_shows_its_runs_and_escape_closes_it(show: Show, file: Path) -> None:
    with show(file) as tab:
        link = tab.locator("#board td.measured a.open", has_text="94.20")
        press(tab, link)
        dialog = tab.get_by_role("dialog", name="FixMatch + LP-A3 — CIFAR-10, 250 labels")
        assert dialog.is_visible()
        unfold(dialog)
        text = dialog.inner_text()
        for part in ("94.20 ± 0.16 % over 5 runs", "PES.lambda_u: 75.0 → 37.5", "positives/LPA3.margin",
                     "2.14.1", "Linux-6.18-x86_64", "444444444444…",
                     "20 random draws", "Holm’s p"):  # fmt: skip
            assert part in text, part
        hrefs = [link.get_attribute("href") for link in dialog.get_by_role("link").all()]
        assert hrefs == [f"results/fixmatch-lpa3-c250-s{seed}.json" for seed in range(5)]
        assert tab.url.endswith("#cell-fixmatch-lpa3:c250")
        tab.keyboard.press("Escape")
        assert not dialog.is_visible()
        tab.wait_for_url(lambda url: "#" not in url)
        assert link.evaluate("link => link === document.activeElement"), "where one has come from"
        assert tab.locator("#cells [id='cell-fixmatch-lpa3:c250']").count() == 1, "it is back in its place"
        link.click()
        tab.get_by_role("button", name="Close").click()
        assert not dialog.is_visible()


def test_a_cell_has_an_address_of_its_own(show: Show, file: Path) -> None:
    with show(file, address="#cell-fixmatch:c40") as tab:
        dialog = tab.get_by_role("dialog")
        assert dialog.is_visible()
        assert "92.51 % lies" not in dialog.inner_text()
        assert "augmenter" not in dialog.locator(".badge").all_inner_texts()
        assert "compares this method with no baseline" in dialog.inner_text()
        assert dialog.evaluate("dialog => dialog.scrollTop") == 0
        tab.evaluate("location.hash = '#cell-fixmatch-lpa3:c40'")
        tab.locator("dialog .badge", has_text="augmenter only").wait_for()
    with show(file, width=375) as tab:
        tab.evaluate("scrollTo(0, 2000)")
        tab.evaluate("location.hash = '#cell-fixmatch-lpa3:c40'")
        tab.locator("dialog .badge", has_text="augmenter only").wait_for()
        assert tab.get_by_role("dialog").evaluate("dialog => dialog.scrollTop") == 0, "its head is seen"


def test_a_large_board_scrolls_in_its_own_frame(show: Show, tmp_path: Path) -> None:
    path = tmp_path / "index.html"
    path.write_text(board_page(large(columns=2, n=2, epochs=20)), encoding="utf-8")
    with show(path, width=390) as tab:
        widths = tab.evaluate(
            "[document.documentElement.scrollWidth, document.querySelector('.wide').scrollWidth]"
        )
        assert widths[0] == 390, "the page itself does not scroll sideways"
        assert widths[1] > 390
        name = tab.locator("#board tr.method th").first
        before = name.bounding_box()
        tab.locator(".wide").first.evaluate("frame => { frame.scrollLeft = 200 }")
        assert name.bounding_box() == before, "the names stay in sight"


def test_without_a_script_all_is_there(show: Show, file: Path) -> None:
    with show(file, java_script_enabled=False) as tab:
        assert names(tab) == OWN_ORDER
        assert not tab.get_by_label("Filter").is_visible()
        assert tab.locator("button:enabled:visible").count() == 0, "no button that would do nothing"
        tab.locator("#board td.measured a.open", has_text="94.20").click()
        assert tab.locator("[id='cell-fixmatch-lpa3:c250']").is_visible(), "its address opens the fold"


def test_an_address_that_is_none_opens_nothing(show: Show, file: Path) -> None:
    with show(file, address="#cell-%zz") as tab:
        assert tab.get_by_role("dialog").count() == 0
        assert names(tab) == OWN_ORDER


def test_a_board_built_from_records_opens(show: Show, cli: Cli, tmp_path: Path) -> None:
    records = [
        small_record(
            bits(5 + seed % 3 + more), seed=seed, slots=slots, earlier=(0.2, 0.4), passes=900 * (1 + more)
        )
        for more, slots in enumerate(({}, {"positives": "LPA3"}))
        for seed in range(6)
    ]
    runs = write(tmp_path / "runs", *records, runs=True)
    done = cli("leaderboard", "build", tmp_path / "mine", "--from", runs)
    assert done.returncode == 0, done.stderr
    with show(tmp_path / "mine" / "index.html") as tab:
        before = names(tab)
        assert len(before) == 2
        sorter = tab.locator("#board .kinds th.measured").get_by_role("button")
        press(tab, sorter)
        press(tab, sorter)
        press(tab, sorter)
        assert names(tab) == before
        cells = tab.locator("#board td.measured a.open")
        assert [" ".join(text.split())[:5] for text in cells.all_inner_texts()] == ["60.00", "70.00"]
        press(tab, cells.last)
        unfold(tab.get_by_role("dialog"))
        text = tab.get_by_role("dialog").inner_text()
        for part in (
            "augmenter only",
            "by 10.00 points",
            "6 pairs",
            "a" * 64,
            "@tasks.Supervised()",
            "a CPU",
        ):
            assert part in text, part
        tab.keyboard.press("Escape")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_ground(show: Show, file: Path, scheme: str) -> None:
    """WCAG AA: a contrast of 4.5 for every colour of text."""
    with show(file, color_scheme=scheme) as tab:
        contrasts = tab.evaluate(
            """() => {
              const style = getComputedStyle(document.documentElement);
              const light = (name) => {
                const probe = document.createElement("i");
                probe.style.color = `var(${name})`;
                document.body.append(probe);
                const [r, g, b] = getComputedStyle(probe).color.match(/\\d+/g).map(Number).map((v) => v / 255)
                  .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4));
                return 0.2126 * r + 0.7152 * g + 0.0722 * b;
              };
              const ratio = (a, b) => (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
              const names = ["--ink", "--muted", "--link", "--claim", "--good", "--bad"];
              const grounds = ["--paper", "--wash"].map(light);
              return names.map(light).flatMap((text) => grounds.map((ground) => ratio(text, ground)));
            }"""
        )
    assert len(contrasts) == 12
    assert min(contrasts) >= 4.5


@pytest.mark.parametrize("path", sorted(BOARDS.glob("*/index.html")), ids=lambda path: path.parent.name)
def test_shipped_boards_open_sort_and_show_a_cell(show: Show, path: Path) -> None:
    with show(path) as tab:
        before = names(tab)
        assert before
        if tab.locator("#board.claims").count() == 0:
            press(tab, tab.get_by_role("button", name="Sort by Method").first)
            assert sorted(names(tab)) == sorted(before)
            assert tab.locator("#board .kinds .first").get_attribute("aria-sort") == "ascending"
            known = tab.locator("#board a.open:not(.missing)")
            assert known.count() == tab.locator("#board td[data-value]:not(.coverage)").count()
        press(tab, tab.locator("#board a.open").first)
        dialog = tab.get_by_role("dialog")
        assert dialog.is_visible()
        told = dialog.inner_text()
        assert any(word in told for word in ("claimed", "over", "Nothing is measured here yet"))
        tab.keyboard.press("Escape")
        assert not dialog.is_visible()
