"""The card as files: complete, the same bytes each time, and safe whatever a plugin calls itself."""

from __future__ import annotations

import errno
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest
from matplotlib.figure import Figure
from PIL import Image
from support.made_up_cards import NASTY, card

from lpa3bench.errors import RunFailed
from lpa3bench.report.figures.card_figure import write_augmenter_card
from lpa3bench.report.figures.card_text import card_markdown


def test_four_files_the_same_each_time(tmp_path: Path) -> None:
    made = card()
    one, other = write_augmenter_card(made, tmp_path / "a" / "b"), write_augmenter_card(made, tmp_path / "c")
    assert [path.name for path in one] == ["card.json", "CARD.md", "card.svg", "card.png"]
    assert [path.read_bytes() for path in one] == [path.read_bytes() for path in other]
    assert json.loads(one[0].read_text()) == made
    text = "".join(ElementTree.parse(one[2]).getroot().itertext())
    assert "Mine on Digits" in text
    assert "margin 0.25" in text
    assert "colour" in text
    assert "rotation" not in text  # it was not measured
    assert "the attacked network 90.0 %" in text
    assert "can refute (b) and not show it" in " ".join(text.split())
    width, height = Image.open(one[3]).size
    assert height > width > 1000


def test_a_full_disk_leaves_the_old_card(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of four files the last, the page as PNG, finds no room."""
    full = False

    def drawn(figure: Figure, path: Path, *, format: str, **options: object) -> None:
        path.write_text(str(full))
        if format == "png":
            if full:
                raise OSError(errno.ENOSPC, "No space left on device")
            Image.new("RGB", (1, 1)).save(path, format="PNG")

    monkeypatch.setattr(Figure, "savefig", drawn)
    written = write_augmenter_card(card(), tmp_path / "card")
    before = [path.read_bytes() for path in written]
    full = True
    with pytest.raises(RunFailed, match="free some space"):
        write_augmenter_card(card() | {"not_measured": "Mine refuses them"}, tmp_path / "card")
    assert [path.read_bytes() for path in written] == before
    assert {*written} == {*(tmp_path / "card").iterdir()}


def test_what_was_not_measured_is_said(tmp_path: Path) -> None:
    made = card() | {"not_measured": "Mine refuses them"}
    made["measures"] = [one for one in made["measures"] if not one["key"].startswith("known")]
    written = write_augmenter_card(made, tmp_path / "card")
    assert "Mine refuses them" in written[2].read_text()


def test_every_measure_stands_in_the_text_with_n_and_meaning() -> None:
    made = card()
    rows = [line for line in card_markdown(made).splitlines() if line.startswith("| ")]
    for one in made["measures"]:
        definition = one["definition"].replace("_", "\\_")
        (row,) = [row for row in rows if row.endswith(f"| {definition} |")]
        assert f"| {one['n']} |" in row
    assert any("| 0.9 bits | [0.8, 0.95] (Wilson) | 20 |" in row for row in rows)
    assert any("| 90.0 % | [80.0, 95.0] (Wilson) | 20 |" in row for row in rows)


def test_what_a_lower_bound_shows_and_how_good_the_networks_are_is_said() -> None:
    text = card_markdown(card())
    assert "- accuracy, the attacked network: **90.0 %**" in text
    assert "they can refute (b), where much is found that is no label, and never show it" in text
    assert "Below 70 % of held-out images right neither it nor the judge would do" in text


def test_what_plugins_say_is_escaped(tmp_path: Path) -> None:
    made = card(
        name=NASTY, about=NASTY, distribution=NASTY, parameters={NASTY: NASTY}, describes_itself="```\n# x"
    )
    text = card_markdown(made)
    assert "<script>" not in text.replace("`a\\|b <script>alert(1)</script> *bold* [x](y) 'c'`", "")
    table = text[text.index("| parameter") :].split("\n\n")[0]
    assert len(table.splitlines()) == 3
    assert "\n```\n# x" not in text
    svg = write_augmenter_card(made, tmp_path / "card")[2]
    assert NASTY.split()[1] in "".join(ElementTree.parse(svg).getroot().itertext())


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFailed, match="choose another --out"):
        write_augmenter_card(card(), tmp_path / "file" / "card")
