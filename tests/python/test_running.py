"""Runs from Python: the same record and bits as of the command, and nothing left behind in the process."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.small_trained import BASE, FIXMATCH, SUPERVISED
from torch import Tensor

import lpa3bench
from lpa3bench import Augmenter, Context, View
from lpa3bench.errors import ConfigError, PluginError, UsageError
from lpa3bench.runtime.state import Checkpoints
from lpa3bench_plugins.augmenters.cutout import Cutout
from lpa3bench_plugins.backbones.smallnet import SmallNet

ONE = {"run.epochs": 1}


class Dimmed(Augmenter):
    """Darker images, by a factor."""

    def __init__(self, *, factor: float = 0.5, then: Augmenter | None = None) -> None:
        self.by, self.then = factor, then

    def generate(self, x: Tensor, ctx: Context) -> View:
        if ctx.epoch > 0:  # whoever presses Ctrl-C does so during training
            os.kill(os.getpid(), signal.SIGINT)
        return View(x * self.by, torch.arange(len(x), device=x.device))


@pytest.fixture(scope="module")
def gin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("python") / "small.gin"
    file.write_text(BASE + SUPERVISED)
    return file


@pytest.fixture
def run(gin: Path, tmp_path: Path) -> Any:
    """A call with a data folder and an output folder of its own."""
    return partial(lpa3bench.run, gin, data=tmp_path, out=tmp_path / "runs", progress=False, device="cpu")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"seed": "a"}, "seed: must be a whole number >= 0, not 'a'"),
        ({"seed": True}, "seed: must be a whole number >= 0, not True"),
        ({"params": ["run.epochs=1"]}, r"params: must be a dict, such as \{'run\.epochs': 1\}, not list"),
        ({"device": "cudaa"}, "device: must be one of auto, cpu, cuda, not 'cudaa'"),
        ({"limit": 0}, "limit: must be a whole number >= 1, not 0"),
        ({"plugins": "mine.py"}, "--plugin mine.py: no such file"),
    ],
)
def test_arguments_of_another_kind_are_refused_in_one_line(
    run: Any, tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=f"^{message}$"):
        run(**given)
    assert not (tmp_path / "runs").exists()


def test_without_a_file_it_says_what_to_give() -> None:
    with pytest.raises(UsageError, match="^files: give a gin file, or the name of a shipped one"):
        lpa3bench.run()


# ------------------------------------------------------------------------------------------------- the run
def test_it_returns_what_the_run_ended_with(run: Any, capfd: pytest.CaptureFixture[str]) -> None:
    done = run(params=ONE, seed=np.int64(3))
    assert (done.record.seed, done.record.cell.epochs, done.already_done) == (3, 1, False)
    assert done.folder.name == str(done.record)
    assert done.metrics["accuracy.last"] == done.record.score("accuracy.last")
    assert next(iter(done.metrics)) == "accuracy.last"
    predicted = done.predictions().last["test"]
    assert float(predicted.correct.double().mean()) == pytest.approx(done.metrics["accuracy.last"])
    images = torch.rand(3, 3, 8, 8)
    probs = done.model()(images)
    assert probs.shape == (3, 4)
    assert torch.allclose(probs.sum(1), torch.ones(3))
    assert torch.equal(done.model("best")(images), probs), "of one epoch it is the best"
    with pytest.raises(UsageError, match="^weights: must be 'last' or 'best', not 'selected'$"):
        done.model("selected")
    assert "accuracy.last" in repr(done)
    assert run(params=ONE, seed=3).already_done
    told = capfd.readouterr()
    assert told.out == told.err == ""


def test_progress_goes_to_stderr(run: Any, capsys: pytest.CaptureFixture[str]) -> None:
    run(params=ONE, progress=True, limit=16)
    assert "epoch 1/1" in capsys.readouterr().err


ALONE = """
import sys
import lpa3bench
lpa3bench.run(sys.argv[1], data=".", out=sys.argv[2], device="cpu", params={"run.epochs": 1}, progress=False)
"""


def test_two_runs_in_one_process_give_the_bits_of_two_processes(tmp_path: Path, run: Any) -> None:
    """Whatever the process has done before, and set."""
    file = tmp_path / "fixmatch.gin"
    file.write_text(BASE + FIXMATCH)
    alone = subprocess.Popen([sys.executable, "-c", ALONE, file, tmp_path / "alone"], cwd=tmp_path)
    run(params=ONE)
    torch.manual_seed(7)
    torch.set_default_dtype(torch.float64)
    try:
        with torch.no_grad():
            here = lpa3bench.run(
                file, data=tmp_path, out=tmp_path / "here", device="cpu", params=ONE, progress=False
            )
    finally:
        torch.set_default_dtype(torch.float32)
    assert alone.wait(120) == 0
    (there,) = lpa3bench.load(tmp_path / "alone")
    one, other = here.record.data, there.data
    assert (one.metrics, one.correct, one.per_class) == (other.metrics, other.correct, other.per_class)
    assert _timeless(one.curve) == _timeless(other.curve)
    weights = [
        Checkpoints(record.path.parent).load()["env"]["models"]["net"]  # type: ignore[index]
        for record in (here.record, there)
    ]
    assert weights[0].keys() == weights[1].keys()
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])


def _timeless(curve: Any) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in curve]


def test_it_leaves_the_process_as_it_was(run: Any) -> None:
    import gin as somebodys

    somebodys.clear_config()
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    drawn = torch.rand(1), np.random.rand(), random.random()
    torch.manual_seed(5)
    np.random.seed(5)
    random.seed(5)
    torch.set_default_dtype(torch.float64)
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    try:
        run(params={**ONE, "run.view": Cutout(side=2)})
        assert torch.get_default_dtype() == torch.float64
    finally:
        torch.set_default_dtype(torch.float32)
    assert (torch.rand(1), np.random.rand(), random.random()) == drawn
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before
    assert somebodys.config_str() == ""
    with pytest.raises(ValueError, match="Cutout"):
        somebodys.bind_parameter("Cutout.size", 3)


def test_ctrl_c_ends_a_run_between_two_steps_and_the_same_call_goes_on(
    run: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(KeyboardInterrupt, match="goes on from its start"):
        run(params={"run.view": Dimmed})
    monkeypatch.setattr(os, "kill", lambda *_: None)
    done = run(params={"run.view": Dimmed})
    assert done.record.data.resumed_from == (1,)


def test_what_is_wrong_is_one_line(run: Any) -> None:
    with pytest.raises(ConfigError, match="LPA3.margn.*did you mean margin"):
        run(params={"LPA3.margn": 0.1})
    with pytest.raises(ConfigError, match="no such file"):
        lpa3bench.run("no_such_config")


# -------------------------------------------------------------------------------- classes and objects given
def test_an_object_is_its_class_and_what_it_was_made_with(run: Any) -> None:
    given = run(params={**ONE, "run.positives": Dimmed(factor=0.25)})
    config, identity = given.record.config, given.record.data.identity
    assert config["positives/Dimmed.factor"] == "0.25"
    assert identity.config["positives/Dimmed.factor"] == "0.25"
    assert len(identity.plugins["Dimmed"]) == 16, "a digest of its source"
    assert given.record.slots == {"positives": "Dimmed"}
    named = run(params={**ONE, "run.positives": Dimmed, "Dimmed.factor": 0.25})
    assert named.already_done
    assert named.folder == given.folder
    text = {**ONE, "run.positives": "@augmenters.Dimmed()", "Dimmed.factor": np.float64(0.25)}
    assert run(params=text, plugins=[Dimmed]).already_done
    assert not run(params={**ONE, "run.positives": Dimmed()}).already_done


def test_objects_within_objects_of_one_class(run: Any) -> None:
    chain = Dimmed(factor=0.5, then=Dimmed(factor=0.25, then=Dimmed(then=Cutout(side=2))))
    config = run(params={**ONE, "run.positives": chain, "run.view": Dimmed(factor=1)}).record.config
    factors = {name: text for name, text in config.items() if name.endswith("Dimmed.factor")}
    assert sorted(factors.values()) == ["0.25", "0.5", "0.5", "1.0"]
    assert factors["positives/Dimmed.factor"] == "0.5"
    assert factors["view/Dimmed.factor"] == "1.0"


def test_networks_are_given_as_classes(run: Any) -> None:
    done = run(
        params={**ONE, "run.backbone": partial(SmallNet, width=8), "run.weak": lpa3bench.WeakView(pad=0)}
    )
    assert (done.record.config["SmallNet.width"], done.record.config["WeakView.pad"]) == ("8", "0")
    with pytest.raises(UsageError, match=r"functools\.partial\(SmallNet, …\)"):
        run(params={"run.backbone": SmallNet(num_classes=4, in_channels=3)})


class LPA3(Dimmed):
    """Has the name of another plugin."""


@pytest.mark.parametrize(
    ("value", "error", "words"),
    [
        (torch.zeros(2), UsageError, "run.view is a Tensor, which no config can hold"),
        (Dimmed(then=object()), UsageError, "Dimmed.then is a object"),  # type: ignore[arg-type]
        (int, UsageError, "int is no plugin: it derives from none of Task, Augmenter"),
        (LPA3(), PluginError, "the name LPA3 is claimed twice: by lpa3bench .* the class that was given"),
    ],
)
def test_what_no_config_can_hold_is_refused(run: Any, value: Any, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        run(params={"run.view": value})


PLUGIN = """
from dimming import BY
from lpa3bench import Augmenter, View, hookimpl
import torch

class Dimmer(Augmenter):
    def generate(self, x, ctx):
        return View(x * BY, torch.arange(len(x)))

@hookimpl
def register_augmenters(register):
    register("Dimmer", Dimmer)
"""


def test_a_plugin_file_that_was_edited_is_loaded_anew(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what lies beside it: else old code would run under the identity of the new."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "dimming.py").write_text("BY = 0.5\n")
    (tmp_path / "mine.py").write_text(PLUGIN)
    call = partial(run, params={**ONE, "run.view": "@augmenters.Dimmer()"}, plugins=[tmp_path / "mine.py"])
    bright = call()
    (tmp_path / "dimming.py").write_text("BY = \n")
    with pytest.raises(PluginError, match="SyntaxError"):
        call()
    (tmp_path / "dimming.py").write_text("BY = 0.001\n")
    dark = call()
    assert dark.folder != bright.folder
    assert dark.record.curve[0]["loss"] != bright.record.curve[0]["loss"]
    (tmp_path / "dimming.py").write_text("BY = 0.5\n")
    assert call().folder == bright.folder


def test_a_class_whose_module_was_edited_is_refused(
    run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "my_dimmer.py").write_text(PLUGIN.replace("from dimming import BY", "BY = 0.5"))
    import importlib

    module = importlib.import_module("my_dimmer")
    run(params={**ONE, "run.view": module.Dimmer()})
    (tmp_path / "my_dimmer.py").write_text(PLUGIN.replace("from dimming import BY", "BY = 0.25"))
    with pytest.raises(PluginError, match="my_dimmer.py: was edited since it was imported"):
        run(params={**ONE, "run.view": module.Dimmer()})
    importlib.invalidate_caches()
    importlib.reload(module)
    assert not run(params={**ONE, "run.view": module.Dimmer()}).already_done
