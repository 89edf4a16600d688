"""What is odd about the files of a run stands at its start and in its record."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lpa3bench import config
from lpa3bench.api import LabelSet
from lpa3bench.boards.building import detail
from lpa3bench.config.experiment import Experiment
from lpa3bench.plugin import registry
from lpa3bench.testing import COUNT, SPEC, Bystander, TinyNet, TinySet
from lpa3bench.training.job import Job
from lpa3bench.training.loop import run
from lpa3bench.training.sinks import RunInfo, Sink
from lpa3bench.training.training_data import prepare
from lpa3bench_plugins.datasets.synthetic import Synthetic
from lpa3bench_plugins.labels.fromfile import FromFile

CONFIG = """
run.task = @tasks.Supervised()
run.dataset = @datasets.Synthetic()
run.labels = @labels.FromFile()
run.backbone = @backbones.SmallNet
run.epochs = 1
FromFile.path = "labels.txt"
Supervised.batch_size = 8
SmallNet.width = 4
Synthetic.size = 8
Synthetic.train = 16
Synthetic.test = 8
"""


class Told(Sink):
    warnings: tuple[str, ...]

    def start(self, info: RunInfo) -> None:
        self.warnings = info.warnings


class Unofficial(TinySet):
    def unofficial(self, root: Path) -> str | None:
        return "a.bin: another MD5"


class Incomplete(TinySet):
    def warnings(self, root: Path) -> tuple[str, ...]:
        return ("2 files are passed over", "1 of 9 test images are training images")


def warnings(root: Path, dataset: TinySet, labels: FromFile | None = None) -> tuple[str, ...]:
    experiment = Experiment(task=Bystander(), dataset=dataset, labels=labels, backbone=TinyNet, epochs=1)
    return prepare(experiment, root=root, seed=0, device=torch.device("cpu")).warnings


def test_a_run_says_so_at_its_start_and_its_record_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Synthetic, "unofficial", Unofficial.unofficial)
    Path("a.gin").write_text(CONFIG)
    clean = Synthetic(size=8, train=16, test=8).load(tmp_path)["train"].labels
    Path("labels.txt").write_text(" ".join(str(int(label + 1) % 10) for label in clean))
    loaded = config.load_config([Path("a.gin")], registry=registry.load_registry())
    told = Told()
    record = run(Job(config=loaded, device="cpu", data=tmp_path, out=Path("runs")), [told]).record
    assert told.warnings == (
        "the data are not the official Synthetic (a.bin: another MD5)",
        "100 % of the labels of labels.txt are not those of Synthetic, as where a file is in another order "
        "than the images",
    )
    assert record is not None
    assert record.data.flags == told.warnings
    assert detail(record)["flags"] == [*told.warnings], "boards show it"


def test_the_official_data_are_not_worth_a_word(tmp_path: Path) -> None:
    assert warnings(tmp_path, TinySet()) == ()
    assert warnings(tmp_path, Unofficial()) == ("the data are not the official Tiny (a.bin: another MD5)",)


def test_what_a_data_set_warns_of_starts_with_its_name(tmp_path: Path) -> None:
    assert warnings(tmp_path, Incomplete()) == (
        "Tiny: 2 files are passed over",
        "Tiny: 1 of 9 test images are training images",
    )


@pytest.mark.parametrize(("wrong", "odd"), [(0, False), (COUNT // 2, False), (2 * COUNT // 3, True)])
def test_labels_are_odd_from_what_a_random_order_gets_wrong(tmp_path: Path, wrong: int, odd: bool) -> None:
    """Of three classes two thirds."""
    clean = TinySet().load(tmp_path)["train"].labels
    given = torch.where(torch.arange(COUNT) < wrong, (clean + 1) % SPEC.num_classes, clean)
    path = tmp_path / "a.txt"
    path.write_text(" ".join(map(str, given.tolist())))
    assert bool(warnings(tmp_path, TinySet(), FromFile(path=str(path)))) is odd


def test_noise_that_was_asked_for_is_not_odd(tmp_path: Path) -> None:
    class Noisy(FromFile):
        def apply(self, clean, ctx):  # type: ignore[no-untyped-def]
            given = (clean + 1) % SPEC.num_classes
            return LabelSet(given, clean >= 0, {"nominal_rate": 1.0, "realised_rate": 1.0})

    assert warnings(tmp_path, TinySet(), Noisy(path="a.txt")) == ()
