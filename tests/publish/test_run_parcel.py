"""What W&B is to hold of a run directory, read without the SDK."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from support.small_records import changed, elsewhere, within
from support.wandb_runs import CELL, draw, made_run

from lpa3bench.errors import DataError, RunFailed
from lpa3bench.publish.board_parcel import TEXT, read_board
from lpa3bench.publish.run_parcel import read_run
from lpa3bench.records import read_record, write_record
from lpa3bench.records.record_files import parse_record


def test_a_finished_run(tmp_path: Path) -> None:
    folder = made_run(tmp_path)
    parcel = read_run(folder)
    record = json.loads((folder / "result.json").read_text())
    assert folder.name == f"{CELL}-{parcel.id}", "the id is what defines the run, and the seed"
    assert parcel.group == folder.name.removesuffix("-s3"), "seeds of a cell stand together"
    assert parcel.job_type == "train"
    assert parcel.tags == ("Supervised", "Digits", "LPA3", "protocol-1")
    assert parcel.config["positives/LPA3"] == {"margin": 0.02, "select": "batch", "step_size": None}
    assert parcel.config["Supervised"] == {"milestones": [0.5, 0.75]}
    assert parcel.config["run"]["task"] == "@tasks.Supervised()"
    assert parcel.config["seed"] == 3
    written = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [*parcel.rows] == written
    assert parcel.summary["metrics/accuracy.last"] == record["metrics"]["accuracy"]["scores"]["last"] == 0.9
    assert parcel.summary["metrics/accuracy.val_selected"] is None
    assert parcel.artifact is not None
    assert {*parcel.artifact.texts} == {"result.json", "config.gin", "operative.gin", "env.json"}
    assert {*parcel.artifact.files} == {"metrics.jsonl", "images/positives.png"}
    assert json.loads(parcel.artifact.texts["result.json"]) == record
    gaps = [late - early for early, late in zip(parcel.times, parcel.times[1:], strict=False)]
    assert gaps == pytest.approx([2 / 3, 2 / 3], abs=2e-3), "seconds of training lie between two epochs"
    assert [*parcel.images] == ["images/positives"]
    assert read_run(folder, images=False).images == {}


@pytest.mark.parametrize("root", ["/home/somebody", "/Users/some body", "C:\\Users\\somebody"])
def test_nothing_tells_of_the_folders_of_who_ran_it(tmp_path: Path, root: str) -> None:
    folder = made_run(tmp_path)
    before = read_run(folder)
    bindings = [f"datasets.Images.path = {root + '/x/pictures.npz'!r}", f"datasets.Images.other = '{root}/y'"]
    for name in ("operative.gin", "config.gin"):
        with (folder / name).open("a") as file:
            file.write("# as https://arxiv.org/abs/2206.00129 says; don't\n" + "\n".join(bindings) + "\n")
    if " " not in root:  # nobody can tell where a path ends that holds a blank
        (folder / "config.gin").write_text(f"# {root}/x/own.gin\n" + (folder / "config.gin").read_text())
    command = ("run", f"{root}/x/own.gin", f"--data={root}/data", "--out", f"{root}/r")
    path = {"Images.path": repr(f"{root}/x/pictures.npz")}
    record = elsewhere(read_record(folder / "result.json"), command=command)
    record = within(changed(record, config={**record.config, **path}), "identity", config=path)
    write_record(folder / "result.json", record.data)
    began = json.loads((folder / "env.json").read_text())
    began["identity"]["config"] = path
    began["provenance"] = {"command": command}
    (folder / "env.json").write_text(json.dumps(began))
    parcel = read_run(folder)
    told = json.dumps(asdict(parcel))
    assert not [word for word in ("somebody", "some body", "/home", "Users") if word in told]
    assert parcel.config["Images"] == {"path": "pictures.npz", "other": "y"}
    assert parcel.artifact is not None
    assert "https://arxiv.org/abs/2206.00129" in parcel.artifact.texts["config.gin"]
    assert parcel.config["positives/LPA3"] == before.config["positives/LPA3"]
    assert parcel.rows == before.rows
    assert parcel.id == f"{record.identity}-s{record.seed}"
    kept = parse_record(parcel.artifact.texts["result.json"].encode())
    assert (kept.provenance.command[1], kept.cell.identity) == ("own.gin", record.identity)


def test_a_run_under_way(tmp_path: Path) -> None:
    parcel = read_run(made_run(tmp_path, finished=False))
    assert [row["epoch"] for row in parcel.rows] == [0], "a line is torn, the one before may be given up"
    assert len(parcel.times) == 1
    assert parcel.artifact is None
    assert parcel.summary == {"status": "unfinished"}
    finished = read_run(made_run(tmp_path / "other"))
    assert (parcel.id, parcel.group, parcel.config) == (finished.id, finished.group, finished.config)
    assert parcel.rows_digest(1) == finished.rows_digest(1)
    (tmp_path / parcel.name).mkdir()
    with pytest.raises(RunFailed, match=r"is no run directory: there is no env\.json"):
        read_run(tmp_path / parcel.name)


def test_the_digest_is_that_of_the_content(tmp_path: Path) -> None:
    folder = made_run(tmp_path)
    before = read_run(folder).digest()
    assert read_run(folder).digest() == before
    draw(folder / "images" / "strong.png")
    with_picture = read_run(folder).digest()
    assert with_picture != before
    (folder / "config.gin").write_text("# other bytes\n")
    assert read_run(folder).digest() != with_picture
    moved = shutil.copytree(folder, tmp_path / "elsewhere" / folder.name)  # keeps the times of files
    assert read_run(moved).digest() == read_run(folder).digest(), "wherever it lies"


def test_reading_needs_no_torch() -> None:
    code = (
        "import sys, lpa3bench.publish.delivery, lpa3bench.publish.following, lpa3bench.publish.run_images\n"
        "assert not {'torch', 'wandb'} & {*sys.modules}"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def board(folder: Path) -> Path:
    folder.mkdir()
    (folder / "board.csv").write_text('row,mean,n\n"RandAugment, twice",0.91,3\nLPA3,,0\n')
    for name in ("README.md", "board.json", "index.html"):
        (folder / name).write_text(name)
    return folder


def test_a_board_keeps_text_that_looks_like_a_number(tmp_path: Path) -> None:
    folder = board(tmp_path / "digits")
    lines = ("identity,seeds,row,p,other", "12345678,0,1e5,0.5,9e999", "9e123456,0,nan,1e-07,inf", ",,,,")
    (folder / "board.csv").write_text("\n".join(lines))
    assert read_board(folder).tables["board"]["data"] == [
        ["12345678", "0", "1e5", 0.5, "9e999"],
        ["9e123456", "0", "nan", 1e-07, "inf"],
        [None, None, None, None, None],
    ]


def test_every_column_of_a_board_is_known_as_text_or_is_of_numbers(tmp_path: Path) -> None:
    """The names are those that boards write."""
    with (Path(__file__).parents[2] / "leaderboards" / "digits" / "board.csv").open(newline="") as file:
        columns = next(csv.reader(file))
    assert {*TEXT} <= {*columns}
    assert not [name for name in {*columns} - {*TEXT} if "name" in name or "note" in name or "source" in name]


def test_a_board(tmp_path: Path) -> None:
    folder = board(tmp_path / "digits")
    parcel = read_board(folder)
    assert parcel.tables["board"] == {
        "columns": ["row", "mean", "n"],
        "data": [["RandAugment, twice", 0.91, 3.0], ["LPA3", None, 0.0]],
    }
    assert (parcel.job_type, parcel.group) == ("leaderboard", "leaderboard-digits")
    assert parcel.artifact is not None
    assert parcel.artifact.type == "leaderboard"
    assert read_board(folder).id == parcel.id
    (folder / "index.html").write_text("other")
    assert read_board(folder).id != parcel.id, "another content is another run"
    (folder / "board.csv").write_text("row,mean\na\n")
    with pytest.raises(DataError, match="rows differ in length"):
        read_board(folder)
    (folder / "board.csv").unlink()
    with pytest.raises(DataError, match=r"holds no board\.csv; `lpa3bench leaderboard build"):
        read_board(folder)
