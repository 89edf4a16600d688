"""Later scores: files that hold together, with_more to the record of the very run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.later_scores import made_up_scores
from support.small_records import bits, small_record

from lpa3bench.errors import DataError
from lpa3bench.records.later_scores import (
    as_metrics,
    of_run,
    read_later_scores,
    scores_beside,
    with_more,
    write_later_scores,
)
from lpa3bench.types import CORRUPTIONS_VERSION

RECORD = small_record(bits(6), seed=3)
SCORES = made_up_scores(RECORD, lambda kind, severity: 0.9 - 0.1 * severity, scaled=True)


def test_a_file_is_read_as_it_was_written(tmp_path: Path) -> None:
    path = write_later_scores(tmp_path, SCORES)
    assert path == tmp_path / "scores" / "corruptions.json"
    found = read_later_scores(path)
    assert msgspec.structs.replace(found, digest="") == SCORES
    assert found.digest
    assert len(path.read_text().splitlines()) > 75


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('"images": 10', '"images": 11', "its digest is not that of what it holds"),
        ('"purpose": "score"', '"purpose": "result"', "purpose"),
        ("{", "[", "is no record of later scores"),
    ],
)
def test_an_edited_file_is_refused(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = write_later_scores(tmp_path, SCORES)
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(DataError, match=told):
        read_later_scores(path)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"version": CORRUPTIONS_VERSION + 1}, "corruptions are of version 2, .* score the run again"),
        ({"conditions": SCORES.conditions[:74]}, "conditions are not those"),
        ({"conditions": (*SCORES.conditions[:74], SCORES.conditions[0])}, "conditions are not those"),
        (
            {"conditions": (*SCORES.conditions, SCORES.conditions[0]), "whole": False},
            "conditions are not those",
        ),
        (
            {"conditions": (msgspec.structs.replace(SCORES.clean, kind="rain"),), "whole": False},
            "conditions are",
        ),
        ({"whole": False}, "conditions are not those"),
        ({"on": "test"}, "conditions are not those"),
        ({"conditions": ()}, "conditions are not those"),
        ({"clean": msgspec.structs.replace(SCORES.clean, scaled={"nll": -2e12})}, "beyond 1e12"),
    ],
)
def test_a_file_is_of_what_it_says(tmp_path: Path, changed: dict[str, Any], told: str) -> None:
    path = write_later_scores(tmp_path, msgspec.structs.replace(SCORES, **changed))
    with pytest.raises(DataError, match=told) as caught:
        read_later_scores(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)


def test_a_part_and_the_images_alone_are_whole_files_too(tmp_path: Path) -> None:
    part = msgspec.structs.replace(SCORES, conditions=SCORES.conditions[:3], whole=False)
    alone = msgspec.structs.replace(SCORES, conditions=(), on="test")
    for scores, name in ((part, "corruptions-part.json"), (alone, "test.json")):
        path = write_later_scores(tmp_path, scores)
        assert path.name == name
        assert read_later_scores(path).conditions == scores.conditions
    assert {*as_metrics(alone)} == {"scaled_nll"}


def test_means_are_over_all_conditions() -> None:
    metrics = as_metrics(SCORES)
    assert {name: metric.scores["last"] for name, metric in metrics.items()} == {
        "corruptions_accuracy": pytest.approx(0.6),
        "corruptions_nll": pytest.approx(0.4),
        "scaled_nll": pytest.approx(0.05),
        "corruptions_scaled_nll": pytest.approx(0.2),
    }
    assert metrics["corruptions_nll"].title == "negative log-likelihood under corruptions"
    assert not metrics["corruptions_nll"].higher_is_better
    assert SCORES.mean("accuracy", "fog") == pytest.approx(0.6)


def test_a_part_of_the_corruptions_lies_apart_and_makes_no_mean(tmp_path: Path) -> None:
    part = msgspec.structs.replace(SCORES, conditions=SCORES.conditions[:5], whole=False, weights="best")
    assert as_metrics(part) == {}
    assert write_later_scores(tmp_path, part).name == "corruptions-best-part.json"


def test_what_is_undefined_once_is_undefined() -> None:
    gap = made_up_scores(RECORD, lambda kind, severity: None if (kind, severity) == ("fog", 2) else 0.5)
    assert as_metrics(gap)["corruptions_accuracy"].scores == {"last": None}
    assert gap.mean("accuracy", "snow") == 0.5


def test_scores_are_of_one_run_alone() -> None:
    other = small_record(bits(5), seed=4)
    again = msgspec.structs.replace(SCORES, trained="2020-01-01T00:00:00+00:00")
    assert of_run(RECORD, [SCORES, again]) == [SCORES]
    assert of_run(other, [SCORES]) == []
    assert of_run(RECORD, [msgspec.structs.replace(SCORES, data="e" * 64)]) == []


def test_in_a_run_directory_those_of_another_run_are_named(tmp_path: Path) -> None:
    mine = replace(RECORD, path=tmp_path / "result.json")
    again = msgspec.structs.replace(SCORES, trained="2020-01-01T00:00:00+00:00", weights="best")
    other = msgspec.structs.replace(SCORES, run=f"{RECORD}0", on="test", conditions=())
    paths = [write_later_scores(tmp_path, one) for one in (SCORES, again, other)]
    refused: list[DataError] = []
    assert [one.weights for one in scores_beside(mine, refused.append)] == ["last"]
    assert [error.path for error in refused] == paths[1:]
    assert "another training" in str(refused[0])
    assert f"{RECORD}0" in str(refused[1])


def test_a_record_has_them_in_memory_by_the_rule_of_their_weights() -> None:
    best = made_up_scores(RECORD, lambda kind, severity: 0.5, weights="best")
    found = with_more(RECORD, [as_metrics(SCORES), as_metrics(best)])
    assert found.score("corruptions_accuracy.last") == pytest.approx(0.6)
    assert found.score("corruptions_accuracy.val_selected") == pytest.approx(0.5)
    assert found.score("accuracy.last") == RECORD.score("accuracy.last")
    assert "corruptions_accuracy" not in RECORD.metrics
    assert with_more(RECORD, []) is RECORD


def test_they_are_found_in_a_run_directory_and_on_a_board(tmp_path: Path) -> None:
    run = replace(RECORD, path=tmp_path / "run" / "result.json")
    path = write_later_scores(tmp_path / "run", SCORES)
    assert [one.run for one in scores_beside(run)] == [str(RECORD)]
    (tmp_path / "scores").mkdir()
    path.rename(tmp_path / "scores" / SCORES.board_name)
    assert scores_beside(run) == []
    assert len(scores_beside(replace(RECORD, path=tmp_path / RECORD.file_name))) == 1
    (tmp_path / "scores" / SCORES.board_name).write_text("{}")
    refused: list[DataError] = []
    assert scores_beside(replace(RECORD, path=tmp_path / RECORD.file_name), refused.append) == []
    assert len(refused) == 1
