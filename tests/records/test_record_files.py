"""Records read back: what is no record is refused, and so is one whose numbers do not hold together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from support.small_records import bits, changed, small_record, write

from lpa3bench.errors import DataError
from lpa3bench.records import find, load, load_all, pack

RECORD = small_record(bits(7), seed=2, slots={"positives": "LPA3"}, earlier=[0.2, 0.8])


def refused(folder: Path, **parts: Any) -> str:
    write(folder, changed(RECORD, **parts))
    (path,) = folder.iterdir()
    with pytest.raises(DataError) as caught:
        load(path)
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    assert "\n" not in text
    return text.removeprefix(f"{path}: ")


def test_a_record_comes_back_as_it_was(tmp_path: Path) -> None:
    write(tmp_path, RECORD)
    record = load(tmp_path / "digits-supervised-lpa3-00000000-s2.json")
    assert record.data == RECORD.data
    assert (record.name, record.identity, record.seed) == ("digits-supervised-lpa3", "00000000", 2)
    assert (record.score("last"), record.score("oracle_best"), record.score("val_selected")) == (
        0.7,
        0.8,
        None,
    )
    assert record.score("no such score") is None
    assert record.correct == bits(7)
    assert record.slots == {"positives": "LPA3"}
    assert (record.passes, record.seconds, record.is_result) == (1000.0, 2.0, True)
    assert (record.label_hash, record.data_hash, record.protocol_version) == ("a" * 64, "d" * 64, 1)


def test_form_is_checked_where_it_is_wrong(tmp_path: Path) -> None:
    without = {name: value for name, value in RECORD.data["cost"].items() if name != "passes"}
    assert refused(tmp_path / "1", cost=without) == "is no record: cost: 'passes' is a required property"
    assert refused(tmp_path / "2", seed=-1).startswith("is no record: seed: -1 is less than")
    assert "schema_version: 1 was expected" in refused(tmp_path / "3", schema_version=7)
    metrics = RECORD.data["metrics"] | {"last": "0.7"}
    assert refused(tmp_path / "4", metrics=metrics).startswith("is no record: metrics.last: '0.7' is not of")
    cell = RECORD.data["cell"] | {"name": "a<b>"}
    assert "does not match" in refused(tmp_path / "5", cell=cell)


def test_numbers_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    metrics = RECORD.data["metrics"] | {"oracle_best": 0.9}
    assert refused(tmp_path / "1", metrics=metrics) == (
        "contradicts itself: metrics.oracle_best is 0.9, and the curve says 0.8"
    )
    text = refused(tmp_path / "2", correct=pack(bits(8)))
    assert text == "contradicts itself: 0.800000 of the bits are right, and metrics.last is 0.700000"
    assert refused(tmp_path / "3", correct={"n": 10, "bits": "AAAA"}).startswith("contradicts itself: error:")
    assert refused(tmp_path / "4", correct={"n": 99, "bits": pack([True])["bits"]}).startswith("contradicts")


@pytest.mark.parametrize(
    ("text", "says"), [("{", "is no JSON"), ('{"a": NaN}', "NaN is no number"), ("[]", "is no record")]
)
def test_what_is_no_record(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "r.json").write_text(text)
    with pytest.raises(DataError, match=says):
        load(tmp_path / "r.json")


def test_records_are_found_in_runs_in_boards_and_alone(tmp_path: Path) -> None:
    other = small_record(bits(3), seed=1)
    runs = write(tmp_path / "runs", RECORD, other, runs=True)
    board = write(tmp_path / "results", RECORD, other)
    (runs / "unfinished-run").mkdir()
    (board / "board.json").write_text("{}")
    (alone,) = find([runs / RECORD.file_name.removesuffix(".json")])
    assert alone.name == "result.json"
    assert [*find([alone, runs])] == [alone, runs / other.file_name.removesuffix(".json") / "result.json"]
    for place in (runs, board):
        records = load_all([place])
        assert [record.file_name for record in records] == [other.file_name, RECORD.file_name]
        assert all(json.dumps(record.data) for record in records)
    with pytest.raises(DataError, match="nowhere: there is no such file or folder"):
        load_all([tmp_path / "nowhere"])


def test_a_board_is_a_place_too_and_any_name_will_do_where_none_is_a_runs(tmp_path: Path) -> None:
    board = tmp_path / "board"
    write(board / "results", RECORD)
    (board / "board.toml").write_text("")
    (board / "board.json").write_text("{}")
    assert [record.file_name for record in load_all([board])] == [RECORD.file_name]
    other = tmp_path / "other"
    write(other, RECORD)
    (other / RECORD.file_name).rename(other / "one.json")
    assert [path.name for path in find([other])] == ["one.json"]
