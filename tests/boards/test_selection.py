"""Which runs a word on the command line means."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.small_records import bits, changed, label, renamed, small_record, write

from lpa3bench.boards import selection as selecting
from lpa3bench.boards.selection import select
from lpa3bench.errors import DataError

PLAIN = [small_record(bits(5), seed=seed) for seed in (0, 1)]
LPA3 = [small_record(bits(7), seed=seed, slots={"positives": "LPA3"}) for seed in (0, 1)]
OTHER = small_record(bits(8), slots={"positives": "LPA3"}, identity="other")
PLAIN_LABEL, LPA3_LABEL, OTHER_LABEL = map(label, (PLAIN[0], LPA3[0], OTHER))


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return write(Path("runs"), *PLAIN, *LPA3, OTHER, runs=True)


def labels(text: str, folder: Path) -> dict[str, list[int]]:
    return {group.label: [record.seed for record in group.records] for group in select(text, folder)}


def test_a_folder_holds_cells_of_runs(runs: Path) -> None:
    assert labels("runs", runs) == {PLAIN_LABEL: [0, 1], LPA3_LABEL: [0, 1], OTHER_LABEL: [0]}


def test_a_run_is_one_whether_its_folder_or_its_record_is_named(runs: Path) -> None:
    assert labels(f"runs/{LPA3_LABEL}-s1", runs) == {LPA3_LABEL: [1]}
    assert labels(f"runs/{LPA3_LABEL}-s1/result.json", runs) == {LPA3_LABEL: [1]}


@pytest.mark.parametrize("before", ["", "runs/"])
def test_a_cell_is_called_by_its_name_with_or_without_the_hash(runs: Path, before: str) -> None:
    assert labels(f"{before}digits-supervised", runs) == {PLAIN_LABEL: [0, 1]}
    assert [*labels(f"{before}digits-supervised-lpa3", runs)] == sorted([LPA3_LABEL, OTHER_LABEL])
    assert labels(f"{before}{OTHER_LABEL}", runs) == {OTHER_LABEL: [0]}
    assert labels(f"{before}digits-*-{OTHER.identity}", runs) == {OTHER_LABEL: [0]}


def test_patterns_of_paths(runs: Path) -> None:
    assert labels("runs/*-s1", runs) == {PLAIN_LABEL: [1], LPA3_LABEL: [1]}
    assert labels(str(Path.cwd() / "r*s" / f"*lpa3-{LPA3[0].identity}*"), runs) == {LPA3_LABEL: [0, 1]}


def test_records_that_are_called_anything_are_told_by_what_is_in_them(runs: Path) -> None:
    for number, record in enumerate(LPA3):
        write(Path("one"), record)
        next(Path("one").glob("*-s?.json")).rename(f"one/{number}.json")
    assert labels("one/*.json", runs) == {LPA3_LABEL: [0, 1]}


def test_the_records_of_a_shipped_board(runs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    boards = tmp_path / "boards"
    write(boards / "small" / "results", *PLAIN, OTHER)
    for board in ("small", "empty"):
        (boards / board).mkdir(exist_ok=True)
        (boards / board / "board.toml").touch()
    monkeypatch.setattr(selecting, "shipped", lambda name: {"leaderboards": boards}[name])
    assert [*labels("shipped:small", runs)] == sorted([PLAIN_LABEL, OTHER_LABEL])
    assert [*labels("shipped:small/*-lpa3", runs)] == [OTHER_LABEL]
    with pytest.raises(DataError, match="^shipped:empty: that board has no records yet$"):
        select("shipped:empty", runs)
    with pytest.raises(DataError, match="^shipped:big: there is no such board; there are empty, small$"):
        select("shipped:big", runs)


def test_only_one_record_of_a_cell_is_read_before_the_others_are_needed(runs: Path) -> None:
    damaged = Path("runs") / f"{LPA3_LABEL}-s1" / "result.json"
    damaged.write_text("{")
    (group,) = [group for group in select("runs", runs) if group.label == LPA3_LABEL]
    assert group.environment == ("Supervised", "Digits", "Clean", None, "SmallNet", 1)
    with pytest.raises(DataError, match="is no JSON"):
        _ = group.records


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("digits-supervised-lpa", "no cell in runs is called so; did you mean digits-supervised-lpa3 or"),
        ("zebra", "no cell in runs is called so; cells are digits-supervised, digits-supervised-lpa3"),
        ("nowhere/x", "there is no such file or folder, and no folder nowhere to look for it in"),
        ("a**b", "is no pattern of paths: ** stands for folders, by itself"),
        ("bare", "there is no record; a run that is finished has a result.json"),
    ],
)
def test_what_is_not_there(runs: Path, text: str, says: str) -> None:
    Path("bare").mkdir()
    with pytest.raises(DataError) as caught:
        select(text, runs)
    assert str(caught.value).startswith(f"{text}: {says}")
    assert "\n" not in str(caught.value)


def test_a_damaged_record_is_named(runs: Path) -> None:
    broken = write(Path("broken"), changed(OTHER, seed=-1))
    with pytest.raises(DataError, match=f"broken/{OTHER_LABEL}-s-1.json: is no record"):
        select(str(broken), runs)


def test_an_experiment_that_was_started_by_two_names_is_one_cell(runs: Path) -> None:
    write(runs, renamed(small_record(bits(6), seed=7), "clean"), runs=True)
    found = {PLAIN_LABEL.replace("supervised", "supervised-clean"): [0, 1, 7]}
    assert labels("digits-supervised", runs) == labels("digits-supervised-clean", runs) == found
    assert labels(f"{PLAIN_LABEL}-s1", runs) == {PLAIN_LABEL: [1]}
    assert labels("runs", runs).items() >= found.items()
    (group,) = select("digits-supervised-clean", runs)
    assert group.environment[3] == "clean"
