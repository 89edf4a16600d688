"""`lpa3bench suite`: the plan, what is printed, and how it ends; nothing is trained."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from support import config_plugins
from support.config_plugins import WHOLE, ToyData
from support.fake_engine import Faked
from support.small_records import finish

from lpa3bench.api import Split
from lpa3bench.cli import main
from lpa3bench.cli import suite as suites
from lpa3bench.runtime import device, shared_locks
from lpa3bench.suites import run_queue, slurm_engine
from lpa3bench.suites.engine import EndedRun
from lpa3bench.training.run_directory import RunDirectory

SUITE = 'suite.cells = ["a.gin", "a.gin none.gin"]\nsuite.seeds = (1, 2)\nsuite.threads = 3\n'
SEARCH = (
    'suite.search = {"trials": 2, "ranges": {"ToyAttack.margin": ("log", 0.1, 1)}, "seeds": (7,), '
    '"holdout": 2}\n'
)
SPLIT = Split(torch.zeros(4, 3, 8, 8, dtype=torch.uint8), torch.zeros(4, dtype=torch.int64))


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(ToyData, "load", lambda self, root, **_: {"train": SPLIT, "test": SPLIT})
    Path("a.gin").write_text(WHOLE)
    Path("none.gin").write_text("run.positives = None")
    Path("s.gin").write_text(SUITE)
    return tmp_path


def suite(*arguments: str) -> Result:
    """In this process, with toy plugins, so that nothing can be trained."""
    words = ["suite", *arguments, "--plugin", config_plugins.__file__, "--no-forecast"]
    return CliRunner().invoke(main, words, catch_exceptions=False)


def plan(*arguments: str) -> dict[str, Any]:
    done = suite("s.gin", "--dry-run", "--json", *arguments)
    assert (done.exit_code, done.stderr) == (0, "")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_a_dry_run_prints_the_plan_and_writes_nothing(folder: Path) -> None:
    found = plan()
    assert found["counts"] == {"done": 0, "resumable": 0, "to do": 4}
    assert [cell["cell"] for cell in found["cells"]] == ["a.gin", "a.gin none.gin"]
    assert [run["seed"] for run in found["cells"][0]["runs"]] == [1, 2]
    assert found["seconds"] is None
    text = suite("s.gin", "--dry-run").stdout
    assert "runs       4: 2 cells × 2 seeds\n" in text
    assert "     0      0      2        –  a.gin none.gin" in text
    assert {path.name for path in folder.iterdir()} == {"a.gin", "none.gin", "s.gin"}


def test_what_is_done_and_begun_is_counted_and_forecast_from(folder: Path) -> None:
    done, begun, *_ = [Path(run["folder"]) for cell in plan()["cells"] for run in cell["runs"]]
    finish(done, seconds=35.0)
    begun.mkdir()
    (begun / "checkpoint-00001.pt").write_text("")
    (begun / "metrics.jsonl").write_text('{"epoch": 0, "test/accuracy": 0.5}\n')
    found = plan("--workers", "2")
    assert found["counts"] == {"done": 1, "resumable": 1, "to do": 2}
    assert [cell["seconds"] for cell in found["cells"]] == [40.0, 40.0], "the start of a process is counted"
    assert found["seconds"] == pytest.approx(40 * (2 / 3 + 2))
    assert found["workers"] == 2
    assert "cells measured: 1, guessed from others: 1" in suite("s.gin", "--dry-run").stdout


def test_some_of_the_runs(folder: Path) -> None:
    assert [cell["cell"] for cell in plan("--only", "*none*")["cells"]] == ["a.gin none.gin"]
    assert plan("--only", "*-s2")["counts"]["to do"] == 2
    assert [cell["cell"] for cell in plan("--only", "A.GIN NONE*")["cells"]] == ["a.gin none.gin"]
    assert (
        plan("--only", "*TOYTASK*-S2")["counts"]["to do"] == plan("--only", "*toytask*-s2")["counts"]["to do"]
    )
    none = suite("s.gin", "--dry-run", "--only", "b*")
    assert none.exit_code == 2
    assert none.stderr.startswith(
        "error: --only b*: fits no cell and no run of s.gin; `--dry-run` without it"
    )


def test_a_grid_and_seeds_of_the_command_line(folder: Path) -> None:
    found = plan("--grid", "run.view=none,ToyJitter", "--seeds", "5-6")
    assert [cell["cell"] for cell in found["cells"]] == [
        f"a.gin{overlay} -p 'run.view = {view}'"
        for overlay in ("", " none.gin")
        for view in ("None", "@augmenters.ToyJitter()")
    ]
    assert [run["seed"] for run in found["cells"][0]["runs"]] == [5, 6]
    listed = suite("a.gin", "--seeds", "0", "--grid", "setting=low,high", "--list-commands").stdout
    taken = [shlex.split(line) for line in listed.splitlines()]
    assert [words[words.index("--setting") + 1] for words in taken] == ["low", "high"]
    idle = suite("a.gin", "--seeds", "0", "--grid", "ToyStrong.none=1", "--dry-run")
    assert idle.exit_code == 3
    without = suite("a.gin", "--dry-run")
    assert without.exit_code == 3
    assert "--seeds makes a suite of it" in without.stderr


def test_commands_for_another_scheduler(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else on stdout; each line is what a shell takes, and means the same everywhere."""
    monkeypatch.setenv("PYTHONPATH", f"mine{os.pathsep}/theirs")
    done = suite("s.gin", "--list-commands", "--device", "cpu", "--data", "my data")
    lines = done.stdout.splitlines()
    assert len(lines) == 4
    change, here, and_then, *words = shlex.split(lines[2])
    assert (change, here, and_then) == ("cd", str(folder), "&&")
    assert words[:2] == ["OMP_NUM_THREADS=3", f"PYTHONPATH={folder}/mine:/theirs"]
    assert words[2:6] == [sys.executable, "-m", "lpa3bench", "run"]
    assert words[6:] == [
        f"{folder}/a.gin", f"{folder}/none.gin", "--seed", "1", "--device", "cpu", "--data",
        f"{folder}/my data", "--plugin", config_plugins.__file__, "--out", f"{folder}/runs",
    ]  # fmt: skip
    first = Path(plan()["cells"][0]["runs"][0]["folder"])
    finish(first)
    left = suite("s.gin", "--list-commands", "--device", "cpu", "--data", "my data").stdout
    assert left.splitlines() == lines[1:]


def test_a_search_comes_before_what_it_chooses(folder: Path) -> None:
    Path("s.gin").write_text(SUITE + SEARCH)
    found = plan()
    assert found["counts"] == {"done": 0, "resumable": 0, "to do": 2 + 2 + 2}
    searched = found["cells"][0]
    assert (searched["runs"], len(searched["trials"])) == ([], 2)
    listed = suite("s.gin", "--list-commands")
    assert len(listed.stdout.splitlines()) == 2 + 2
    assert listed.stderr.startswith("a.gin: trials only; ")
    assert listed.exit_code == 0
    some = suite("s.gin", "--list-commands", "--only", "*-s1")
    assert (len(some.stdout.splitlines()), some.exit_code) == (1, 6), "what was asked for is not all listed"
    assert some.stderr.startswith("error: a.gin: its search is not over; ")
    for place, trial in enumerate(searched["trials"]):
        finish(Path(trial["folder"]), val=[0.5 + place / 10])
    chosen = plan()["cells"][0]
    assert [run["seed"] for run in chosen["runs"]] == [1, 2]
    some = plan("--only", "*-s1")
    assert [[run["seed"] for run in cell["runs"]] for cell in some["cells"]] == [[1], [1]]
    assert not [*Path("runs/search").glob("*.json")], "a dry run writes nothing"
    assert len(suite("s.gin", "--list-commands").stdout.splitlines()) == 2 + 2
    (written,) = Path("runs/search").glob("*.json")
    assert json.loads(written.read_text())["chosen"] == 1


def test_a_suite_ends_with_a_table_by_cell_and_a_board(folder: Path) -> None:
    """A board.toml that is there is used; so are the runs of an earlier suite that the board has."""
    for cell, slots in zip(plan()["cells"], ({"positives": "LPA3"}, {}), strict=True):
        for one in cell["runs"]:
            finish(Path(one["folder"]), seconds=one["seed"] + 1.0, seed=one["seed"], slots=slots)
    done = suite("s.gin", "--board", "page")
    assert done.exit_code == 0, done.stderr
    head, first, second, _, board, last = done.stdout.splitlines()[-6:]
    assert head.split() == ["cell", "accuracy,", "last", "epoch,", "%", "n", "time", "a", "run"]
    assert first.split() == ["a.gin", "50.00", "±", "0.00", "2", "2.40", "s"]
    assert second.startswith("a.gin none.gin  ")
    assert (board, last) == ("board: page/index.html", "4 of 4 runs are done")
    assert "4 records taken, 0 refused\n2 of 2 cells are measured\n" in done.stderr
    toml = Path("page/board.toml")
    toml.write_text(toml.read_text().replace('title = "page"', 'title = "Mine"'))
    found = suite("s.gin", "--board", "page", "--json")
    told = json.loads(found.stdout)
    assert told["board"]["known"] == 4
    assert [(cell["cell"], cell["n"], cell["seconds"]) for cell in told["cells"]] == [
        ("a.gin", 2, 2.4), ("a.gin none.gin", 2, 2.4),
    ]  # fmt: skip
    assert "Mine" in Path("page/README.md").read_text()
    first_row = toml.read_text().split("[[rows]]")
    toml.write_text("[[rows]]".join(first_row[:2]))
    shutil.rmtree("page/results")
    assert suite("s.gin", "--board", "page").exit_code == 4, "two runs have no row there"


def test_a_suite_without_a_finished_run_has_no_table_and_no_board(folder: Path) -> None:
    Path("s.gin").write_text("suite.cells = ['fashion_fixmatch']\nsuite.seeds = (1, 2)")
    done = suite("s.gin", "--data", ".", "--board", "page")
    assert done.exit_code == 6
    assert "time a run" not in done.stdout
    assert not Path("page").exists()


def test_a_board_that_cannot_be_is_refused_before_the_runs(folder: Path) -> None:
    Path("page").mkdir()
    Path("page/board.toml").write_text("title = 1")
    refused = suite("s.gin", "--board", "page")
    assert refused.exit_code == 3
    assert "page/board.toml" in refused.stderr
    assert suite("s.gin", "--board", "s.gin/page").exit_code == 2
    assert not Path("runs").exists()


def test_what_is_missing_is_told_once_and_no_forecast_says_that_all_is_done(folder: Path) -> None:
    cells = ["fashion_fixmatch", "fashion_fixmatch augmenters/lpa3", "a.gin"]
    Path("s.gin").write_text(f"suite.cells = {cells}\nsuite.seeds = (1, 2)")
    done = suite("s.gin", "--data", ".", "--dry-run", "--only", "fashion*")
    assert done.stdout.count("FashionMNIST/raw") == 1
    assert "cannot run 4 runs of 2 cells, see below\n" in done.stdout
    assert "forecast   nothing that can run is left to do\n" in done.stdout
    assert "cannot run: 2 cells, fashion_fixmatch the first: FashionMNIST: " in done.stdout
    assert suite("s.gin", "--data", ".", "--only", "fashion*").stdout.count("not run  2 cells, ") == 1


def test_data_that_are_missing_are_told_whichever_runs_are_asked_for(folder: Path) -> None:
    Path("s.gin").write_text("suite.cells = ['fashion_fixmatch', 'a.gin']\nsuite.seeds = (1, 2)")
    for words in (("--list-commands",), (), ("--json",)):
        done = suite("s.gin", "--data", ".", "--only", "fashion*-s2", *words)
        assert done.exit_code == 6, done.output
        assert "FashionMNIST" in done.output
        assert "a.gin" not in done.output


@pytest.mark.parametrize(
    ("lines", "code", "says"),
    [
        ("suite.cells = ['b.gin']\nsuite.seeds = (1,)", 3, "error: s.gin:1: b.gin: b.gin: there is no such"),
        ("suite.cells = ['a.gin']", 3, "error: s.gin:1: suite.seeds is missing"),
        (WHOLE, 3, "error: s.gin:1: no suite, for suite.cells is missing; `lpa3bench run s.gin`"),
        (
            SUITE + SEARCH.replace('"holdout": 2', '"holdout": 0'),
            3,
            "error: s.gin:4: suite.search: toy has no",
        ),
    ],
)
def test_a_suite_that_is_wrong_runs_nothing(folder: Path, lines: str, code: int, says: str) -> None:
    Path("s.gin").write_text(lines)
    done = suite("s.gin")
    assert done.exit_code == code
    assert done.stderr.startswith(says)
    assert done.stdout == ""
    assert not Path("runs").exists()


def test_a_suite_of_which_others_hold_the_rest_ends_in_75(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is wrong, and the same command later does them; where something is, it is said first."""
    monkeypatch.setattr(run_queue, "HELD_SECONDS", 0.1)
    with ExitStack() as held:
        for cell in plan()["cells"]:
            for one in cell["runs"]:
                held.enter_context(RunDirectory(Path(one["folder"])).locked())
        done = suite("s.gin", "--json")
        assert done.exit_code == 75
        found = json.loads(done.stdout)["runs"]
        assert [(one["status"], one["kind"], one["exit_code"]) for one in found] == [
            ("in use", "in_use", 75)
        ] * 4
        assert "another process is working on this run" in suite("s.gin", "--only", "a.gin").stdout
        Path("s.gin").write_text(SUITE.replace('"a.gin none.gin"', '"fashion_fixmatch"'))
        assert suite("s.gin", "--data", ".").exit_code == 6, "data are missing too"
    Path("s.gin").write_text(SUITE)
    for cell in plan()["cells"]:
        for one in cell["runs"]:
            finish(Path(one["folder"]))
    assert suite("s.gin").exit_code == 0


@pytest.mark.parametrize(
    ("ends", "code"),
    [
        ([EndedRun("", 75, "Ray gave up: its machine died", "lost")], 75),
        ([EndedRun("", 1, "the loss is NaN", "diverged")], 6),
    ],
)
def test_where_all_that_failed_may_go_well_another_time_it_ends_in_75(
    folder: Path, monkeypatch: pytest.MonkeyPatch, ends: list[EndedRun], code: int
) -> None:
    lost = plan()["cells"][0]["runs"][0]["name"]
    monkeypatch.setattr(suites, "_opened", lambda *_: closing(Faked(Path("runs"), {lost: ends})))
    done = suite("s.gin", "--json")
    assert done.exit_code == code, done.stderr
    statuses = {one["name"]: one["status"] for one in json.loads(done.stdout)["runs"]}
    assert [name for name, status in statuses.items() if status == "failed"] == [lost]


def test_no_engine_is_started_where_nothing_is_to_do(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To start Ray takes seconds and half a gigabyte."""
    for cell in plan()["cells"]:
        for one in cell["runs"]:
            finish(Path(one["folder"]))
    monkeypatch.setattr(suites, "_opened", lambda *_: pytest.fail("started"))
    done = suite("s.gin", "--engine", "ray")
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "4 of 4 runs are done")
    assert plan("--engine", "ray")["workers"] == 0


def test_the_data_folder_is_named_where_the_environment_chose_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LPA3BENCH_DATA", "chosen")
    (line, *_) = suite("s.gin", "--list-commands").stdout.splitlines()
    assert line.endswith(f"--out {folder}/runs --data {folder}/chosen")


def test_what_slurm_is_asked_for(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def connect(options: Any, **others: Any) -> Any:
        asked.append((options, others))
        return Faked(Path("runs"))

    monkeypatch.setattr(slurm_engine, "connect_slurm", connect)
    words = ("--engine", "slurm", "--sbatch", "time=1-12", "--sbatch", "--comment=a=b", "--workers", "7")
    done = suite("s.gin", "--only", "*none*", *words)
    assert (done.exit_code, done.stdout.splitlines()[-1]) == (0, "2 of 2 runs are done")
    assert asked == [({"time": "1-12", "comment": "a=b"}, {"out": Path("runs"), "workers": 7, "threads": 3})]


def test_locks_that_do_not_hold_between_machines_are_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slurm_engine, "connect_slurm", lambda *_, **__: Faked(Path("runs")))
    monkeypatch.setattr(shared_locks, "why_locks_are_local", lambda _: "/x is mounted with nolock")
    done = suite("s.gin", "--engine", "slurm", "--dry-run")
    assert done.stderr == "note: /x is mounted with nolock; let one suite at a time work in runs\n"
    assert suite("s.gin", "--dry-run").stderr == ""


def test_options_that_do_not_go_together(folder: Path) -> None:
    done = suite("s.gin", "--sbatch", "time=4:00:00")
    assert (done.exit_code, done.stderr) == (2, "error: --sbatch: is Slurm's; add --engine slurm\n")
    done = suite("s.gin", "--address", "auto")
    assert (done.exit_code, done.stderr) == (2, "error: --address: is Ray's; add --engine ray\n")


def test_gpus_are_named_as_the_environment_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that shares its GPUs out by that variable, a suite keeps to its own."""
    assert device.gpus("cpu") == []
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.delenv(device.VISIBLE, raising=False)
    assert device.gpus("auto") == ["0", "1"]
    monkeypatch.setenv(device.VISIBLE, "3, GPU-5")
    assert device.gpus("auto") == ["3", "GPU-5"]
