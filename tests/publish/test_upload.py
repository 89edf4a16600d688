"""What an upload keeps in its state and what it deletes, without the SDK."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from support.wandb_runs import made_run

from lpa3bench.publish import upload as uploading
from lpa3bench.publish.from_run_directory import read_run
from lpa3bench.publish.target import Deadline, Target
from lpa3bench.publish.upload import UploadResult, upload
from lpa3bench.publish.wandb_run import WandbRun

OFFLINE = Target(offline=True)


@pytest.fixture(autouse=True)
def written(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """The folders that a stand-in for the SDK has written offline."""
    monkeypatch.delenv("WANDB_DIR", raising=False)
    folders: list[Path] = []

    def write(content: WandbRun, home: Path, *_: Any) -> dict[str, Any]:
        folders.append(offline_run(home, content.id, f"2025010{len(folders)}_000000"))
        return {"online": False, "folder": str(folders[-1])}

    monkeypatch.setattr(uploading, "_log_by_sdk", write)
    return folders


def offline_run(home: Path, run_id: str, when: str) -> Path:
    folder = home / "wandb" / f"offline-run-{when}-{run_id}"
    folder.mkdir(parents=True)
    (folder / f"run-{run_id}.wandb").write_bytes(bytes(100))
    return folder


def uploaded(folder: Path) -> UploadResult:
    return upload(read_run(folder), folder, OFFLINE, Deadline(10))


def test_an_offline_run_is_replaced_by_a_newer_one(tmp_path: Path, written: list[Path]) -> None:
    folder = made_run(tmp_path)
    first = uploaded(folder)
    assert uploaded(folder) == first
    assert len(written) == 1, "written once"
    (folder / "config.gin").write_text("# other bytes\n")
    assert uploaded(folder).folder == str(written[1])
    assert [path.is_dir() for path in written] == [False, True]


def test_a_copy_of_a_run_leaves_the_original_alone(tmp_path: Path, written: list[Path]) -> None:
    folder = made_run(tmp_path)
    uploaded(folder)
    copy = shutil.copytree(folder, tmp_path / "backup" / folder.name)
    assert str(tmp_path) not in (copy / ".wandb" / "state.json").read_text()
    own = copy / written[0].relative_to(folder)
    assert uploaded(copy).folder == str(own), "the copy has a copy of it"
    (copy / "config.gin").write_text("# other bytes\n")
    uploaded(copy)
    assert written[0].is_dir(), "the original's"
    assert not own.exists()


@pytest.mark.parametrize("where", ["absolute", "outside", "others", "link"])
def test_nothing_but_folders_of_the_run_are_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    """Whatever the file says that lies in the run directory."""
    folder = made_run(tmp_path)
    run_id = read_run(folder).id
    home = folder / ".wandb"
    foreign = offline_run(tmp_path / "elsewhere", run_id, "20250101_000000")
    named = str(foreign)
    if where == "outside":
        named = "../../../elsewhere/wandb/" + foreign.name
    elif where == "others":  # another run's, in a folder that runs share
        monkeypatch.setenv("WANDB_DIR", str(tmp_path / "shared"))
        foreign = offline_run(tmp_path / "shared", "another-s0", "20250101_000000")
        named = foreign.name
    elif where == "link":
        (home / "wandb").mkdir(parents=True)
        (home / "wandb" / foreign.name).symlink_to(foreign)
        named = foreign.name
    home.mkdir(exist_ok=True)
    held = {"offline": {"digest": "x", "folder": named}, "published": {}}
    (home / "state.json").write_text(json.dumps(held))
    assert uploaded(folder).status == "offline"
    assert [file.name for file in foreign.iterdir()] != []


@pytest.mark.parametrize(
    "text",
    [
        '{"offline": {"digest": "x"}, "published": {}}',
        '{"offline": 3, "published": {}}',
        '{"offline": null, "published": {"t": 1}}',
        '{"offline": null, "published": {" /": {"digest": "x"}}}',
        "[]",
        "{",
    ],
)
def test_a_damaged_state_counts_as_none(tmp_path: Path, text: str) -> None:
    folder = made_run(tmp_path)
    (folder / ".wandb").mkdir()
    (folder / ".wandb" / "state.json").write_text(text)
    assert uploaded(folder).status == "offline"
    assert upload(read_run(folder), folder, Target(), Deadline(10)).keyless
