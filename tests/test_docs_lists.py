"""Pages that list what is shipped leave nothing out."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize(("page", "folder"), [("suites.md", "suites"), ("augmenters.md", "augmenters")])
def test_every_shipped_file_is_named(page: str, folder: str) -> None:
    names = {path.stem for path in (ROOT / "gin" / folder).glob("*.gin")}
    told = re.findall(r"`([\w/]+)`", (ROOT / "docs" / page).read_text())
    assert names - {name.rpartition("/")[2] for name in told} == set()


def test_every_board_is_in_the_list() -> None:
    boards = {path.parent.name for path in (ROOT / "leaderboards").glob("*/board.toml")}
    told = re.findall(r"^\| \[(\w+)\]", (ROOT / "leaderboards" / "README.md").read_text(), re.MULTILINE)
    assert boards <= {*told}
