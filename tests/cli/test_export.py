"""`lpa3bench export`: weights that give the run's own score again, and a card that says how."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner, Result
from safetensors import safe_open

from lpa3bench.cli import main
from lpa3bench.export import licences
from lpa3bench.export.loading import load
from lpa3bench.probe.trained import open_run

COMMON = """\
run.dataset = @datasets.Synthetic()
run.backbone = @backbones.SmallNet
run.epochs = 2
Synthetic.size = 8
Synthetic.train = 64
Synthetic.val = 16
Synthetic.test = 100
SmallNet.width = 4
"""
TASKS = {
    "Supervised": (
        "run.task = @tasks.Supervised()\nrun.positives = @augmenters.LPA3()\nLPA3.iterations = 1\n"
        "Supervised.batch_size = 16\nrun.resize = 12\n"
    ),
    "FixMatch": (
        "run.task = @tasks.FixMatch()\nrun.labels = @labels.FewLabels()\nFewLabels.count = 20\n"
        "run.strong = @augmenters.Cutout()\nFixMatch.batch_size = 8\nFixMatch.steps_per_epoch = 4\n"
    ),
    "DivideMix": (
        "run.task = @tasks.DivideMix()\nrun.labels = @labels.SymmetricNoise()\nSymmetricNoise.rate = 0.2\n"
        "DivideMix.batch_size = 16\nDivideMix.warmup_epochs = 1\n"
    ),
}
HOLDS = {
    "Supervised": (["net"], ["net"]),
    "FixMatch": (["net", "net-average"], ["net-average"]),
    "DivideMix": (["net1", "net2"], ["net1", "net2"]),
}


def command(verb: str, *arguments: str | Path) -> Result:
    return CliRunner().invoke(
        main, [verb, *map(str, arguments), "--device", "cpu", "--data", "."], catch_exceptions=False
    )


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def trained(folder: Path, task: str) -> Path:
    (folder / "test.gin").write_text(COMMON + TASKS[task])
    done = command("run", "test.gin", "--json")
    assert done.exit_code == 0, done.output
    return Path(json.loads(done.stdout)["folder"])


@pytest.mark.parametrize("task", TASKS)
def test_the_weights_give_the_score_of_the_record(folder: Path, task: str) -> None:
    run = trained(folder, task)
    done = command("export", run, "--out", "exported", "--json")
    assert done.exit_code == 0, done.output
    told: dict[str, Any] = json.loads(done.stdout)
    assert (told["networks"], told["predicts"]) == HOLDS[task]
    assert told["faithful"]
    assert {path.name for path in (folder / "exported").iterdir()} == {
        "README.md",
        "config.gin",
        "model.safetensors",
    }
    record = json.loads((run / "result.json").read_text())
    model = load("exported")
    opened = open_run(run, data=folder, device="cpu")
    with safe_open("exported/model.safetensors", framework="pt") as file:
        names = [*file.keys()]
    assert {name.partition("/")[0] for name in names} == {*HOLDS[task][0]}
    assert any(".aux." in name for name in names) == (task == "Supervised"), "LP-A3's BatchNorm goes along"
    x = opened.test.images.plain(torch.arange(100))
    right = model(x).argmax(1) == opened.test.labels
    assert float(right.double().mean()) == record["metrics"]["last"]
    assert (folder / "exported" / "config.gin").read_bytes() == (run / "operative.gin").read_bytes()


def test_the_card(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(folder, "Supervised")
    assert command("export", run).exit_code == 0
    card = (run / "export" / "README.md").read_text(encoding="utf-8")
    record = json.loads((run / "result.json").read_text())
    assert f"| last | {100 * record['metrics']['last']:.2f} % |" in card
    assert "one run (n = 1)" in card
    assert record["labels"]["sha256"] in card
    assert "made up by the program" in card
    (snippet,) = re.findall(r"```python\n(.*?)```", card, re.DOTALL)
    monkeypatch.chdir(run / "export")
    space: dict[str, Any] = {}
    exec(snippet, space)  # as it stands there
    assert space["probabilities"].shape == (2, 10)
    assert torch.allclose(space["probabilities"].sum(1), torch.ones(2))
    monkeypatch.chdir(folder)

    before = (run / "export" / "model.safetensors").read_bytes()
    assert command("export", run).exit_code == 0, "an export is replaced"
    assert (run / "export" / "model.safetensors").read_bytes() == before
    assert {path.name for path in run.iterdir() if "export" in path.name} == {"export"}
    (folder / "other").mkdir()
    (folder / "other" / "mine.txt").write_text("")
    refused = command("export", run, "--out", "other")
    assert (refused.exit_code, refused.stderr) == (
        2,
        "error: other: holds something else; choose another --out\n",
    )

    (run / "result.json").unlink()
    refused = command("export", run)
    assert refused.exit_code == 1
    assert "is no finished run" in refused.stderr


def test_licences_are_those_that_their_makers_state() -> None:
    assert "not intended for clinical use" in licences.of("PathMNIST")
    assert "NC" in licences.of("DermaMNIST")
    assert licences.of("CIFAR10") == "its page states no licence"
    assert licences.of("MyOwn") == licences.UNKNOWN
