"""Records taken into a board: what is taken, what is refused and why, and how they are kept."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from support.small_boards import LPA3, TOML, board_folder, defined, store
from support.small_records import bits, changed, elsewhere, small_record, within, write

from lpa3bench.boards import results as storing
from lpa3bench.boards.definition import load_definition
from lpa3bench.boards.placing import by_cell
from lpa3bench.boards.results import Sorted
from lpa3bench.errors import DataError, UsageError
from lpa3bench.records import Record, read_record
from lpa3bench.records import searches as search

NONE = [small_record(bits(5 + seed), seed=seed, identity="0000000a") for seed in range(3)]


def made_up_search(path: Path, *, trials: int, runs: list[str]) -> None:
    ranges, values = {"LPA3.margin": ["log", 0.1, 1.0]}, {"LPA3.margin": 0.2}
    tried = [{}] * trials
    search.write_search(
        path,
        {"cell": "x", "trials": trials, "ranges": ranges, "values": values, "runs": runs, "tried": tried},
    )


def sort(
    tmp_path: Path, offered: list[Record], there: list[Record] | None = None, text: str = TOML
) -> Sorted:
    runs = write(tmp_path / "runs", *offered, runs=True)
    return storing.sort(defined(text), there or [], storing.offered([runs]))


def reasons(found: Sorted) -> list[str]:
    return [reason for _, reason in found.refused]


def test_results_are_taken(tmp_path: Path) -> None:
    found = sort(tmp_path, NONE)
    assert [record.seed for record in found.taken] == [0, 1, 2]
    assert (found.refused, found.foreign, found.known) == ([], [], [])


def test_what_is_there_is_not_taken_again(tmp_path: Path) -> None:
    found = sort(tmp_path, NONE, there=NONE[:2])
    assert [record.seed for record in found.taken] == [2]
    assert [record.seed for record in found.known] == [0, 1]


def test_a_part_of_the_images_is_no_result(tmp_path: Path) -> None:
    limited = small_record(bits(5), seed=3, identity="0000000a", limit=64)
    found = sort(tmp_path, [*NONE, limited])
    assert reasons(found) == ["not a result: it was trained on a part of the images (--limit)"]
    assert len(found.taken) == 3


def test_another_protocol_version_is_refused(tmp_path: Path) -> None:
    found = sort(tmp_path, NONE, text=TOML.replace("protocol = 1", "protocol = 2"))
    assert found.taken == []
    assert len(found.refused) == 3
    assert "protocol version 1, and the board is of version 2" in reasons(found)[0]


def test_a_changed_setting_is_refused_where_the_board_says_so(tmp_path: Path) -> None:
    record = within(NONE[0], "protocol", changed=("positives/LPA3.margin", "Supervised.lr"))
    strict = sort(tmp_path, [record], text=f'changed = ["LPA3.margin"]\n{TOML}')
    assert reasons(strict) == [
        "it changed what was published: Supervised.lr; the board allows no such change"
    ]
    both = f'changed = ["LPA3.margin", "Supervised.lr"]\n{TOML}'
    assert len(sort(tmp_path, [record], text=both).taken) == 1
    assert len(sort(tmp_path, [record]).taken) == 1


def test_a_damaged_record_is_refused_and_the_rest_is_taken(tmp_path: Path) -> None:
    write(tmp_path / "runs", *NONE, runs=True)
    accuracy = NONE[1].metrics["accuracy"]
    scores = {**accuracy.scores, "last": 0.99}
    lie = changed(NONE[1], metrics={"accuracy": msgspec.structs.replace(accuracy, scores=scores)})
    found = sort(tmp_path, [lie])
    assert [record.seed for record in found.taken] == [0, 2]
    assert reasons(found) == ["contradicts itself: metrics.accuracy.last is 0.99, and the curve says 0.6"]


def test_several_experiments_for_one_cell_are_all_refused(tmp_path: Path) -> None:
    other = small_record(bits(9), seed=0, identity="0000000b", config={"run.weak": "@WeakView()"})
    found = sort(tmp_path, [NONE[0], other])
    assert found.taken == []
    assert len(found.refused) == 2
    assert "offered several experiments, and takes none" in reasons(found)[0]
    assert reasons(found)[0].endswith(
        ("run.weak: none → @WeakView()", "run.weak: @WeakView() → none")  # by the order of their names
    )


def test_a_cell_keeps_the_experiment_that_it_has(tmp_path: Path) -> None:
    other = small_record(bits(9), seed=0, identity="0000000b")
    found = sort(tmp_path, [NONE[1], other], there=[NONE[0]])
    assert [record.seed for record in found.taken] == [1]
    assert reasons(found)[0].startswith(
        f"the cell holds another one: {NONE[0].identity} and {other.identity} "
    )


def test_a_record_that_a_narrowed_board_has_no_place_for(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"not of this board: .*; remove it, or begin anew with --fresh --from"
    ):
        sort(tmp_path, [NONE[1]], there=[small_record(bits(5), dataset="Elsewhere")])


def test_one_run_with_two_endings_is_refused(tmp_path: Path) -> None:
    found = sort(tmp_path, [small_record(bits(9), seed=0, identity="0000000a")], there=NONE)
    assert "metrics.accuracy.last is 0.5 in one and 0.9 in the other" in reasons(found)[0]


def test_records_of_other_boards_are_told_apart_from_refused_ones(tmp_path: Path) -> None:
    foreign = [
        small_record(bits(5), dataset="FashionMNIST"),
        small_record(bits(5), slots={"positives": "Mine"}),
    ]
    found = sort(tmp_path, [*NONE, *foreign])
    assert (len(found.taken), found.refused) == (3, [])
    assert {record.file_name for record in found.foreign} == {record.file_name for record in foreign}


def test_two_places_for_one_record_are_a_mistake_in_the_board(tmp_path: Path) -> None:
    found = sort(tmp_path, NONE[:1], text=f'{TOML}\n[[rows]]\nkey = "any"\nname = "Any"\n')
    assert (
        "conditions of none × digits and any × digits; make those in small/board.toml narrower"
        in reasons(found)[0]
    )


def test_records_are_kept_as_they_are_but_for_folders(tmp_path: Path) -> None:
    secret = ("/home/me/bin/lpa3bench", "run", "-p", "Images.path='/home/me/x'")
    paths = {"Images.path": "'/home/me/x'"}
    record = within(elsewhere(NONE[0], command=secret), "identity", config=paths)
    record = changed(record, config={**record.config, **paths})
    board = defined(folder=tmp_path)
    store(board, [record], {})
    path = tmp_path / "results" / record.file_name
    text = path.read_text()
    assert "home" not in text
    kept = read_record(path)
    assert kept.data.provenance.command == ("lpa3bench", "run", "-p", "Images.path='x'")
    assert kept.config == {**record.config, "Images.path": "'x'"}
    assert kept.data.identity.config == {"Images.path": "'x'"}
    assert kept.identity == record.identity, "it is the same experiment in whichever folder the data lay"
    same = within(elsewhere(kept, command=secret), "identity", config=paths)
    assert changed(same, config=record.config).data == record.data
    store(board, [kept], {})
    assert path.read_text() == text
    assert [file.name for file in (tmp_path / "results").iterdir()] == [record.file_name]  # nothing temporary


def test_a_condition_sees_a_path_as_it_is_kept(tmp_path: Path) -> None:
    record = changed(NONE[0], config={**NONE[0].config, "Images.path": "'/home/me/x'"})
    text = TOML.replace('{ dataset = "Digits" }', '{ "Images.path" = "x" }')
    found = sort(tmp_path, [record], text=text)
    assert found.taken
    store(defined(text, tmp_path), found.taken, {})
    assert by_cell(defined(text), storing.stored(defined(text, tmp_path))).runs


def test_searches_go_with_the_records_that_they_are_behind(tmp_path: Path) -> None:
    runs = [str(NONE[0]), str(NONE[1])]
    made_up_search(tmp_path / "runs" / "search" / "abc.json", trials=1, runs=runs)
    made_up_search(tmp_path / "runs" / "search" / "def.json", trials=1, runs=["another"])
    board = defined(folder=tmp_path)
    store(board, NONE, search.find_searches([tmp_path / "runs"]))
    assert [path.name for path in (tmp_path / "results" / "search").iterdir()] == ["abc.json"]
    assert sorted(search.find_searches([tmp_path / "results"])) == runs
    assert len(storing.stored(board)) == 3  # the search is no record


@pytest.mark.parametrize("place", ["", "{0}", "{0}/result.json"])
def test_a_search_is_found_from_each_place_that_its_runs_are_taken_from(tmp_path: Path, place: str) -> None:
    runs = write(tmp_path / "runs", *NONE, runs=True)
    made_up_search(runs / "search" / "abc.json", trials=8, runs=[str(NONE[0])])
    assert search.find_searches([runs / place.format(NONE[0])])[str(NONE[0])].trials == 8


def test_a_search_is_found_beside_a_record_of_a_board(tmp_path: Path) -> None:
    write(tmp_path / "results", *NONE)
    made_up_search(tmp_path / "results" / "search" / "abc.json", trials=8, runs=[str(NONE[0])])
    made_up_search(tmp_path / "search" / "another.json", trials=9, runs=[str(NONE[0])])
    assert search.find_searches([tmp_path / "results" / NONE[0].file_name])[str(NONE[0])].trials == 8
    assert search.find_searches([tmp_path / "results"])[str(NONE[0])].trials == 8


def test_a_search_is_found_in_a_whole_board(tmp_path: Path) -> None:
    board = defined(folder=tmp_path)
    write(tmp_path / "results", *NONE)
    made_up_search(tmp_path / "results" / "search" / "abc.json", trials=8, runs=[str(NONE[0])])
    found = search.find_searches([tmp_path])
    assert found[str(NONE[0])].trials == 8
    store(board, NONE, found, alone=True)
    assert search.find_searches([tmp_path])[str(NONE[0])].trials == 8, (
        "the board made anew from itself has it still"
    )


def test_a_search_is_found_from_within_its_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = write(tmp_path / "runs", NONE[0], runs=True)
    made_up_search(runs / "search" / "abc.json", trials=8, runs=[str(NONE[0])])
    monkeypatch.chdir(runs / str(NONE[0]))
    assert search.find_searches([Path(), Path("result.json")])[str(NONE[0])].trials == 8


def test_alone_removes_what_was_there(tmp_path: Path) -> None:
    board = defined(folder=tmp_path)
    store(board, NONE, {})
    store(board, NONE[:1], {}, alone=True)
    assert [record.seed for record in storing.stored(board)] == [0]


def test_a_record_by_another_name_is_refused(tmp_path: Path) -> None:
    folder = board_folder(tmp_path, NONE[0])
    (path,) = (folder / "results").iterdir()
    path.rename(path.with_name("mine-s0.json"))
    with pytest.raises(DataError, match=r"mine-s0.json: holds .*, so it should be called digits-supervised-"):
        storing.stored(load_definition(folder))


def test_a_board_can_show_the_records_of_another(tmp_path: Path) -> None:
    more = small_record(bits(5), slots=LPA3)
    board_folder(tmp_path / "digits", *NONE, more)
    text = f'records_of = "digits"\n{TOML.partition("[[rows]]")[0]}[[rows]]\nkey = "none"\nname = "None"\n'
    text += 'match = { "slots.positives" = "none" }\n'
    board = load_definition(board_folder(tmp_path / "cost", text=text))
    assert [record.seed for record in storing.stored(board)] == [0, 1, 2]
    with pytest.raises(UsageError, match="shows the records of digits; add them there"):
        store(board, NONE, {})
    (tmp_path / "digits").rename(tmp_path / "gone")
    with pytest.raises(DataError, match="records_of: there is no board"):
        storing.stored(board)
