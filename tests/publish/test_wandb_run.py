"""What W&B takes: names, groups and tags of its lengths."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.wandb_runs import made_board, made_run

from lpa3bench.publish.from_board import read_board
from lpa3bench.publish.from_run_directory import read_run
from lpa3bench.publish.wandb_run import NAME_LENGTH, TAG_LENGTH, WandbRun, cut

LONG = "Augmenter" + "OfManyWords" * 12


def assert_taken(content: WandbRun) -> None:
    assert max(map(len, (*content.tags, content.group))) <= TAG_LENGTH
    assert content.artifact is not None
    assert max(len(content.name), len(content.artifact.name)) <= NAME_LENGTH


def test_a_class_of_a_plugin_may_have_a_name_of_any_length(tmp_path: Path) -> None:
    folder = made_run(tmp_path)
    short = read_run(folder)
    operative = folder / "operative.gin"
    operative.write_text(operative.read_text().replace("augmenters.LPA3()", f"augmenters.{LONG}()"))
    content = read_run(folder)
    assert_taken(content)
    assert content.tags == tuple(cut(LONG, 64) if tag == "LPA3" else tag for tag in short.tags)
    assert content.config["cell"]["positives"] == LONG, "there it is whole"
    assert (content.name, content.group) == (short.name, short.group)
    folder = folder.rename(folder.with_name(f"{LONG}-{content.id}"))
    (folder / "result.json").unlink()
    unfinished = read_run(folder)
    assert len(unfinished.group) == TAG_LENGTH
    assert len(unfinished.name) == NAME_LENGTH


def test_a_board_of_a_long_name(tmp_path: Path) -> None:
    assert_taken(read_board(made_board(tmp_path / LONG)))


@pytest.mark.parametrize("length", [0, 1, 63, 64])
def test_what_fits_stays(length: int) -> None:
    assert cut(LONG[:length], 64) == LONG[:length]


def test_what_is_cut_stays_two() -> None:
    assert len({cut(LONG + end, 64) for end in "abc"}) == 3
    assert cut(LONG, 64).startswith(LONG[:55])
