"""`failure.json`: there after an error with its kind, gone when the run is taken up again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from lpa3bench import config
from lpa3bench.errors import BenchError, DataError, FailureKind, InUse, PluginError, RunFailed, Stopped
from lpa3bench.plugin import registry
from lpa3bench.training.failure_file import Failure, read_failure, recorded_failure
from lpa3bench.training.job import Job, plan
from lpa3bench.training.loop import run
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.training.sinks import Sink

CONFIG = """
run.dataset = @datasets.Synthetic()
Synthetic.size = 8
Synthetic.train = 32
Synthetic.val = 8
Synthetic.test = 8
run.backbone = @backbones.SmallNet
SmallNet.width = 4
run.task = @tasks.Supervised()
Supervised.batch_size = 16
run.epochs = 2
"""
BROKEN = """
from lpa3bench import Augmenter, hookimpl

class Broken(Augmenter):
    def generate(self, x, ctx):
        raise ArithmeticError("a bad day")

@hookimpl
def register_augmenters(register):
    register("Broken", Broken)
"""


def job(folder: Path, *bindings: str) -> Job:
    (folder / "test.gin").write_text(CONFIG)
    (folder / "broken.py").write_text(BROKEN)
    plugins = registry.load_registry((folder / "broken.py",))
    loaded = config.load_config([folder / "test.gin"], bindings=bindings, registry=plugins)
    return Job(config=loaded, device="cpu", data=folder, out=folder / "runs")


def failed(made: Job, *sinks: Sink) -> Failure:
    """What stands in the file after the run has raised."""
    with pytest.raises((BenchError, torch.OutOfMemoryError)) as caught:
        run(made, sinks)
    failure = read_failure(plan(made).folder.failure)
    assert failure is not None
    assert str(caught.value) in failure.message
    return failure


class FullDisk(Sink):
    """No checkpoint can be written after the first epoch."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.patch = monkeypatch

    def epoch(self, row: Mapping[str, Any]) -> None:
        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        self.patch.setattr(torch, "save", full)


def test_a_full_disk_and_the_same_command_when_there_is_space(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = job(tmp_path)
    with monkeypatch.context() as patch:
        failure = failed(made, FullDisk(patch))
    assert (failure.kind, failure.exit_code, failure.epochs_done, failure.step) == ("disk", 1, 1, None)

    class Looking(Sink):
        def step(self, phase: str) -> None:
            assert not plan(made).folder.failure.exists(), "the run is under way"

    assert run(made, [Looking()]).record.data.status == "ok"
    assert not plan(made).folder.failure.exists()


def test_a_loss_that_is_nan(tmp_path: Path) -> None:
    failure = failed(job(tmp_path, "Supervised.lr = 1e30", "Supervised.optimizer = 'sgd'"))
    assert (failure.kind, failure.exit_code) == ("diverged", 1)
    assert failure.step is not None
    assert failure.message.startswith(f"step {failure.step}: ")


def test_a_broken_plugin_and_no_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lpa3bench_plugins.tasks.supervised import Supervised

    broken = failed(job(tmp_path, "run.view = @Broken()"))
    assert (broken.kind, broken.exit_code, broken.epochs_done) == ("plugin", 5, 0)

    def starved(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(Supervised, "update", starved)
        with pytest.raises(RunFailed, match="out of memory"):
            run(job(tmp_path))
    failure = read_failure(plan(job(tmp_path)).folder.failure)
    assert failure is not None
    assert failure.kind == "out_of_memory"


def test_who_finds_the_directory_in_use_writes_nothing_there(tmp_path: Path) -> None:
    made = job(tmp_path)
    folder = plan(made).folder
    with folder.locked():
        before = [*folder.path.iterdir()]
        with pytest.raises(InUse) as caught:
            run(made)
        assert [*folder.path.iterdir()] == before
    assert (caught.value.exit_code, caught.value.kind, caught.value.path) == (75, "in_use", folder.path)


@pytest.mark.parametrize(
    ("error", "kind", "message", "code"),
    [
        (RunFailed("no\nspace", kind="disk"), "disk", "no space", 1),
        (DataError("gone"), "data", "gone", 4),
        (PluginError("broken"), "plugin", "broken", 5),
        (Stopped("SIGTERM received", 15), "stopped", "SIGTERM received", 143),
        (KeyboardInterrupt(), "stopped", "interrupted", 130),
        (KeyError("a"), "bug", "KeyError: 'a'", 1),
        (ValueError(), "bug", "ValueError", 1),
        (torch.OutOfMemoryError("full"), "out_of_memory", "OutOfMemoryError: full", 1),
    ],
)
def test_every_error_has_a_kind(
    tmp_path: Path, error: BaseException, kind: FailureKind, message: str, code: int
) -> None:
    folder = RunDirectory(tmp_path)
    folder.metrics.write_text('{"epoch": 0}\n{"epoch": 1}\n{"ep')
    with pytest.raises(type(error)), recorded_failure(folder):
        raise error
    found = read_failure(folder.failure)
    assert found is not None
    assert (found.kind, found.message, found.exit_code, found.epochs_done) == (kind, message, code, 2)
    with recorded_failure(folder):
        assert read_failure(folder.failure) is None


def test_a_disk_that_takes_nothing_more_keeps_no_error_from_being_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(RunFailed, match="the first"), recorded_failure(RunDirectory(tmp_path)):
        raise RunFailed("the first")
    assert not [*tmp_path.iterdir()]


WHOLE = {
    "schema_version": 1, "kind": "disk", "message": "full", "exit_code": 1, "epochs_done": 0, "step": None,
    "when": "2025-01-01T00:00:00.000000+00:00",
}  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        json.dumps(WHOLE | {"kind": "a bad day"}),
        json.dumps(WHOLE | {"kind": ["disk"]}),
        json.dumps(WHOLE | {"exit_code": "1"}),
        json.dumps(WHOLE | {"schema_version": 9}),
        json.dumps({name: value for name, value in WHOLE.items() if name != "when"}),
        "[" * 100000,
        b"\xff",
    ],
)
def test_a_damaged_file_counts_as_none(tmp_path: Path, text: str | bytes) -> None:
    path = tmp_path / "failure.json"
    path.write_text(json.dumps(WHOLE))
    assert read_failure(path) is not None
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    assert read_failure(path) is None
