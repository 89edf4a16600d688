"""Later scores on a board: means, and errors relative to the baseline's run with the same seed."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from support.later_scores import made_up_scores
from support.small_boards import LPA3, board_folder, defined
from support.small_records import bits, small_record

from lpa3bench.boards.building import build_board
from lpa3bench.boards.definition import load_definition
from lpa3bench.boards.joined_scores import with_later_scores
from lpa3bench.boards.results import stored
from lpa3bench.errors import DataError
from lpa3bench.records.later_scores import LaterScores, scores_text
from lpa3bench.report.board_files import BOARD_FILES

NONE = [small_record(bits(6), seed=seed) for seed in (0, 1)]
METHOD = [small_record(bits(8), seed=seed, slots=LPA3) for seed in (0, 1)]


def scores_of(right: float, record: object) -> LaterScores:
    return made_up_scores(record, lambda kind, severity: right)  # type: ignore[arg-type]


SCORES = [
    *(scores_of(right, record) for right, record in zip((0.5, 0.6), NONE, strict=True)),
    *(scores_of(right, record) for right, record in zip((0.75, 0.7), METHOD, strict=True)),
]


def folder_of(tmp_path: Path, *scores: LaterScores) -> Path:
    folder = board_folder(tmp_path / "board", *NONE, *METHOD)
    (folder / "results" / "scores").mkdir()
    for one in scores:
        (folder / "results" / "scores" / one.board_name).write_text(scores_text(one))
    return folder


def test_cells_have_means_and_errors_paired_by_seed(tmp_path: Path) -> None:
    definition = load_definition(folder_of(tmp_path, *SCORES))
    records = with_later_scores(definition, stored(definition))
    board = build_board(definition, records, {})
    method, baseline = board.cell("lpa3", "digits"), board.cell("none", "digits")
    assert method.other_scores["corruptions_accuracy.last"] == pytest.approx(0.725)
    assert baseline.other_scores["corruptions_accuracy.last"] == pytest.approx(0.55)
    # 0.25 / 0.5 and 0.3 / 0.4
    assert method.other_scores["corruptions_mce.last"] == pytest.approx((0.5 + 0.75) / 2)
    assert baseline.other_scores["corruptions_mce.last"] == 1
    told = board.measures["corruptions_mce.last"]
    assert told.name.startswith("mean corruption error relative to the baseline")
    assert not told.higher_is_better
    assert "corruptions_accuracy.last" in BOARD_FILES["index.html"](board)


def test_errors_are_relative_to_the_same_weights(tmp_path: Path) -> None:
    best = [
        made_up_scores(record, lambda kind, severity, right=right: right, weights="best")
        for right, record in ((0.8, NONE[0]), (0.9, METHOD[0]))
    ]
    definition = load_definition(folder_of(tmp_path, *SCORES, *best))
    found = {str(record): record for record in with_later_scores(definition, stored(definition))}
    method = found[str(METHOD[0])]
    assert method.score("corruptions_mce.last") == pytest.approx(0.25 / 0.5)
    assert method.score("corruptions_mce.val_selected") == pytest.approx(0.1 / 0.2)
    assert method.score("corruptions_accuracy.val_selected") == pytest.approx(0.9)


def test_without_the_baselines_scores_there_is_no_error(tmp_path: Path) -> None:
    definition = load_definition(folder_of(tmp_path, *SCORES[1:]))
    records = with_later_scores(definition, stored(definition))
    board = build_board(definition, records, {})
    assert board.cell("lpa3", "digits").other_scores["corruptions_accuracy.last"] == pytest.approx(0.725)
    for row in ("none", "lpa3"):  # seed 0 has none
        assert board.cell(row, "digits").other_scores.get("corruptions_mce.last") is None


def test_relative_to_a_part_of_the_corruptions_there_is_no_error(tmp_path: Path) -> None:
    part = msgspec.structs.replace(SCORES[0], conditions=SCORES[0].conditions[:5], whole=False)
    definition = load_definition(folder_of(tmp_path, part, SCORES[2]))
    found = {str(record): record for record in with_later_scores(definition, stored(definition))}
    assert "corruptions_accuracy" in found[str(METHOD[0])].metrics
    assert "corruptions_mce" not in found[str(METHOD[0])].metrics


def test_what_is_about_to_be_written_counts_for_what_it_replaces(tmp_path: Path) -> None:
    definition = load_definition(folder_of(tmp_path, *SCORES))
    again = scores_of(0.9, METHOD[0])
    new = {definition.path.parent / "results" / "scores" / again.board_name: again}

    def means(*, fresh: bool) -> list[float | None]:
        found = with_later_scores(definition, [*NONE, *METHOD], new, fresh=fresh)
        return [
            record.data.metrics["corruptions_accuracy"].scores["last"]
            if "corruptions_accuracy" in record.metrics
            else None
            for record in found
        ]

    assert means(fresh=False) == pytest.approx([0.5, 0.6, 0.9, 0.7])
    assert means(fresh=True) == [None, None, pytest.approx(0.9), None]


def test_a_board_of_them_ranks_and_compares(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *SCORES)
    text = (folder / "board.toml").read_text().replace("accuracy.last", "corruptions_accuracy.last")
    (folder / "board.toml").write_text(text)
    definition = load_definition(folder)
    board = build_board(definition, with_later_scores(definition, stored(definition)), {})
    assert board.cell("lpa3", "digits").mean == pytest.approx(0.725)
    for make in BOARD_FILES.values():
        assert make(board)


def test_a_damaged_file_is_named_and_left_out(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, *SCORES)
    (folder / "results" / "scores" / SCORES[0].board_name).write_text("{}")
    definition = load_definition(folder)
    with pytest.raises(DataError, match="no record of later scores"):
        with_later_scores(definition, stored(definition))
    refused: list[DataError] = []
    found = with_later_scores(definition, stored(definition), refuse=refused.append)
    assert len(refused) == 1
    assert sum("corruptions_accuracy" in record.metrics for record in found) == 3


def test_records_without_scores_stay_the_same() -> None:
    assert all(one is other for one, other in zip(with_later_scores(defined(), NONE), NONE, strict=True))
    part = msgspec.structs.replace(SCORES[0], whole=False)
    (same, _) = with_later_scores(defined(), NONE, {Path("a"): part})
    assert same is NONE[0]
