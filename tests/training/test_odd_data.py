"""What is odd about the files of a run stands at its start and in its record."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from lpa3bench import config
from lpa3bench.api import LabelSet, Split
from lpa3bench.boards.building import detail
from lpa3bench.config.experiment import Experiment
from lpa3bench.errors import PluginError
from lpa3bench.plugin import registry
from lpa3bench.testing import COUNT, SPEC, Bystander, TinyNet, TinySet
from lpa3bench.training.job import Job
from lpa3bench.training.loop import run
from lpa3bench.training.sinks import RunInfo, Sink
from lpa3bench.training.training_data import TrainingData, prepare
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
    summary: tuple[str, ...]

    def start(self, info: RunInfo) -> None:
        self.warnings = info.warnings
        self.summary = info.summary


class Unofficial(TinySet):
    def unofficial(self, root: Path) -> str | None:
        return "a.bin: another MD5"


class Incomplete(TinySet):
    def warnings(self, root: Path) -> tuple[str, ...]:
        return ("2 files are passed over", "another is gone")


class Leaking(TinySet):
    """Three of the test images are training images."""

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        splits = super().load(root, cache=cache)
        splits["test"].images[:3] = splits["train"].images[5:8]
        return splits

    def found(self, root: Path) -> dict[str, dict[str, int]]:
        return {"passed over": {".gif": 2}}


def prepared(
    root: Path, dataset: TinySet, labels: FromFile | None = None, holdout: int = 0, limit: int | None = None
) -> TrainingData:
    experiment = Experiment(
        task=Bystander(), dataset=dataset, labels=labels, backbone=TinyNet, epochs=1, holdout=holdout
    )
    return prepare(experiment, root=root, seed=0, device=torch.device("cpu"), limit_to=limit)


def warnings(root: Path, dataset: TinySet, labels: FromFile | None = None) -> tuple[str, ...]:
    return prepared(root, dataset, labels).warnings


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
    agreement = "0 of 16 labels (0.0 %) agree with the data set's own"
    assert told.summary == (f"FromFile: labels.txt, in the order of the images; {agreement}",)
    assert record is not None
    assert record.data.flags == told.warnings
    images = record.data.data["images"]
    assert (images["train"], sum(images["test"])) == (clean.bincount(minlength=10).tolist(), 8)
    assert record.data.data["duplicates"] == {"test in train": 0}
    assert detail(record)["flags"] == [*told.warnings], "boards show it"


def test_the_official_data_are_not_worth_a_word(tmp_path: Path) -> None:
    assert warnings(tmp_path, TinySet()) == ()
    assert warnings(tmp_path, Unofficial()) == ("the data are not the official Tiny (a.bin: another MD5)",)


def test_what_a_data_set_warns_of_starts_with_its_name(tmp_path: Path) -> None:
    assert warnings(tmp_path, Incomplete()) == (
        "Tiny: 2 files are passed over",
        "Tiny: another is gone",
    )


def test_images_in_two_splits_are_counted_for_every_data_set(tmp_path: Path) -> None:
    made = prepared(tmp_path, Leaking())
    tested = len(TinySet().load(tmp_path)["test"].labels)
    line = f"Tiny: 3 of {tested} test images have the pixels of training images"
    assert made.warnings == (line,)
    assert made.summary.duplicates == {"test in train": 3}
    assert made.told()[1:] == ("Tiny: passed over: 2 .gif",)
    assert prepared(tmp_path, Leaking(), limit=4).summary == made.summary, "of the whole data set"


def test_held_out_images_are_a_split_of_their_own(tmp_path: Path) -> None:
    made = prepared(tmp_path, Leaking(), holdout=COUNT - 4)
    assert {split: sum(of) for split, of in made.summary.images.items()}["train"] == 4
    places = [*range(5, 8)]
    kept = sum(place in made.index.tolist() for place in places)
    assert made.summary.duplicates == {"val in train": 0, "test in train": kept, "test in val": 3 - kept}
    assert kept < 3


def test_what_a_data_set_says_it_found_are_counts(tmp_path: Path) -> None:
    class Talkative(TinySet):
        def found(self, root: Path) -> dict[str, dict[str, int]]:
            return {"passed over": {".gif": "many"}}  # type: ignore[dict-item]

    with pytest.raises(PluginError, match=r"Talkative\.found failed \(ValidationError: Expected `int`"):
        prepared(tmp_path, Talkative())


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
