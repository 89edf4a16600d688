"""The directory of one run."""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from support.small_records import bits, finish, small_record

from lpa3bench.errors import DataError, InUse, RunFailed
from lpa3bench.records import write_record
from lpa3bench.records.schema import RunIdentity
from lpa3bench.training.identity import identity_as_json
from lpa3bench.training.run_directory import RunDirectory, found_folder


def test_it_is_made_and_locked(tmp_path: Path) -> None:
    folder = RunDirectory(tmp_path / "runs" / "cell" / "run")
    with folder.locked():
        assert folder.path.is_dir()
        with pytest.raises(InUse, match="run: another process is working on this run"), folder.locked():
            pass
    with pytest.raises(KeyError), folder.locked():
        raise KeyError
    with folder.locked():
        pass


def test_a_place_that_cannot_be_written_to(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    folder = RunDirectory(tmp_path / "runs" / "run")
    with pytest.raises(RunFailed, match="cannot be written to .*; choose another --out"), folder.locked():
        pass


def test_a_run_is_found_by_what_ends_its_name(tmp_path: Path) -> None:
    """Also where its name told the backbone, or did not, and where somebody renamed the rest."""
    name = "digits-pes-smallnet-12345678-s3"
    assert found_folder(tmp_path / "nowhere", name) == tmp_path / "nowhere" / name
    assert found_folder(tmp_path, name) == tmp_path / name
    (tmp_path / "digits-pes-12345678-s3").mkdir()
    assert found_folder(tmp_path, name) == tmp_path / name, "that is no run directory"
    (tmp_path / "digits-pes-12345678-s3" / "env.json").write_text("{}")
    assert found_folder(tmp_path, name) == tmp_path / "digits-pes-12345678-s3"
    assert found_folder(tmp_path, "digits-pes-12345678-s4") == tmp_path / "digits-pes-12345678-s4"
    (tmp_path / name).mkdir()
    assert found_folder(tmp_path, name) == tmp_path / name
    assert found_folder(tmp_path, "mine") == tmp_path / "mine"


def test_what_a_run_wrote_at_its_start_is_read_back(tmp_path: Path) -> None:
    folder = RunDirectory(tmp_path / "run")
    with pytest.raises(RunFailed, match="run: is no run directory: there is no env.json"):
        folder.beginning()
    made = RunIdentity(
        config={"run.epochs": "3"}, data="d", labels=None, limit=4, numerics=1, plugins={"LPA3": "1"}
    )
    folder.path.mkdir()
    folder.write_json(
        folder.env, {"identity": identity_as_json(made), "seed": 3, "provenance": {"device": "cpu"}}
    )
    began = folder.beginning()
    assert (began.identity, began.seed, began.short) == (made, 3, made.short)
    assert began.provenance == {"device": "cpu"}


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{}", '{"identity": {}, "seed": 3, "provenance": {}}', '{"identity": null, "seed": 3}',
     '{"identity": {"engine": "x"}, "seed": 3, "provenance": {}}',
     '{"identity": {"x": ' + "[" * 100_000, '{"identity": {}, "seed": 1e999, "provenance": {}}',
     '{"identity": {}, "seed": 1' + "0" * 400 + ', "provenance": {}}',
     '{"identity": {"config": "\\ud800"}, "seed": 3, "provenance": {}}'],
)  # fmt: skip
def test_a_damaged_start_is_told_in_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "env.json").write_text(text)
    with pytest.raises(RunFailed, match="env.json: damaged") as caught:
        RunDirectory(tmp_path).beginning()
    assert "\n" not in str(caught.value)


def test_a_start_that_was_edited_is_damaged(tmp_path: Path) -> None:
    folder = RunDirectory(tmp_path)
    (tmp_path / "operative.gin").write_text("run.epochs = 3\n")
    made = RunIdentity(config={}, data="d", labels=None, limit=None, numerics=1, plugins={})
    folder.write_beginning(made, 3, {"command": ("run", "µ"), "threads": 1})
    began, text = folder.beginning(), folder.env.read_text()
    assert (began.identity, began.seed, began.provenance["command"]) == (made, 3, ["run", "µ"])
    assert len(began.operative) == 64
    for old, new in (
        ('"seed": 3', '"seed": 4'),
        ('"threads": 1', '"threads": 9'),
        ('"data": "d"', '"data": "e"'),
    ):
        assert text.count(old) == 1
        folder.env.write_text(text.replace(old, new))
        with pytest.raises(RunFailed, match="damaged .its digest is not that of what it holds"):
            folder.beginning()


def test_a_record_of_another_run_is_not_believed(tmp_path: Path) -> None:
    """Of another seed, of another cell, or the whole directory under another run's name."""
    mine, other, elsewhere = (
        small_record(bits(5)),
        small_record(bits(6), seed=1),
        small_record(bits(5), identity="1"),
    )
    folder = RunDirectory(tmp_path / str(mine))
    folder.path.mkdir()
    folder.write_beginning(mine.data.identity, mine.seed, {})
    write_record(folder.result, mine.data)
    assert folder.finished() is not None
    for strange in (other, elsewhere):
        write_record(folder.result, strange.data)
        assert not folder.is_finished()
        own = f"{strange.identity}-s{strange.seed}"
        said = rf"result\.json: is the record of another run \({own}\) than env\.json"
        with pytest.raises(DataError, match=said):
            folder.finished()
        with pytest.raises(RunFailed, match=said + r".*; start over with --fresh") as caught:
            folder.record()
        assert caught.value.kind == "damaged"
    write_record(folder.result, mine.data)
    renamed = RunDirectory(folder.path.rename(tmp_path / str(other)))
    with pytest.raises(DataError, match=r"is the record of another run .* than its directory \(.*-s1\)"):
        renamed.finished()
    assert RunDirectory(renamed.path.rename(tmp_path / "the best one")).finished() is not None


def test_the_record_is_the_mark_of_a_finished_run(tmp_path: Path) -> None:
    folder = RunDirectory(tmp_path)
    assert folder.record() is None
    assert not folder.is_finished()
    finish(tmp_path)
    record = folder.record()
    assert record is not None
    assert record.score("accuracy.last") == 0.5
    assert folder.is_finished()
    assert folder.is_finished("aid")
    for damaged in ('{"seed": ', '{"seed": 3}'):
        folder.result.write_text(damaged)
        assert not folder.is_finished()
        with pytest.raises(RunFailed, match=r"result\.json: is no .*--fresh"):
            folder.record()


def test_numbers_that_json_lacks_leave_the_old_file(tmp_path: Path) -> None:
    folder = RunDirectory(tmp_path)
    folder.write_json(folder.result, {"last": 0.5})
    with pytest.raises(ValueError, match="not JSON compliant"):
        folder.write_json(folder.result, {"last": float("nan")})
    assert json.loads(folder.result.read_text()) == {"last": 0.5}


def test_clearing_begins_with_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = RunDirectory(tmp_path)
    files = [folder.result, folder.failure, folder.env, folder.metrics, folder.best, folder.predictions]
    files.append(folder.labels)
    checkpoints = [tmp_path / f"checkpoint-0000{k}.pt" for k in (1, 2)]
    scores = tmp_path / "scores" / "corruptions.json"
    made_of_it = [*folder.pictures.values(), *folder.exported, scores]
    for file in (*files, *checkpoints, *made_of_it):
        file.parent.mkdir(exist_ok=True)
        file.write_text("x")
    own = [tmp_path / "notes.txt", tmp_path / "images" / "notes.txt"]
    for file in own:
        file.write_text("the user's own")
    removed = []
    real = Path.unlink

    def spy(self: Path, missing_ok: bool = False) -> None:
        removed.append(self)
        real(self, missing_ok)

    monkeypatch.setattr(Path, "unlink", spy)
    folder.clear()
    assert removed[0] == folder.result, "a record beside missing files would pass for a finished run"
    assert set(removed) == {*files, *checkpoints, *made_of_it}
    assert {p for p in tmp_path.rglob("*") if p.is_file()} == {*own}
    assert not (tmp_path / "export").exists()
    assert not scores.parent.exists()
    folder.clear()  # an empty one too


@pytest.mark.parametrize("number", [errno.EAGAIN, errno.EACCES])
def test_a_lock_that_another_machine_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """NFS may say either."""
    folder = RunDirectory(tmp_path / "run")
    with folder.locked():
        pass
    monkeypatch.setattr(fcntl, "flock", refusing(number))
    assert folder.in_use()
    with pytest.raises(InUse), folder.locked():
        pass


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP])
def test_a_disk_without_locks_is_not_taken_for_another_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    folder = RunDirectory(tmp_path / "run")
    monkeypatch.setattr(fcntl, "flock", refusing(number))
    with pytest.raises(RunFailed, match="run: its disk has no locks .*; choose another --out") as caught:
        folder.locked().__enter__()
    assert caught.value.kind == "disk"
    assert not folder.in_use()


def refusing(number: int) -> Callable[..., None]:
    def flock(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    return flock
