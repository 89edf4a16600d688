"""The runner's laws: a resumed run ends with the same bits, methods are paired, records are whole."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from lpa3bench import config
from lpa3bench.data.sampler import Batch, Sampler
from lpa3bench.errors import ConfigError, DamagedWarning, PluginError, RunFailed, Stopped
from lpa3bench.plugin import registry
from lpa3bench.testing import assert_same
from lpa3bench.training.job import Job, plan
from lpa3bench.training.loop import Outcome, run
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.training.sinks import Sink

BASE = """
run.dataset = @datasets.Synthetic()
Synthetic.size = 8
Synthetic.train = 96
Synthetic.val = 24
Synthetic.test = 40
Synthetic.num_classes = 4
run.backbone = @backbones.SmallNet
SmallNet.width = 4
run.weak = @WeakView()
WeakView.pad = 1
run.epochs = 3
Supervised.batch_size = 16
Supervised.milestones = (0.4,)
PES.batch_size = 16
PES.warmup_epochs = 1
PES.head_epochs = 1
LPA3.iterations = 2
LPA3.ratio = 0.5
"""
TASKS = {
    "Supervised": "run.task = @tasks.Supervised()\n",
    "Supervised-sgd": 'run.task = @tasks.Supervised()\nSupervised.optimizer = "sgd"\n',
    "PES": "run.task = @tasks.PES()\nrun.labels = @labels.SymmetricNoise()\nSymmetricNoise.rate = 0.5\n",
    "PES-head-trained": (
        "run.task = @tasks.PES()\nrun.labels = @labels.SymmetricNoise()\nSymmetricNoise.rate = 0.5\n"
        "PES.frozen_head = False\n"
    ),
}
SLOTS = {
    "none": "",
    "view-RandAugment": "run.view = @augmenters.RandAugment()\n",
    "positives-LPA3": "run.positives = @augmenters.LPA3()\n",
    "positives-LPA3-dataset": 'run.positives = @augmenters.LPA3()\nLPA3.select = "dataset"\n',
    "positives-Identity": 'run.positives = @augmenters.Identity()\nIdentity.domain = "aux"\n',
    "positives-RandAugment": "run.positives = @augmenters.RandAugment()\n",
    "both": "run.view = @augmenters.RandAugment()\nrun.positives = @augmenters.LPA3()\n",
}


def job(folder: Path, text: str, *bindings: str, **options: Any) -> Job:
    """A job for a config of `BASE` and this text."""
    folder.mkdir(exist_ok=True)
    file = folder / "test.gin"
    file.write_text(BASE + text)
    loaded = config.load_config([file], bindings=bindings, registry=registry.load_registry())
    return Job(config=loaded, device="cpu", data=folder, out=folder / "runs", **options)


class Killed(Exception):
    """Stands for kill -9 in one process: nothing after it is done."""


class KillAfter(Sink):
    """Dies in the given epoch, before its checkpoint is written, as late as it can."""

    def __init__(self, epoch: int) -> None:
        self.at = epoch

    def epoch(self, row: Mapping[str, Any]) -> None:
        if row["epoch"] == self.at:
            raise Killed


def last_state(outcome: Outcome) -> Any:
    state = RunDirectory(outcome.folder).checkpoints.load()
    assert state is not None
    return {part: state[part] for part in ("env", "task")}


def written(outcome: Outcome) -> dict[str, Any]:
    """The record, as it lies on the disk."""
    found: dict[str, Any] = json.loads((outcome.folder / "result.json").read_text())
    return found


def scores(outcome: Outcome, metric: str = "accuracy") -> dict[str, Any]:
    found: dict[str, Any] = written(outcome)["metrics"][metric]["scores"]
    return found


@pytest.mark.parametrize("slots", SLOTS)
@pytest.mark.parametrize("task", TASKS)
def test_killed_and_resumed_is_bit_equal(tmp_path: Path, task: str, slots: str) -> None:
    text = TASKS[task] + SLOTS[slots]
    undisturbed = run(job(tmp_path / "one", text))
    disturbed = job(tmp_path / "two", text)
    for epoch in (0, 1, 1, 2):
        with pytest.raises(Killed):
            run(disturbed, [KillAfter(epoch)])
    resumed = run(disturbed)
    assert written(resumed)["resumed_from"] == [0, 1, 2]  # the epochs done, each time that went further
    assert_same(last_state(undisturbed), last_state(resumed))
    for part in ("metrics", "per_class", "correct", "labels"):
        assert written(resumed)[part] == written(undisturbed)[part], part
    assert written(resumed)["cost"]["passes"] == written(undisturbed)["cost"]["passes"]
    lines = [RunDirectory(o.folder).metrics.read_bytes() for o in (undisturbed, resumed)]
    assert lines[0] == lines[1]
    best = [torch.load(o.folder / "best.pt", weights_only=True) for o in (undisturbed, resumed)]
    assert_same(best[0], best[1])


def orders(monkeypatch: pytest.MonkeyPatch, made: Job) -> tuple[list[list[int]], Any]:
    """The batches of a run in order, and its first checkpoint's weights."""
    seen: list[list[int]] = []
    real = Sampler.next

    def spy(self: Sampler) -> Batch:
        batch = real(self)
        seen.append(batch.index.tolist())
        return batch

    monkeypatch.setattr(Sampler, "next", spy)
    try:
        with pytest.raises(Killed):
            run(made, [KillAfter(0)])
    finally:
        monkeypatch.setattr(Sampler, "next", real)
    state = plan(made).folder.checkpoints.load()
    assert state is not None
    return seen, state["env"]["models"]["net"]


@pytest.mark.parametrize("slots", [s for s in SLOTS if s != "none"])
def test_binding_an_augmenter_moves_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slots: str
) -> None:
    plain, bound = (job(tmp_path / name, TASKS["Supervised"] + SLOTS[name]) for name in ("none", slots))
    one, weights = orders(monkeypatch, plain)
    other, more_weights = orders(monkeypatch, bound)
    assert one == other
    for name, value in weights.items():
        assert torch.equal(value, more_weights[name]), name
    assert plan(plain).data.label_hash == plan(bound).data.label_hash


def test_ratio_zero_is_the_baseline_bit_for_bit(tmp_path: Path) -> None:
    plain = run(job(tmp_path / "none", TASKS["PES"]))
    nothing = run(job(tmp_path / "zero", TASKS["PES"] + SLOTS["positives-LPA3"], "LPA3.ratio = 0.0"))
    main = last_state(nothing)["env"]["models"]["net"]
    for name, value in last_state(plain)["env"]["models"]["net"].items():
        assert torch.equal(value, main[name]), name
    assert written(nothing)["metrics"] == written(plain)["metrics"]


def test_seeds_matter_and_do_not_share_a_folder(tmp_path: Path) -> None:
    one, other = (run(job(tmp_path, TASKS["PES"], seed=seed)) for seed in (0, 1))
    assert one.folder != other.folder
    assert written(one)["labels"]["sha256"] != written(other)["labels"]["sha256"]
    first, second = (last_state(o)["env"]["models"]["net"]["backbone.head.weight"] for o in (one, other))
    assert not torch.equal(first, second)


def test_a_finished_run_is_not_run_again_unless_asked(tmp_path: Path) -> None:
    first = run(job(tmp_path, TASKS["Supervised"]))
    when = (first.folder / "result.json").stat().st_mtime_ns
    again = run(job(tmp_path, TASKS["Supervised"]))
    assert again.already_done
    assert again.record.data == first.record.data
    assert (first.folder / "result.json").stat().st_mtime_ns == when
    fresh = run(job(tmp_path, TASKS["Supervised"], fresh=True))
    assert not fresh.already_done
    assert fresh.record.data.metrics == first.record.data.metrics


def test_the_record_is_complete(tmp_path: Path) -> None:
    outcome = run(job(tmp_path, TASKS["PES"] + SLOTS["positives-LPA3"], limit=64))
    record = written(outcome)
    assert list(record) == [
        "schema_version", "purpose", "cell", "seed", "status", "select", "metrics", "per_class", "curve",
        "correct", "cost", "labels", "protocol", "config", "identity", "provenance", "resumed_from", "flags",
        "data", "digest",
    ]  # fmt: skip
    assert record["cell"]["slots"] == {"positives": "LPA3"}
    assert record["cell"]["backbone"] == "SmallNet"
    assert record["flags"][0].startswith("not a result")
    assert scores(outcome)["mean_last_20"] is None
    curve = [row["test/accuracy"] for row in record["curve"]]
    assert scores(outcome)["last"] == curve[-1]
    assert scores(outcome)["oracle_best"] == max(curve)
    assert np.mean(outcome.record.correct) == pytest.approx(curve[-1])
    passes = record["cost"]["passes"]
    # 64 images: two views each, in batches of 16 of which half or less are unlabelled; K = 2 iterations on
    # half of them: a reference pass for all, and two passes and a backward pass to the image per iteration.
    assert set(passes) == {"task", "positives/search", "positives/loss", "evaluation"}
    searched = passes["positives/loss"]["forward"]
    assert passes["positives/loss"]["backward_weights"] == searched > 0
    assert passes["positives/search"]["backward_image"] == 2 * searched
    assert passes["positives/search"]["backward_weights"] == 0
    assert {"positives/distance", "positives/logp_drop", "positives/selected"} <= record["curve"][-1].keys()
    assert set(record["cost"]["flops_of_first_step"]) == {"warm-up", "head", "mixmatch"}
    assert all(flops > 0 for flops in record["cost"]["flops_of_first_step"].values())
    files = {path.name for path in outcome.folder.iterdir()}
    assert {
        "config.gin", "operative.gin", "env.json", "labels.npz", "metrics.jsonl", "best.pt",
        "predictions.npz", "result.json", "checkpoint-00002.pt", "checkpoint-00003.pt",
    } <= files  # fmt: skip
    with np.load(outcome.folder / "labels.npz") as labels:
        assert len(labels["index"]) == 64
        assert len(labels["given"]) == 96
        changed = (labels["given"] != np.arange(96) % 4).mean()
    assert record["labels"]["realised_rate"] == pytest.approx(changed)


def test_scoring_every_second_epoch_changes_nothing_that_is_trained(tmp_path: Path) -> None:
    text = TASKS["Supervised"] + SLOTS["positives-LPA3"]
    whole, few = run(job(tmp_path, text)), run(job(tmp_path, text, "run.score_every = 2"))
    one, other = written(whole), written(few)
    scored = {"test/accuracy", "val/accuracy"}
    assert [scored <= row.keys() for row in other["curve"]] == [False, True, True]
    for before, after in zip(one["curve"], other["curve"], strict=True):
        assert {**before, **after, "seconds": 0.0} == {**before, "seconds": 0.0}
    assert (other["protocol"]["score_every"], other["protocol"]["changed"]) == (2, ["run.score_every"])
    assert "score_every" not in one["protocol"]
    assert (other["config"]["run.score_every"], "run.score_every" in one["config"]) == ("2", False)
    assert other["identity"]["config"] == {**one["identity"]["config"], "run.score_every": "2"}
    assert scores(few)["mean_last_10"] is None
    best = max(row["val/accuracy"] for row in other["curve"][1:])
    assert scores(few)["val_selected"] in [
        r["test/accuracy"] for r in other["curve"][1:] if r["val/accuracy"] == best
    ]
    assert RunDirectory(few.folder).record() is not None, "the record holds together"


def test_the_operative_config_runs_again_as_the_same_run(tmp_path: Path) -> None:
    first = run(job(tmp_path, TASKS["Supervised"] + SLOTS["positives-LPA3"]))
    loaded = config.load_config([first.folder / "operative.gin"], registry=registry.load_registry())
    again = plan(Job(config=loaded, device="cpu", data=tmp_path, out=tmp_path / "runs"))
    assert again.folder.path == first.folder


def test_a_holdout_selects_the_epoch(tmp_path: Path) -> None:
    text = TASKS["PES"] + "Synthetic.val = 0\n".replace("val", "seed")
    outcome = run(job(tmp_path, text, "Synthetic.val = 0", "run.holdout = 16"))
    assert written(outcome)["labels"]["training_images"] == 80
    assert scores(outcome)["val_selected"] is not None
    assert written(outcome)["protocol"]["holdout"] == 16


def test_without_validation_nothing_is_selected(tmp_path: Path) -> None:
    outcome = run(job(tmp_path, TASKS["Supervised"], "Synthetic.val = 0"))
    assert scores(outcome)["val_selected"] is None
    why = written(outcome)["metrics"]["accuracy"]["undefined"]["val_selected"]
    assert why.startswith("there is no validation split")
    assert not (outcome.folder / "best.pt").exists()


def test_a_loss_that_is_nan_stops_the_run_with_its_step(tmp_path: Path) -> None:
    text = TASKS["Supervised-sgd"]
    with pytest.raises(RunFailed, match=r"^step \d+: the loss is NaN or infinite \(phase train\)"):
        run(job(tmp_path, text, "Supervised.lr = 1e30"))
    assert not list((tmp_path / "runs").glob("*/result.json"))


def test_a_torn_checkpoint_gives_way_to_the_one_before(tmp_path: Path) -> None:
    text = TASKS["PES"] + SLOTS["positives-LPA3"]
    undisturbed = run(job(tmp_path / "one", text))
    torn = job(tmp_path / "two", text)
    with pytest.raises(Killed):
        run(torn, [KillAfter(2)])
    last = plan(torn).folder.checkpoints.paths()[-1]
    last.write_bytes(last.read_bytes()[:1000])
    with pytest.warns(DamagedWarning, match=r"-00002\.pt: damaged .*; checkpoint-00001\.pt is used instead"):
        resumed = run(torn)
    assert written(resumed)["resumed_from"] == [1]
    assert_same(last_state(undisturbed), last_state(resumed))


def test_a_signal_stops_between_two_steps(tmp_path: Path) -> None:
    import os
    import signal

    class Interrupt(Sink):
        def step(self, phase: str) -> None:
            os.kill(os.getpid(), signal.SIGTERM)

    made = job(tmp_path, TASKS["Supervised"])
    with pytest.raises(Stopped, match="SIGTERM received: epoch 1 given up") as stopped:
        run(made, [Interrupt()])
    assert stopped.value.exit_code == 143
    assert [p.name for p in plan(made).folder.checkpoints.paths()] == ["checkpoint-00000.pt"]
    assert not run(made).already_done


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (TASKS["Supervised"] + "run.view = @augmenters.LPA3()\n", "run.view: LPA3"),
        (TASKS["PES"] + "run.labels = @labels.FewLabels()\nFewLabels.count = 8\n", "PES needs a label"),
    ],
)
def test_nonsense_is_refused_with_the_reason(tmp_path: Path, text: str, said: str) -> None:
    text = text.replace("run.labels = @labels.SymmetricNoise()\n", "") if "FewLabels" in text else text
    with pytest.raises(ConfigError, match=said):
        run(job(tmp_path, text))


@pytest.mark.parametrize(
    ("body", "error", "said"),
    [
        ("return View(x * float('nan'), torch.arange(len(x)))", RunFailed, r"^step 0: .* outside \[0, 1\]"),
        ("return View(x + 1, torch.arange(len(x)))", RunFailed, r"outside \[0, 1\]"),
        ("return View(x[:, :, :4], torch.arange(len(x)))", PluginError, "returned images"),
        ("return View(x.double(), torch.arange(len(x)))", PluginError, "float64"),
        ("return View(x[:3], torch.arange(3))", PluginError, "3 views of 16 images"),
        ("return View(x, torch.arange(len(x)).flip(0))", RunFailed, "not ascending"),
        ("return ctx.model(x)", PluginError, "needs_model = True"),
        ("raise KeyError('oh')", PluginError, "Broken in slot view failed .KeyError"),
    ],
)
def test_a_broken_augmenter_is_named(tmp_path: Path, body: str, error: type[Exception], said: str) -> None:
    plugin = tmp_path / "broken.py"
    plugin.write_text(
        "import torch\nfrom lpa3bench import Augmenter, View, hookimpl\n"
        "class Broken(Augmenter):\n    def generate(self, x, ctx):\n"
        f"        {body}\n"
        "@hookimpl\ndef register_augmenters(register):\n    register('Broken', Broken)\n"
    )
    file = tmp_path / "test.gin"
    file.write_text(BASE + TASKS["Supervised"] + "run.view = @augmenters.Broken()\n")
    loaded = config.load_config([file], registry=registry.load_registry((plugin,)))
    with pytest.raises(error, match=said):
        run(Job(config=loaded, device="cpu", data=tmp_path, out=tmp_path / "runs"))


def test_another_label_file_is_another_run(tmp_path: Path) -> None:
    text = TASKS["Supervised"] + f'run.labels = @labels.FromFile()\nFromFile.path = "{tmp_path}/y.npy"\n'
    names = []
    for shift in (0, 1):
        np.save(tmp_path / "y.npy", (np.arange(96) + shift) % 4)
        names.append(plan(job(tmp_path, text)).folder.path.name)
    assert names[0] != names[1]


def test_a_network_with_drop_out_resumes_to_the_same_bits(tmp_path: Path) -> None:
    plugin = tmp_path / "dropping.py"
    plugin.write_text(
        "from torch import nn\nfrom lpa3bench import hookimpl\nfrom lpa3bench.testing import TinyNet\n"
        "class Dropping(TinyNet):\n    def __init__(self, *, num_classes: int, in_channels: int):\n"
        "        super().__init__(num_classes=num_classes, in_channels=in_channels)\n"
        "        self.body.append(nn.Dropout(0.5))\n"
        "@hookimpl\ndef register_backbones(register):\n    register('Dropping', Dropping)\n"
    )
    states = []
    for name, kills in (("one", ()), ("two", (0, 1))):
        folder = tmp_path / name
        folder.mkdir()
        file = folder / "test.gin"
        text = BASE.replace("@backbones.SmallNet", "@backbones.Dropping") + TASKS["Supervised"]
        file.write_text(text + SLOTS["positives-LPA3"])
        loaded = config.load_config([file], registry=registry.load_registry((plugin,)))
        made = Job(config=loaded, device="cpu", data=folder, out=folder / "runs")
        for epoch in kills:
            with pytest.raises(Killed):
                run(made, [KillAfter(epoch)])
            torch.rand(100)  # whatever else draws from the global generator between two processes
        states.append(last_state(run(made)))
    assert_same(*states)


def test_a_task_cannot_log_under_a_name_of_the_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lpa3bench_plugins.tasks.supervised import Supervised

    real = Supervised.update
    taken = {name: torch.tensor(0.999) for name in ("test", "val/accuracy", "epoch", "tests", "testing/x")}
    monkeypatch.setattr(Supervised, "update", lambda *a: real(*a) | taken)
    said = "Supervised.update logs epoch, test, val/accuracy, a name of the engine's"
    with pytest.raises(PluginError, match=said):
        run(job(tmp_path, TASKS["Supervised"]))


def test_phases_of_one_epoch_are_logged_apart(tmp_path: Path) -> None:
    row = written(run(job(tmp_path, TASKS["PES"])))["curve"][1]
    assert row["head/loss"] != row["loss"]
    assert "labelled_loss" in row
    assert "head/labelled_loss" not in row


def test_a_run_is_not_taken_up_on_another_device(tmp_path: Path) -> None:
    made = job(tmp_path, TASKS["Supervised"])
    with pytest.raises(Killed):
        run(made, [KillAfter(1)])
    for path in plan(made).folder.checkpoints.paths():
        torch.save(torch.load(path, weights_only=True) | {"device": "elsewhere"}, path)
    with pytest.raises(RunFailed, match="began with --device elsewhere"):
        run(made)


def test_an_augmenter_that_never_came_to_work_is_flagged(tmp_path: Path) -> None:
    outcome = run(job(tmp_path, TASKS["PES"] + SLOTS["positives-LPA3"], "PES.warmup_epochs = 3"))
    assert any("run.positives was bound and never used" in flag for flag in written(outcome)["flags"])
    used = run(job(tmp_path, TASKS["PES"] + SLOTS["positives-LPA3"]))
    assert not any("never used" in flag for flag in written(used)["flags"])
