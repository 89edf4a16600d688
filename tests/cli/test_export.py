"""`lpa3bench export`: weights that give the run's own score again, and a card that says how."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import msgspec
import pytest
import torch
from click.testing import CliRunner, Result
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from support.small_records import changed, small_record

from lpa3bench.analysis.trained_run import open_run
from lpa3bench.api import DatasetSpec
from lpa3bench.cli import main
from lpa3bench.errors import RunFailed
from lpa3bench.export.finished_run import load_exported
from lpa3bench.export.model_card import ClassRow, write_card
from lpa3bench.records import Record
from lpa3bench.runtime import licences

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
SPEC = DatasetSpec(name="Made", num_classes=2, channels=1, size=8, mean=(0.5,), std=(0.5,))
CLASSES: list[ClassRow] = [("cat", 3, 2 / 3), ("d|g", None, None)]
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
    model = load_exported("exported")
    opened = open_run(run, data=folder, device="cpu")
    with safe_open("exported/model.safetensors", framework="pt") as file:
        names = [*file.keys()]
    assert {name.partition("/")[0] for name in names} == {*HOLDS[task][0]}
    assert any(".aux." in name for name in names) == (task == "Supervised"), "LP-A3's BatchNorm goes along"
    x = opened.test.images.plain(torch.arange(100))
    right = model(x).argmax(1) == opened.test.labels
    assert float(right.double().mean()) == record["metrics"]["accuracy"]["scores"]["last"]
    assert (folder / "exported" / "config.gin").read_bytes() == (run / "operative.gin").read_bytes()
    for name, says in (
        ("model.safetensors", "its digest is not that of what it holds; export it again"),
        ("config.gin", "is not as it was exported; export it again"),
    ):
        content = (folder / "exported" / name).read_bytes()
        spoilt = bytearray(content)
        spoilt[-9] ^= 1  # in the last of the weights, in the last of the values
        (folder / "exported" / name).write_bytes(spoilt)
        with pytest.raises(RunFailed, match=rf"{name}: {says}"):
            load_exported("exported")
        (folder / "exported" / name).write_bytes(content)


def test_the_card(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = trained(folder, "Supervised")
    assert command("export", run).exit_code == 0
    card = (run / "export" / "README.md").read_text(encoding="utf-8")
    record = json.loads((run / "result.json").read_text())
    assert f"| accuracy.last | {100 * record['metrics']['accuracy']['scores']['last']:.2f} % |" in card
    assert "one run (n = 1)" in card
    assert re.search(r"`accuracy\.last`.* belongs? to these weights, the others do not\.", card)
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

    theirs = folder / "theirs"
    theirs.mkdir()
    save_file({"w": torch.zeros(2)}, theirs / "model.safetensors")
    (theirs / "README.md").write_text("somebody's own")
    refused = command("export", run, "--out", "theirs")
    assert refused.exit_code == 2, "weights that nobody exported are somebody's"
    assert (theirs / "README.md").read_text() == "somebody's own"

    classes = re.search(r"## Classes\n\n(.*?)\n\n##", card, re.DOTALL)
    assert classes is not None
    assert [line.split("|")[1:3] for line in classes[1].splitlines()[2:]] == [
        [f" {name} ", f" {count} "]
        for name, count in zip(range(10), record["per_class"]["images"], strict=True)
    ]
    (run / "result.json").unlink()
    refused = command("export", run)
    assert refused.exit_code == 1
    assert "is no finished run" in refused.stderr


def test_files_beside_an_export_stay(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder may be a checkout of a hub's, or the one that the command is given in."""
    run = trained(folder, "Supervised")
    run, hub = run.absolute(), folder / "hub"
    assert command("export", run, "--out", hub).exit_code == 0
    foreign = {".git/HEAD": "ref", "notes.txt": "mine", "figures/a.svg": "drawn"}
    beside = {".hub.old/kept": "old", ".hub.new/kept": "new"}
    for name, text in foreign.items():
        (hub / name).parent.mkdir(exist_ok=True)
        (hub / name).write_text(text)
    for name, text in beside.items():
        (folder / name).parent.mkdir()
        (folder / name).write_text(text)
    weights = (hub / "model.safetensors").read_bytes()
    (hub / "config.gin").write_text("damaged")
    monkeypatch.chdir(hub)
    done = command("export", run, "--out", ".")
    assert done.exit_code == 0, done.output
    assert {name: (hub / name).read_text() for name in foreign} == foreign
    assert {name: (folder / name).read_text() for name in beside} == beside
    assert (hub / "config.gin").read_bytes() == (run / "operative.gin").read_bytes()
    assert (hub / "model.safetensors").read_bytes() == weights
    assert {path.name for path in hub.iterdir()} == {
        ".git", "notes.txt", "figures", "README.md", "config.gin", "model.safetensors",
    }  # fmt: skip

    def full(*_: Any, **__: Any) -> None:
        raise SafetensorError("no space left on device")

    monkeypatch.setattr("lpa3bench.export.weights.save", full)
    failed = command("export", run, "--out", ".")
    assert failed.exit_code == 1
    assert "could not be written (no space left on device)" in failed.stderr
    assert (hub / "model.safetensors").read_bytes() == weights
    assert not [*hub.glob("*tmp*"), *hub.glob(".*tmp*")]


def test_every_score_of_the_last_epoch_belongs_to_the_weights() -> None:
    plain = small_record([True, False])
    accuracy = plain.metrics["accuracy"]
    area = msgspec.structs.replace(accuracy, scores={"last": 0.6, "val_selected": 0.7})
    nll = msgspec.structs.replace(accuracy, unit="nats", scores={"last": 1.25, "val_selected": None})
    record = changed(plain, metrics={"accuracy": accuracy, "macro_auc": area, "nll": nll})

    def card(record: Record, epoch: int | None = None) -> str:
        return write_card(
            record, networks=["net"], predicts=["net"], faithful=True, spec=SPEC, epoch=epoch, classes=CLASSES
        )

    assert "`accuracy.last` belongs to these weights, the others do not." in card(plain)
    assert "after its last epoch." in card(plain)
    best = card(plain, epoch=7)
    assert "after epoch 7, the best by validation." in best
    assert "`accuracy.val_selected` belongs to these weights, the others do not." in best
    assert [line for line in best.splitlines() if line.startswith(("| cat", "| d"))][:2] == [
        "| cat | 3 | 66.67 % |",
        r"| d\|g |  |  |",
    ]
    assert (
        "`accuracy.last` and `macro_auc.last` and `nll.last` belong to these weights, the others do not."
    ) in card(record)
    told = [line for line in card(record).splitlines() if line.startswith(("| macro", "| nll"))]
    assert told == [
        r"| macro\_auc.last | 60.00 % |",
        r"| macro\_auc.val\_selected | 70.00 % |",
        "| nll.last | 1.25 nats |",
        r"| nll.val\_selected | undefined |",
    ]


def test_licences_are_those_that_their_makers_state() -> None:
    assert "not intended for clinical use" in licences.of("PathMNIST")
    assert "NC" in licences.of("DermaMNIST")
    assert licences.of("CIFAR10") == "its page states no licence"
    assert licences.of("MyOwn") == licences._UNKNOWN
