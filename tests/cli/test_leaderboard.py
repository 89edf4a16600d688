"""`lpa3bench leaderboard build` and `merge`, as typed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from support.console import Cli
from support.small_boards import LPA3, TOML, board_folder
from support.small_records import bits, elsewhere, small_record, within, write

from lpa3bench import records
from lpa3bench.boards import results
from lpa3bench.cli import main
from lpa3bench.records import Record, read_record
from lpa3bench.records import searches as search

NONE = [small_record(bits(5 + seed), seed=seed, identity="0000000a") for seed in range(3)]
LPA3_RUNS = [small_record(bits(8), seed=seed, slots=LPA3, identity="0000000b") for seed in range(3)]
PAGES = {"README.md", "board.csv", "board.tex", "board.json", "index.html"}


def call(*words: str | Path) -> Result:
    return CliRunner().invoke(main, ["leaderboard", *map(str, words)])


def pages(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_build_takes_records_and_writes_pages(tmp_path: Path) -> None:
    board = board_folder(tmp_path / "mine")
    limited = small_record(bits(5), seed=7, identity="0000000a", limit=9)
    foreign = small_record(bits(5), dataset="Other")
    runs = write(tmp_path / "runs", *NONE, *LPA3_RUNS, limited, foreign, runs=True)
    done = call("build", board, "--from", runs)
    assert done.exit_code == 4  # one that belongs here was refused
    assert {Path(line).name for line in done.stdout.splitlines()} == PAGES
    assert f"refused {runs / str(limited) / 'result.json'}: not a result" in done.stderr
    assert "6 records taken, 1 refused" in done.stderr
    assert "left out other-supervised-" in done.stderr
    assert len([*(board / "results").iterdir()]) == 6
    assert json.loads((board / "board.json").read_text())["cells"][1]["n"] == 3
    (runs / str(limited) / "result.json").unlink()
    again = call("build", board, "--from", runs)
    assert again.exit_code == 4, "one is left out"
    assert "0 records taken, 0 refused, 6 were there already, 1 left out" in again.stderr
    (runs / str(foreign) / "result.json").unlink()
    assert call("build", board, "--from", runs).exit_code == 0


def test_every_record_is_read_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are offered and those that are there, whether the board.toml is drafted or not."""
    read: list[Path] = []

    def counted(path: Path, current: Callable[[str], str] = str) -> Record:
        read.append(path)
        return read_record(path, current)

    monkeypatch.setattr(results, "read_record", counted)
    monkeypatch.setattr(records, "read_record", counted)
    runs = write(tmp_path / "runs", *NONE, *LPA3_RUNS, runs=True)
    for board in (tmp_path / "drafted", board_folder(tmp_path / "mine")):
        read.clear()
        assert call("build", board, "--from", runs).exit_code == 0
        assert sorted(read) == sorted(runs.glob("*/result.json"))
    read.clear()
    assert call("build", board).exit_code == 0
    assert sorted(read) == sorted((board / "results").glob("*.json"))


def test_build_again_is_the_same_byte_for_byte(tmp_path: Path, cli: Cli) -> None:
    """In another process, from another folder, with another hash seed, locale and time zone."""
    board = board_folder(tmp_path / "mine", *NONE, *LPA3_RUNS)
    assert call("build", board).exit_code == 0
    before = pages(board)
    for path in board.iterdir():
        if path.name in PAGES:
            path.unlink()
    env = {"PYTHONHASHSEED": "7", "LC_ALL": "C", "TZ": "Asia/Tokyo"}
    done = cli("leaderboard", "build", ".", cwd=board, env=env)
    assert done.returncode == 0, done.stderr
    assert pages(board) == before
    assert before.keys() == PAGES | {"board.toml"}


def test_build_makes_a_board_of_whatever_is_there(tmp_path: Path) -> None:
    runs = write(tmp_path / "runs", *NONE, *LPA3_RUNS, runs=True)
    done = call("build", tmp_path / "new", "--from", runs)
    assert done.exit_code == 0
    assert "wrote" in done.stderr
    assert "board.toml, a draft with a place for every record" in done.stderr
    data = json.loads((tmp_path / "new" / "board.json").read_text())
    assert [cell["n"] for cell in data["cells"]] == [3, 3]
    before = pages(tmp_path / "new")
    assert call("build", tmp_path / "new").exit_code == 0
    assert pages(tmp_path / "new") == before


def test_the_trials_behind_a_record_are_told_though_it_came_by_itself_or_before_them(tmp_path: Path) -> None:
    runs = write(tmp_path / "runs", *NONE, *LPA3_RUNS, runs=True)
    board = board_folder(tmp_path / "mine")

    def trials() -> list[int | None]:
        return [cell["trials"] for cell in json.loads((board / "board.json").read_text())["cells"]]

    call("build", board, "--from", runs)
    assert trials() == [None, None]
    search.write_search(
        runs / "search" / "abc.json",
        {
            "cell": "x",
            "trials": 2,
            "ranges": {"LPA3.margin": ["log", 0.1, 1.0]},
            "values": {"LPA3.margin": 0.2},
            "runs": [str(record) for record in LPA3_RUNS],
            "tried": [{}, {}],
        },
    )
    done = call("merge", board, runs / str(LPA3_RUNS[0]))
    assert "1 were there already" in done.stderr
    assert trials() == [None, 2]


def test_where_all_records_are_damaged_each_is_named(tmp_path: Path) -> None:
    runs = write(tmp_path / "runs", *NONE[:2])
    files = sorted(runs.iterdir())
    for file in files:
        file.write_text("{")
    done = call("build", tmp_path / "board", "--from", runs)
    *lines, last = done.stderr.splitlines()
    assert done.exit_code == 4
    assert [line.split(": ")[0] for line in lines] == [f"refused {file}" for file in files]
    assert last == "error: there is no record of a finished run to make a board of"
    assert not (tmp_path / "board").exists()


def test_build_without_a_board_says_what_to_do(tmp_path: Path) -> None:
    done = call("build", tmp_path / "nothing")
    assert done.exit_code == 3
    assert "board.toml: cannot be read" in done.stderr
    assert call("build", tmp_path, "--from", tmp_path / "no-runs").exit_code == 4


def test_fresh_begins_anew(tmp_path: Path) -> None:
    board = board_folder(tmp_path / "mine", *NONE)
    newer = [within(run, "identity", numerics=2) for run in NONE[:2]]
    runs = write(tmp_path / "runs", *newer, runs=True)
    refused = call("build", board, "--from", runs)
    assert "the cell holds another one" in refused.stderr
    assert "0 records taken, 2 refused" in refused.stderr
    assert call("build", board, "--from", runs, "--fresh").exit_code == 0
    assert sorted(path.name for path in (board / "results").iterdir()) == [run.file_name for run in newer]


def test_fresh_removes_nothing_unless_all_that_follows_is_good(tmp_path: Path) -> None:
    board = board_folder(tmp_path / "mine", *NONE)
    assert call("build", board).exit_code == 0
    results = {path.name: path.read_bytes() for path in (board / "results").iterdir()}
    before = pages(board)
    newer = [within(run, "identity", numerics=2) for run in NONE]
    limited = small_record(bits(5), seed=7, identity="0000000f", limit=9)
    (tmp_path / "empty").mkdir()
    damaged = write(tmp_path / "damaged", *newer)
    (damaged / newer[2].file_name).write_text("{")
    refused, nothing = "{} records are refused", "--from has no record for it"
    for places, why in (
        (write(tmp_path / "limited", *newer, limited), refused.format(1)),
        (write(tmp_path / "several", newer[0], NONE[1]), refused.format(2)),
        (damaged, refused.format(1)),
        (write(tmp_path / "other", small_record(bits(5), dataset="Other")), nothing),
        (tmp_path / "empty", nothing),
    ):
        done = call("build", board, "--fresh", "--from", places)
        assert (done.exit_code, done.stdout) == (4, "")
        assert f"{board}: {why}" in done.stderr
        assert "so --fresh removed nothing" in done.stderr
    alone = call("build", board, "--fresh")
    assert alone.exit_code == 2
    assert "say with --from where the new ones are" in alone.stderr
    assert {path.name: path.read_bytes() for path in (board / "results").iterdir()} == results
    assert pages(board) == before


def test_a_damaged_record_or_search_of_the_board_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    board = board_folder(tmp_path / "mine", *NONE)
    assert call("build", board_folder(tmp_path / "two", *NONE[1:])).exit_code == 0
    damaged = board / "results" / NONE[0].file_name
    damaged.write_text("{")
    search_file = board / "results" / "search" / "0.json"
    search_file.parent.mkdir()
    search_file.write_text("[" * 100_000)
    done = call("build", board)
    assert done.exit_code == 4
    assert f"refused {damaged}: is no JSON" in done.stderr
    assert f"refused {search_file}: is no JSON" in done.stderr
    texts = PAGES - {"index.html"}  # which has digests of its parts
    shown = {name: pages(board)[name].replace(b"mine", b"two") for name in texts}
    assert shown == {name: pages(tmp_path / "two")[name] for name in texts}

    search_file.unlink()
    healed = call("merge", board, write(tmp_path / "theirs", NONE[0]))
    assert (healed.exit_code, "refused /" in healed.stderr) == (0, False), "a good copy takes its place"
    assert call("build", board).exit_code == 0


def test_a_damaged_search_beside_the_runs_stops_no_merge(tmp_path: Path) -> None:
    board = board_folder(tmp_path / "mine", *NONE)
    runs = write(tmp_path / "runs", *LPA3_RUNS, runs=True)
    (runs / "search").mkdir()
    (runs / "search" / "0.json").write_text('{"schema_version": 1, "cell": "\\ud800"}')
    done = call("merge", board, runs)
    assert done.exit_code == 4
    assert f"refused {runs / 'search' / '0.json'}: is no JSON" in done.stderr
    assert "3 records taken" in done.stderr


def test_merge_takes_what_fits_and_refuses_the_rest(tmp_path: Path) -> None:
    board = board_folder(tmp_path / "mine", *NONE)
    old = within(LPA3_RUNS[1], "protocol", version=9)
    foreign = small_record(bits(5), dataset="Other")
    theirs = write(tmp_path / "theirs", LPA3_RUNS[0], old, foreign)
    done = call("merge", board, theirs)
    assert done.exit_code == 4
    assert f"refused {theirs / old.file_name}: it was trained and scored by protocol version 9" in done.stderr
    assert f"left out {foreign.name}-{foreign.identity} (seed 0): no column is for it" in done.stderr
    assert "1 record taken" in done.stderr
    assert (board / "results" / LPA3_RUNS[0].file_name).is_file()
    assert len([*(board / "results").iterdir()]) == 4
    again = call("merge", board, theirs / LPA3_RUNS[0].file_name)
    assert again.exit_code == 0
    assert "0 records taken, 0 refused, 1 were there already" in again.stderr


@pytest.mark.parametrize("verb", [("build", "--from"), ("merge",)])
def test_runs_from_elsewhere_are_kept_as_replications(verb: tuple[str, ...], tmp_path: Path) -> None:
    """The README's own commands on another kind of CPU: nothing is refused, nothing is counted twice."""
    board = board_folder(tmp_path / "mine", *NONE)
    there = [
        elsewhere(small_record(bits(6), seed=seed, identity="0000000a"), cpu_capability="AVX512")
        for seed in (0, 1)
    ]
    theirs = write(tmp_path / "theirs", *there, LPA3_RUNS[0])
    done = call(verb[0], board, *verb[1:], theirs)
    assert done.exit_code == 0, done.stderr
    assert "1 record taken, 0 refused, 2 kept as replications\n" in done.stderr
    kept = board / "results" / "replications"
    assert sorted(path.name for path in kept.iterdir()) == sorted(record.replication_name for record in there)
    cell = json.loads((board / "board.json").read_text())["cells"][0]
    assert (cell["n"], cell["scores"]) == (3, [0.5, 0.6, 0.7])
    assert (cell["replications"]["n"], cell["replications"]["largest"]) == (2, pytest.approx(0.1))
    before = pages(board)
    again = call(verb[0], board, *verb[1:], theirs)
    assert "0 records taken, 0 refused, 3 were there already\n" in again.stderr
    assert call("build", board).exit_code == 0
    assert pages(board) == before
    other = elsewhere(small_record(bits(9), identity="0000000a"), cpu_capability="AVX512")
    lie = write(tmp_path / "lie", other) / other.file_name
    refused = call(verb[0], board, *verb[1:], lie)
    assert refused.exit_code == 4
    assert f"refused {lie}: contradicts {kept / there[0].replication_name}: " in refused.stderr
    assert pages(board) == before


def test_merge_into_nothing_is_an_error(tmp_path: Path) -> None:
    assert call("merge", tmp_path, tmp_path).exit_code == 3
    board = board_folder(tmp_path / "mine")
    assert call("merge", board, tmp_path / "no").exit_code == 4


@pytest.mark.parametrize("verb", ["build", "merge", "publish"])
def test_help_of_each_verb(verb: str) -> None:
    done = call(verb, "--help")
    assert done.exit_code == 0
    assert verb in call("--help").stdout


def test_a_wrong_definition_is_told_in_one_line(tmp_path: Path) -> None:
    board = board_folder(tmp_path / "mine", text=TOML.replace("accuracy.last", "accuracy.lest"))
    done = call("build", board)
    assert done.exit_code == 3
    assert done.stderr == (
        f"error: {board / 'board.toml'}:4: metric: lest is no rule; there are last, mean_last_10, "
        "mean_last_20, median_last_20, val_selected, oracle_best\n"
    )


@pytest.mark.parametrize("verb", ["build", "merge"])
def test_a_name_that_is_nowhere_is_refused_before_anything_is_written(tmp_path: Path, verb: str) -> None:
    text = TOML.replace('match = { "slots.positives" = "LPA3" }', 'match = { "sots.positives" = "LPA3" }')
    board = board_folder(tmp_path / "mine", text=text)
    runs = write(tmp_path / "runs", *NONE, runs=True)
    done = call(verb, board, *(["--from"] if verb == "build" else []), runs)
    assert (done.exit_code, done.stdout) == (3, "")
    assert (
        f"{board / 'board.toml'}:21: there is no sots.positives; did you mean slots.positives?" in done.stderr
    )
    assert [path.name for path in board.iterdir() if path.is_file()] == ["board.toml"]
