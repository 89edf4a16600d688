"""What a board keeps of a record says the same as the whole of it, and what is equal is kept once."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from pathlib import Path

import pytest
from support.small_records import bits, changed, small_record

from lpa3bench.records import Record, read_record
from lpa3bench.records.curve import Curve
from lpa3bench.records.record_files import anonymous, record_text
from lpa3bench.records.slim import Slimmer, file_text
from lpa3bench.runtime.paths import shipped
from lpa3bench.stats.curves import AXES, cost_to_reach, mean_curve, score_at, total_cost

RECORD = small_record(bits(7), earlier=[0.2, 0.8, 0.5], slots={"positives": "LPA3"})


def test_costs_and_scores_are_those_of_the_whole_record() -> None:
    slim = Slimmer()(RECORD)
    assert mean_curve([slim], "accuracy") == mean_curve([RECORD], "accuracy")
    for axis in AXES:
        assert total_cost(slim, axis) == total_cost(RECORD, axis)
        assert score_at(slim, axis, 1.5, "accuracy") == score_at(RECORD, axis, 1.5, "accuracy")
        reached = [cost_to_reach(r, axis, 0.5, "accuracy", higher_is_better=True) for r in (slim, RECORD)]
        assert reached[0] == reached[1] is not None
    assert (slim.metrics, slim.config, slim.correct) == (RECORD.metrics, RECORD.config, RECORD.correct)
    assert [row["test/accuracy"] for row in slim.curve] == [0.2, 0.8, 0.5, 0.7]
    assert slim.curve[-1] == {name: RECORD.curve[-1][name] for name in ("passes", "seconds", "test/accuracy")}


@pytest.mark.parametrize(
    "numbers", [[1, 2.5], [None, 0.5], [2**53, 2**53 + 1], [-(2**63), None], [None, None]]
)
def test_a_column_comes_back_as_it_was(numbers: list[float | None]) -> None:
    curve = Curve([{"x": number} for number in numbers], ["x", "y"])
    assert [*curve.column("x")] == numbers
    assert [*curve.column("y")] == [None, None]
    assert (len(curve), curve[1]["x"]) == (2, numbers[1])


def test_a_row_without_a_number_has_none() -> None:
    assert [*Curve([{}, {"x": 1.0}], ["x"]).column("x")] == [None, 1.0]


def test_what_runs_share_is_kept_once() -> None:
    slim = Slimmer()
    one, other = (slim(small_record(bits(5), seed=seed)) for seed in (0, 1))
    assert one.data.config is other.data.config
    assert one.data.labels is other.data.labels
    assert one.config is other.config
    third = slim(small_record(bits(5), seed=2, config={"LPA3.margin": "0.1"}))
    assert (third.config["LPA3.margin"], "LPA3.margin" in one.config) == ("0.1", False)


def test_an_offered_record_is_written_as_the_whole_one_would_be() -> None:
    provenance = {"command": ("lpa3bench", "run", "/home/me/a.gin")}
    import msgspec

    mine = changed(RECORD, provenance=msgspec.structs.replace(RECORD.data.provenance, **provenance))
    slim = Slimmer().offered(mine)
    assert file_text(slim) == file_text(mine) == record_text(anonymous(mine.data))
    assert "/home/me" not in file_text(slim)
    assert slim.data.digest == anonymous(mine.data).digest != mine.data.digest
    assert anonymous(RECORD.data) is RECORD.data, "there is nothing to be taken out"


def test_a_shipped_record_takes_a_few_kilobytes() -> None:
    """Whole it takes 70."""
    folder, slim = shipped("leaderboards") / "digits" / "results", Slimmer()
    paths = sorted(folder.glob("digits-pes-*.json"))[:40]
    kept: list[Record] = [slim(read_record(path)) for path in paths[:10]]  # what they share
    tracemalloc.start()
    try:
        kept += [slim(read_record(path)) for path in paths[10:]]
        taken, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert taken / len(paths[10:]) < 25_000


def test_a_slim_record_knows_its_place_and_may_move() -> None:
    slim = Slimmer().offered(RECORD)
    moved = replace(slim, path=Path("results") / slim.file_name)
    assert (moved.file_name, file_text(moved)) == (RECORD.file_name, file_text(slim))
