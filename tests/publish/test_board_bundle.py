"""A board as one file: it holds all that rebuilds it, and a check finds what does not agree."""

from __future__ import annotations

import json
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from support.small_trained import SUPERVISED, train

import lpa3bench
from lpa3bench.cli import main
from lpa3bench.errors import DataError
from lpa3bench.publish import bundle_check
from lpa3bench.publish.board_bundle import board_folder, write_bundle
from lpa3bench.publish.bundle_check import check_bundle
from lpa3bench.runtime.paths import shipped
from lpa3bench.runtime.sealed_files import seal
from lpa3bench_plugins.metrics.accuracy import Accuracy
from lpa3bench_plugins.metrics.brier import Brier

PLUGIN = """
import torch
from lpa3bench import Augmenter, View, hookimpl

class Mirror(Augmenter):
    def generate(self, x, ctx):
        return View(x.flip(3), torch.arange(len(x)))

@hookimpl
def register_augmenters(register):
    register("Mirror", Mirror)
"""


@pytest.fixture(scope="module")
def board(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A board of two runs, one of them with a plugin file."""
    home = tmp_path_factory.mktemp("bundles")
    train(home, SUPERVISED)
    (home / "mirror.py").write_text(PLUGIN)
    lpa3bench.run(
        home / "test.gin",
        params={"run.view": "@augmenters.Mirror()", "run.metrics": [Accuracy, Brier]},
        seed=3,
        data=home,
        out=home / "runs",
        plugins=[home / "mirror.py"],
        progress=False,
    )
    done = CliRunner().invoke(
        main, ["leaderboard", "build", str(home / "small"), "--from", str(home / "runs")]
    )
    assert done.exit_code == 0, done.output
    return home / "small"


@pytest.fixture
def bundle(board: Path, tmp_path: Path) -> Path:
    return write_bundle(board, tmp_path / "small.zip").path


def changed(bundle: Path, change: Callable[[dict[str, bytes]], None]) -> Path:
    """The bundle with other members, sealed anew as a person would who means to."""
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    other = bundle.with_name("changed.zip")
    with zipfile.ZipFile(other, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    seal(other)
    return other


def test_it_holds_all_that_rebuilds_the_board(board: Path, bundle: Path) -> None:
    with zipfile.ZipFile(bundle) as archive:
        names = archive.namelist()
        manifest = json.loads(archive.read("bundle.json"))
        config = next(n for n in names if n.startswith("configs/") and "mirror" in n)
        text = archive.read(config).decode()
    assert {
        "leaderboards/small/board.toml",
        "leaderboards/small/README.md",
        "leaderboards/published.toml",
    } <= {*names}
    assert len([name for name in names if name.startswith("leaderboards/small/results/synthetic")]) == 2
    assert any(name.endswith("-mirror/mirror.py") for name in names)
    assert "run.metrics = [@metrics.Accuracy(), @metrics.Brier()]" in text
    assert (manifest["board"], manifest["records"]) == ("small", 2)
    assert len(manifest["versions"]["torch"]) == 1
    assert [Path(place).name for place in manifest["plugins"]["Mirror"]] == ["mirror.py"]


def test_the_same_board_makes_the_same_bytes(board: Path, bundle: Path, tmp_path: Path) -> None:
    moved = tmp_path / "elsewhere" / "small"
    shutil.copytree(board, moved)
    assert write_bundle(moved, tmp_path / "again.zip").path.read_bytes() == bundle.read_bytes()


def test_it_is_rebuilt_and_a_run_comes_out_again(bundle: Path, tmp_path: Path) -> None:
    call = ["bundle", "check", str(bundle), "--rerun", "2", "--data", str(tmp_path), "--device", "cpu"]
    done = CliRunner().invoke(main, call)
    assert done.exit_code == 2, "one of them runs code that the bundle brings"
    assert "1 of its runs use no plugin files; --run-plugins runs the others too" in done.stderr
    done = CliRunner().invoke(main, [*call, "--run-plugins"])
    assert done.exit_code == 0, done.output
    lines = done.stdout.splitlines()
    assert lines[:2] == ["small: 2 records verified", "every page is what the records build"]
    assert [line.rpartition(": ")[2] for line in lines[2:]] == ["the same bits", "the same bits"]


def test_a_page_that_its_records_do_not_build_is_named(bundle: Path, tmp_path: Path) -> None:
    def edit(members: dict[str, bytes]) -> None:
        members["leaderboards/small/board.csv"] += b"one more\n"

    done = CliRunner().invoke(main, ["bundle", "check", str(changed(bundle, edit)), "--json"])
    assert done.exit_code == 1
    told = json.loads(done.stdout)
    assert (told["pages"], told["agrees"], told["configs"]) == (["board.csv"], False, [])
    assert told["untrusted"] == 1


def test_another_experiment_here_is_told(bundle: Path, tmp_path: Path) -> None:
    def edit(members: dict[str, bytes]) -> None:
        name = next(name for name in members if name.startswith("configs/") and "mirror" not in name)
        members[name] = members[name].replace(b"run.epochs = 2", b"run.epochs = 3")

    found = check_bundle(changed(bundle, edit), data=tmp_path)
    assert found.agrees
    assert [told.partition(": ")[2] for told in found.configs] == ["run.epochs: 2 → 3"]


def test_what_is_damaged_or_no_bundle_is_refused(bundle: Path, tmp_path: Path) -> None:
    content = bytearray(bundle.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "damaged.zip").write_bytes(content)
    with pytest.raises(DataError, match=r"damaged\.zip: damaged"):
        check_bundle(tmp_path / "damaged.zip", data=tmp_path)
    with pytest.raises(DataError, match="no such file"):
        check_bundle(tmp_path / "nothing.zip", data=tmp_path)
    with pytest.raises(DataError, match="is no bundle"):
        check_bundle(changed(bundle, lambda members: members.pop("bundle.json") and None), data=tmp_path)


@pytest.mark.parametrize("name", ["..", "", "a\0b", "x" * 5000, "other"])
def test_a_board_that_is_not_in_it(bundle: Path, tmp_path: Path, name: str) -> None:
    def edit(members: dict[str, bytes]) -> None:
        members["bundle.json"] = json.dumps({**json.loads(members["bundle.json"]), "board": name}).encode()

    with pytest.raises(DataError, match=r"changed\.zip: is no bundle \(it has no board called '"):
        check_bundle(changed(bundle, edit), data=tmp_path)


@pytest.mark.parametrize(
    ("gone", "message"),
    [
        ("/results/synthetic", r"damaged \(it says 2 records, and holds 1\)"),
        ("configs/", r"damaged \(configs/\S+\.gin is missing\)"),
    ],
)
def test_what_is_missing_is_told(bundle: Path, tmp_path: Path, gone: str, message: str) -> None:
    def edit(members: dict[str, bytes]) -> None:
        members.pop(next(name for name in members if gone in name))

    with pytest.raises(DataError, match=rf"changed\.zip: {message}$"):
        check_bundle(changed(bundle, edit), data=tmp_path)


def test_a_page_of_other_bytes_is_named(bundle: Path, tmp_path: Path) -> None:
    def edit(members: dict[str, bytes]) -> None:
        members["leaderboards/small/README.md"] = b"\xff"
        members["leaderboards/small/board.csv"] += b"\r\n"

    assert {*check_bundle(changed(bundle, edit), data=tmp_path).pages} == {"README.md", "board.csv"}


def test_too_many_files_are_not_unpacked(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle_check, "MOST_FILES", 3)
    with pytest.raises(DataError, match="holds more than 3 files"):
        check_bundle(bundle, data=tmp_path)


def test_an_edited_record_is_refused(bundle: Path, tmp_path: Path) -> None:
    def edit(members: dict[str, bytes]) -> None:
        name = next(name for name in members if "/results/synthetic" in name)
        members[name] = members[name].replace(b'"seed": 3', b'"seed": 4')

    with pytest.raises(DataError, match=r"changed\.zip: leaderboards/small/results/.* edited or damaged"):
        check_bundle(changed(bundle, edit), data=tmp_path)


def test_a_board_is_a_folder_or_one_that_is_shipped(board: Path, tmp_path: Path) -> None:
    assert board_folder(str(board)) == board
    assert board_folder("digits") == board_folder("shipped:digits") == shipped("leaderboards") / "digits"
    with pytest.raises(DataError, match=r"no such folder, nor a shipped board; these are cost, digits"):
        board_folder("digit")
    with pytest.raises(DataError, match="has no records to bundle"):
        write_bundle(shipped("leaderboards") / "table1", tmp_path / "out.zip")
