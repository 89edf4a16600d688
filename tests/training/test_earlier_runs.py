"""Earlier runs of a cell and seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from lpa3bench import config
from lpa3bench.errors import DamagedWarning, RunFailed, UsageError
from lpa3bench.plugin import registry
from lpa3bench.runtime.state import load_state, save_state
from lpa3bench.training.earlier_runs import explain, left_behind
from lpa3bench.training.identity import identity_as_json
from lpa3bench.training.job import Job, plan
from lpa3bench.training.loop import run
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.training.sinks import RunInfo, Sink

CONFIG = """
run.task = @tasks.Supervised()
run.dataset = @datasets.Synthetic()
run.backbone = @backbones.SmallNet
run.epochs = 2
Supervised.batch_size = 8
SmallNet.width = 4
Synthetic.size = 8
Synthetic.train = 16
Synthetic.test = 8
"""
MakeJob = Callable[..., Job]


class Stop(Sink):
    """Stops a run after so many epochs, as a kill would, and keeps what it was told at the start."""

    note: str | None

    def __init__(self, epoch: int | None = None) -> None:
        self.at = epoch

    def start(self, info: RunInfo) -> None:
        self.note = info.note

    def epoch(self, row: Mapping[str, Any]) -> None:
        if row["epoch"] == self.at:
            raise KeyboardInterrupt


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MakeJob:
    monkeypatch.chdir(tmp_path)
    Path("a.gin").write_text(CONFIG)

    def job(*bindings: str, **options: Any) -> Job:
        loaded = config.load_config([Path("a.gin")], bindings=bindings, registry=registry.load_registry())
        return Job(config=loaded, device="cpu", data=tmp_path, out=Path("runs"), **options)

    return job


def interrupted(job: Job) -> RunDirectory:
    """The run, stopped in its second epoch."""
    with pytest.raises(KeyboardInterrupt):
        run(job, [Stop(1)])
    return plan(job).folder


def test_an_interrupted_run_that_is_another_one_is_told(job: MakeJob) -> None:
    left = interrupted(job())
    other = job("Supervised.lr = 0.5", "SmallNet.width = 5")
    sink = Stop()
    run(other, [sink])
    changed = "SmallNet.width: 4 → 5; Supervised.lr: 0.001, the default → 0.5"
    assert sink.note == f"{left.path} was interrupted and does not go on: it is another run ({changed})"
    assert explain(other)[1:] == [f"{left.path}: another run", *(f"  {line}" for line in changed.split("; "))]
    run(job(), [sink])
    assert sink.note is None, "it goes on"


@pytest.mark.parametrize("options", [{"seed": 1}, {"fresh": True}])
def test_other_seeds_and_the_run_itself_are_no_trouble(job: MakeJob, options: dict[str, Any]) -> None:
    interrupted(job())
    mine = job(**options)
    assert left_behind(mine, plan(mine)) is None


def test_a_run_that_is_finished_or_under_way_is_not_left_behind(job: MakeJob) -> None:
    left = interrupted(job())
    other = job("Supervised.lr = 0.5")
    with left.locked():
        assert left_behind(other, plan(other)) is None
    assert left_behind(other, plan(other)) is not None
    run(job())
    assert left_behind(other, plan(other)) is None


def test_somebody_elses_damage_stops_nothing(job: MakeJob) -> None:
    left = interrupted(job())
    left.env.write_text("{")
    other = job("Supervised.lr = 0.5")
    assert "env.json: damaged" in str(left_behind(other, plan(other)))


@pytest.mark.parametrize("edited", [True, False])
def test_what_goes_on_is_the_run_that_was_begun(job: MakeJob, edited: bool) -> None:
    """Its directory is named by what it is, but a directory can be renamed and a file in it edited."""
    left, other = interrupted(job()), plan(job("Supervised.lr = 0.5"))
    left.path.rename(other.folder.path)
    if edited:
        held = {"identity": identity_as_json(other.identity), "seed": 0, "provenance": {}}
        other.folder.write_json(other.folder.env, held)
    said = r"was begun as another run \(Supervised.lr: the default → 0.5\); start over with --fresh"
    with pytest.raises(RunFailed, match=said):
        run(job("Supervised.lr = 0.5"))
    run(job("Supervised.lr = 0.5", fresh=True))


def test_what_only_served_a_measurement_is_not_taken_for_a_result(job: MakeJob) -> None:
    aid = run(job(purpose="aid"))
    assert (aid.record and aid.record.no_result) == "a run that only served a measurement"
    assert RunDirectory(aid.folder).beginning().purpose == "aid"
    assert run(job(purpose="aid")).already_done
    with pytest.raises(UsageError, match="only served a measurement, which is no result; --fresh runs it"):
        run(job())
    assert "refused as a result" in explain(job())[0]
    result = run(job(fresh=True))
    assert (result.folder, result.already_done) == (aid.folder, False)
    assert run(job(purpose="aid")).already_done, "a result serves as an aid too"


def test_a_record_that_was_edited_or_is_broken_is_no_finished_run(job: MakeJob) -> None:
    folder = RunDirectory(run(job()).folder)
    whole = folder.result.read_text()
    score = '"last":'
    edited = whole.replace(score, '"last":0.9216,"before":', 1)
    for text in (edited, "{}", "", "[]", whole[:-40], whole.replace('"seed": 0', '"seed": 1')):
        assert text != whole
        folder.result.write_text(text)
        for ask in (lambda: run(job()), lambda: explain(job())):
            with pytest.raises(RunFailed, match=r"result\.json: .*; start over with --fresh$") as caught:
                ask()
            assert caught.value.kind == "damaged"
    other = run(job(seed=1))
    assert other.record is not None
    folder.result.write_text((other.folder / "result.json").read_text())
    with pytest.raises(RunFailed, match="is the record of another run"):
        run(job())
    folder.env.write_text("{")  # then its identity and seed are known from the job alone
    assert not run(job(fresh=True)).already_done
    assert folder.record() is not None


def test_a_stranger_among_the_checkpoints_is_not_taken_up(job: MakeJob) -> None:
    mine, other = interrupted(job()), interrupted(job(seed=1))
    for path in other.checkpoints.paths():
        (mine.path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(RunFailed, match=r"has a checkpoint of another run \(seed: 1 → 0\); start over with"):
        run(job())


def test_what_would_be_taken_up_is_the_newest_that_is_whole(job: MakeJob) -> None:
    left = interrupted(job())
    before, newest = left.checkpoints.paths()
    newest.write_bytes(newest.read_bytes()[:-1])
    with pytest.warns(DamagedWarning, match=f"{newest.name}: damaged"):
        assert explain(job()) == [f"{left.path}: begun, goes on from {before.name}"]


def test_a_state_of_another_form_is_one_line(job: MakeJob) -> None:
    left = interrupted(job())
    for path in left.checkpoints.paths():
        state = load_state(path)
        state["task"] = {"optimiser": 3}
        save_state(path, state)
    said = r"its checkpoint does not fit what its config builds \(.*\); start over with --fresh"
    with pytest.raises(RunFailed, match=said):
        run(job())
