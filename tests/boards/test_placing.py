"""Runs of one experiment: what is a run of its own, what repeats one elsewhere, and what contradicts one."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import permutations
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.small_boards import LPA3, board_folder, board_of, defined, store
from support.small_records import bits, changed, elsewhere, small_record, within, write

from lpa3bench.boards import results as storing
from lpa3bench.boards.board import Board, Replications
from lpa3bench.boards.building import build_board
from lpa3bench.boards.conditions import Condition, Conditions
from lpa3bench.boards.definition import load_definition
from lpa3bench.boards.placing import REPLICATIONS, SeedRuns, by_cell, contradiction, places, repeats
from lpa3bench.boards.results import Sorted
from lpa3bench.errors import DataError
from lpa3bench.records import Record, read_record
from lpa3bench.report.board_files import BOARD_FILES


def run(
    right: int, seed: int = 0, *, capability: str | None = "AVX2", at: str = "12:00:00", **where: Any
) -> Record:
    """A run with so many of ten test images right, done at that time of a day."""
    made = small_record(bits(right), seed=seed, capability=capability)
    return elsewhere(made, finished=f"2026-01-01T{at}+00:00", **where)


HERE = [run(5 + seed, seed, at="00:00:00") for seed in range(3)]
"""Three seeds from one kind of processor."""
THERE = run(7, capability="AVX512", at="01:00:00")
"""Seed 0 again, on another one: two images more are right."""


# ------------------------------------------------------------------------------------------ one and the other
def test_what_a_rerun_must_agree_in() -> None:
    assert contradiction(run(5), run(5, at="09:00:00", capability="AVX512")) is None
    assert contradiction(run(5), run(6)) == ("metrics.accuracy.last is 0.5 in one and 0.6 in the other")
    other_images = small_record([False, *bits(5, of=9)])
    assert contradiction(run(5), other_images) == "they have different test images right"
    later = msgspec.structs.replace(run(5).metrics["accuracy"], computed="later", scores={"last": 0.25})
    more = changed(run(5), metrics={**run(5).metrics, "ece": later})
    assert contradiction(run(5), more) is None, "what only one of them knows is no contradiction"


def test_the_same_surroundings_make_one_run_or_a_contradiction() -> None:
    assert repeats(run(5), run(5, at="09:00:00", cpu_model="another model of the kind")) is None
    with pytest.raises(DataError) as caught:
        repeats(HERE[0], run(6, at="09:00:00"))
    assert str(caught.value) == (
        f"contradicts {HERE[0].path}: metrics.accuracy.last is 0.5 in one and 0.6 in the other, and both ran "
        "in the same surroundings"
    )


@pytest.mark.parametrize(
    ("where", "told"),
    [
        ({"capability": "AVX512"}, "kind of processor: AVX2 → AVX512"),
        ({"versions": {"torch": "3.0"}}, "torch: 2.14.1 → 3.0"),
        ({"threads": 4}, "threads: 1 → 4"),
        ({"world_size": 2}, "processes: 1 → 2"),
        ({"precision": "bfloat16"}, "precision: float32 → bfloat16"),
    ],
)
@pytest.mark.parametrize("right", [5, 6])
def test_other_surroundings_make_a_replication_whether_it_agrees_or_not(
    where: dict[str, Any], told: str, right: int
) -> None:
    assert repeats(HERE[0], run(right, **where)) == told


def test_where_a_kind_of_processor_is_not_recorded_agreement_tells() -> None:
    """Schema 1 did not record it: who agrees bit for bit is one run, and who does not ran elsewhere."""
    unknown = run(5, capability=None)
    assert repeats(unknown, run(5)) is None
    assert repeats(HERE[0], unknown) is None
    assert repeats(unknown, run(5, capability=None, at="02:00:00")) is None
    assert repeats(unknown, run(6)) == "kind of processor: not recorded → AVX2"
    assert repeats(HERE[0], run(6, capability=None)) == "kind of processor: AVX2 → not recorded"
    assert repeats(unknown, run(6, capability=None)) == "kind of processor: not recorded → not recorded"


def test_one_of_each_seed_and_surroundings() -> None:
    runs = SeedRuns()
    assert [runs.add(record) for record in (*HERE, THERE)] == ["taken", "taken", "taken", "replication"]
    again = run(7, capability="AVX512", at="05:00:00")
    assert [runs.add(record) for record in (HERE[1], THERE, again)] == ["known"] * 3
    assert runs.add(run(6, 1, capability="AVX512")) == "replication"
    assert runs.add(run(5, threads=2)) == "replication"
    assert [*runs.by_seed.values()] == HERE
    assert len(runs.replications) == 3
    with pytest.raises(
        DataError, match=r"^contradicts made/.*: metrics.accuracy.last is 0.7 in one and 0.9 in"
    ):
        runs.add(run(9, capability="AVX512"))


def test_two_from_nobody_knows_where_cannot_both_be_kept() -> None:
    runs = SeedRuns()
    first, second, third = (run(right, capability=None) for right in (5, 6, 7))
    assert [runs.add(first), runs.add(second)] == ["taken", "replication"]
    with pytest.raises(DataError) as caught:
        runs.add(third)
    assert str(caught.value) == (
        f"contradicts {second.path}: metrics.accuracy.last is 0.6 in one and 0.7 in the other, and nothing "
        "tells their surroundings apart"
    )


# ---------------------------------------------------------------------------------------------- on a board
def agreement(board: Board) -> Replications | None:
    cell = board.cell("none", "digits")
    assert cell
    assert (cell.n, cell.seeds, cell.mean) == (3, (0, 1, 2), pytest.approx(0.6))
    return cell.replications


def test_replications_are_shown_as_agreement_and_counted_in_no_n() -> None:
    """+0.2 of seed 0, and −0.1 of seed 1 on two machines each: a mean of 0.05 and 0.2 at most."""
    more = [run(5, 1, capability="AVX512", at="02:00:00"), run(7, threads=2), run(5, 1, threads=2)]
    found = agreement(board_of(*HERE, THERE, *more))
    assert found
    assert found == Replications(
        n=4,
        mean=pytest.approx(0.05),
        largest=pytest.approx(0.2),
        surroundings=found.surroundings,
    )
    assert {*found.surroundings} == {"kind of processor: AVX2 → AVX512", "threads: 1 → 2"}
    assert agreement(board_of(*HERE)) is None


def test_a_note_says_how_many_there_are_and_nothing_else_changes() -> None:
    one, other = board_of(*HERE, THERE, run(6, 1, threads=2)), board_of(*HERE)
    assert [note for note in one.notes if note not in other.notes] == [
        "2 runs repeat seeds of this board on other hardware or with another torch, where the last bits of a "
        "sum differ; they are shown as agreement in their cells and counted in no n."
    ]
    assert one.records == other.records
    left_out = {"notes", "cells"}
    assert {k: v for k, v in asdict(one).items() if k not in left_out} == {
        k: v for k, v in asdict(other).items() if k not in left_out
    }


def test_the_first_that_was_finished_counts_in_whichever_order_they_come() -> None:
    """Of three kinds of processor; and of two that were done in one second the same one every time."""
    same = run(6, capability="NEON", at="01:00:00")
    early = run(8, capability="AVX", at="00:30:00")
    found = [by_cell(defined(), order) for order in permutations([THERE, same, early])]
    assert {one.runs["none", "digits"][0].file_name for one in found} == {early.file_name}
    assert {one.runs["none", "digits"][0].data.digest for one in found} == {early.data.digest}
    boards = {json.dumps(asdict(board_of(*order))) for order in permutations([THERE, same])}
    assert len(boards) == 1


def test_what_a_board_keeps_as_a_replication_never_becomes_its_run(tmp_path: Path) -> None:
    """Not even where it was finished first: the board's numbers stay when it is built again."""
    early = run(9, capability="AVX512", at="00:00:00")
    late = run(5, at="23:00:00")
    folder = board_folder(tmp_path / "small", late)
    board = load_definition(folder)
    found = offered(folder, tmp_path / "new", early)
    assert ([*map(str, found.replications)], found.taken) == ([str(early)], [])
    store(board, found.taken, {}, replications=found.replications)
    cell = build_board(board, storing.stored(board), {}).cell("none", "digits")
    assert cell
    assert (cell.scores, cell.replications and cell.replications.largest) == ((0.5,), pytest.approx(0.4))


def offered(board: Path, runs: Path, *records: Record) -> Sorted:
    """What becomes of runs that are offered to a board in that folder, which keeps what it takes."""
    of = load_definition(board)
    for place, record in enumerate(records):  # two runs of a seed lie in two folders
        write(runs / str(place), record, runs=True)
    found = storing.sort(
        of, storing.stored(of), storing.offered(runs / str(place) for place in range(len(records)))
    )
    store(of, found.taken, {}, replications=found.replications)
    return found


def fates(found: Sorted) -> tuple[int, int, int, int]:
    return len(found.taken), len(found.known), len(found.replications), len(found.refused)


def test_replications_are_kept_beside_and_survive(tmp_path: Path) -> None:
    folder = board_folder(tmp_path / "small", *HERE)
    board = load_definition(folder)
    found = offered(folder, tmp_path / "runs", THERE, run(6, 1, threads=2))
    assert fates(found) == (0, 0, 2, 0)
    kept = sorted((folder / "results" / REPLICATIONS).iterdir())
    assert [path.name for path in kept] == sorted(record.replication_name for record in found.replications)
    assert {path.name.rpartition("-s")[0] for path in kept} == {f"{THERE.name}-{THERE.identity}"}
    assert read_record(kept[0]).data in [THERE.data, run(6, 1, threads=2).data]
    pages = [make(build_board(board, storing.stored(board), {})) for make in BOARD_FILES.values()]
    again = [make(build_board(board, storing.stored(board), {})) for make in BOARD_FILES.values()]
    assert pages == again
    assert json.loads(BOARD_FILES["board.json"](build_board(board, storing.stored(board), {})))["cells"][0][
        "replications"
    ] == {
        "n": 2,
        "mean": pytest.approx(0.1),
        "largest": pytest.approx(0.2),
        "surroundings": ["kind of processor: AVX2 → AVX512", "threads: 1 → 2"],
    }


def test_offering_again_changes_nothing(tmp_path: Path) -> None:
    folder = board_folder(tmp_path / "small", *HERE)
    offered(folder, tmp_path / "runs", THERE)
    before = {path: path.read_bytes() for path in folder.rglob("*.json")}
    again = run(7, capability="AVX512", at="09:00:00", cpu_model="another model of the kind")
    assert fates(offered(folder, tmp_path / "more", THERE, HERE[1], again)) == (0, 3, 0, 0)
    assert {path: path.read_bytes() for path in folder.rglob("*.json")} == before


def test_the_same_surroundings_and_other_numbers_are_refused_and_both_are_named(tmp_path: Path) -> None:
    folder = board_folder(tmp_path / "small", *HERE)
    offered(folder, tmp_path / "runs", THERE)
    found = offered(folder, tmp_path / "more", run(9), run(9, capability="AVX512"))
    assert fates(found) == (0, 0, 0, 2)
    reasons = {path.parent.parent.name: reason for path, reason in found.refused}
    assert reasons["0"] == (
        f"contradicts {folder / 'results' / HERE[0].file_name}: metrics.accuracy.last is 0.5 in one and 0.9 "
        "in the other, and both ran in the same surroundings"
    )
    assert reasons["1"] == (
        f"contradicts {folder / 'results' / REPLICATIONS / THERE.replication_name}: metrics.accuracy.last is "
        "0.7 in one and 0.9 in the other, and nothing tells their surroundings apart"
    )
    board = load_definition(folder)
    write(folder / "results" / REPLICATIONS, run(9))
    name = next((folder / "results" / REPLICATIONS).glob("*-s0.json"))
    name.rename(name.with_name(run(9).replication_name))
    with pytest.raises(
        DataError, match=r"^.*/replications/.*: contradicts .*/results/digits.* and both ran in"
    ):
        build_board(board, storing.stored(board), {})


def test_fresh_ones_replace_replications_too(tmp_path: Path) -> None:
    folder = board_folder(tmp_path / "small", *HERE)
    offered(folder, tmp_path / "runs", THERE)
    board = load_definition(folder)
    store(board, HERE[:1], {}, alone=True)
    assert [path.name for path in (folder / "results").rglob("*.json")] == [HERE[0].file_name]


def test_a_replication_by_another_name_is_refused(tmp_path: Path) -> None:
    folder = board_folder(tmp_path / "small", *HERE)
    write(folder / "results" / REPLICATIONS, THERE)
    with pytest.raises(DataError) as caught:
        storing.stored(load_definition(folder))
    assert str(caught.value).endswith(f"holds {THERE}, so it should be called {THERE.replication_name}")


def test_another_experiment_is_no_replication(tmp_path: Path) -> None:
    folder = board_folder(tmp_path / "small", *HERE)
    other = elsewhere(within(HERE[0], "identity", numerics=2), cpu_capability="AVX512")
    found = offered(folder, tmp_path / "runs", other)
    assert fates(found) == (0, 0, 0, 1)
    assert found.refused[0][1] == (
        f"the cell holds another one: {HERE[0].identity} and {other.identity} are different experiments: "
        "numerics version: 1 → 2"
    )


@pytest.mark.parametrize(
    ("purpose", "why"),
    [("score", "stored weights scored on other data"), ("aid", "a run that only served a measurement")],
)
def test_what_only_serves_a_measurement_is_no_result(purpose: Any, why: str, tmp_path: Path) -> None:
    folder, record = board_folder(tmp_path / "small"), small_record(bits(5), slots=LPA3, purpose=purpose)
    found = offered(folder, tmp_path / "runs", record)
    assert ([path.parent.name for path in found.aids], fates(found)) == ([str(record)], (0, 0, 0, 0))
    assert not found.foreign
    within_board = write(folder / "results", record)
    with pytest.raises(DataError, match=f"not a result: {why}"):
        by_cell(load_definition(folder), storing.stored(load_definition(within_board.parent)))


# ------------------------------------------------------------------------------------------------ conditions
def test_conditions_are_asked_once_an_experiment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever they can see tells experiments apart: here the setting, a slot and a parameter."""
    asked: list[Record] = []
    failing = Conditions.failing

    def counted(conditions: Conditions, record: Record) -> Condition | None:
        asked.append(record)
        return failing(conditions, record)

    monkeypatch.setattr(Conditions, "failing", counted)
    definition = defined()
    seeds = [small_record(bits(5), seed=seed) for seed in range(9)]
    assert {tuple(places(definition, record)) for record in seeds} == {(("none", "digits"),)}
    assert {record.seed for record in asked} == {0}
    others: list[dict[str, Any]] = [{"setting": "a"}, {"slots": LPA3}, {"config": {"LPA3.margin": "0.1"}}]
    for number, other in enumerate(others, 1):
        places(definition, small_record(bits(5), seed=number, **other))
        assert number in {record.seed for record in asked}
