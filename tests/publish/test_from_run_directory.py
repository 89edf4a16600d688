"""What W&B is to hold of a run directory, read without the SDK."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from support.small_records import changed, elsewhere, within
from support.wandb_runs import CELL, draw, made_run

from lpa3bench.errors import RunFailed
from lpa3bench.publish.from_run_directory import read_run
from lpa3bench.records import read_record, write_record
from lpa3bench.records.record_files import parse_record
from lpa3bench.training.run_directory import RunDirectory


def test_a_finished_run(tmp_path: Path) -> None:
    folder = made_run(tmp_path)
    content = read_run(folder)
    record = json.loads((folder / "result.json").read_text())
    assert folder.name == f"{CELL}-{content.id}", "the id is what defines the run, and the seed"
    assert content.group == folder.name.removesuffix("-s3"), "seeds of a cell stand together"
    assert content.job_type == "train"
    assert content.tags == ("Supervised", "Digits", "LPA3", "protocol-1")
    assert content.config["positives/LPA3"] == {"margin": 0.02, "select": "batch", "step_size": None}
    assert content.config["Supervised"] == {"milestones": [0.5, 0.75]}
    assert content.config["run"]["task"] == "@tasks.Supervised()"
    assert content.config["seed"] == 3
    written = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [{n.removeprefix("train/"): value for n, value in row.items()} for row in content.rows] == written
    assert {*content.rows[0]} == {"epoch", "step", "passes", "test/accuracy", "train/loss"}, "in sections"
    assert content.summary["metrics/accuracy.last"] == record["metrics"]["accuracy"]["scores"]["last"] == 0.9
    assert content.summary["metrics/accuracy.val_selected"] is None
    assert content.artifact is not None
    assert {*content.artifact.texts} == {
        "result.json",
        "config.gin",
        "operative.gin",
        "env.json",
        "metrics.jsonl",
    }
    assert {*content.artifact.files} == {"images/positives.png"}
    assert content.artifact.texts["metrics.jsonl"] == (folder / "metrics.jsonl").read_text()
    assert json.loads(content.artifact.texts["result.json"]) == record
    gaps = [late - early for early, late in zip(content.times, content.times[1:], strict=False)]
    assert gaps == pytest.approx([2 / 3, 2 / 3], abs=2e-3), "seconds of training lie between two epochs"
    assert content.seconds == tuple(round(row["seconds"], 3) for row in record["curve"])
    assert content.images["images/positives"].caption == "as it was drawn"
    assert [*content.tables] == ["test/per_class"]
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
    began["provenance"] = {"command": command}
    folder = folder.rename(tmp_path / str(record))
    RunDirectory(folder).write_beginning(record.data.identity, began["seed"], began["provenance"])
    content = read_run(folder)
    told = json.dumps(asdict(content))
    assert not [word for word in ("somebody", "some body", "/home", "Users") if word in told]
    assert content.config["Images"] == {"path": "pictures.npz", "other": "y"}
    assert content.artifact is not None
    assert "https://arxiv.org/abs/2206.00129" in content.artifact.texts["config.gin"]
    assert content.config["positives/LPA3"] == before.config["positives/LPA3"]
    assert content.rows == before.rows
    assert content.id == f"{record.identity}-s{record.seed}"
    kept = parse_record(content.artifact.texts["result.json"].encode())
    assert (kept.provenance.command[1], kept.cell.identity) == ("own.gin", record.identity)


def test_a_run_under_way(tmp_path: Path) -> None:
    content = read_run(made_run(tmp_path, finished=False))
    assert [row["epoch"] for row in content.rows] == [0], "a line is torn, the one before may be given up"
    assert len(content.times) == len(content.seconds) == 1
    assert content.artifact is None
    assert content.summary == {"status": "unfinished"}
    finished = read_run(made_run(tmp_path / "other"))
    assert (content.id, content.group, content.config) == (finished.id, finished.group, finished.config)
    assert content.rows_digest(1) == finished.rows_digest(1)
    (tmp_path / content.name).mkdir()
    with pytest.raises(RunFailed, match=r"is no run directory: there is no env\.json"):
        read_run(tmp_path / content.name)


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
        "import sys, lpa3bench.publish.upload, lpa3bench.publish.following, lpa3bench.publish.run_images\n"
        "assert not {'torch', 'wandb'} & {*sys.modules}"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
