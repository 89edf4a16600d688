"""A data set whose test images are corrupted, bound in a config like any other."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
import torch

from lpa3bench import config
from lpa3bench.data.corruptions import corrupted
from lpa3bench.errors import ConfigError
from lpa3bench.plugin import registry
from lpa3bench.types import CORRUPTIONS_VERSION
from lpa3bench_plugins.datasets.corrupted import Corrupted
from lpa3bench_plugins.datasets.synthetic import Synthetic

SMALL = Synthetic(size=12, train=20, val=10, test=10, num_classes=4)
GIN = """
run.task = @tasks.Supervised()
run.backbone = @backbones.SmallNet
run.epochs = 1
run.dataset = @datasets.Corrupted()
Corrupted.of = @datasets.Synthetic()
Corrupted.kind = "{kind}"
Corrupted.severity = 4
Synthetic.size = 12
Synthetic.test = 10
"""


def test_the_test_images_alone_are_corrupted(tmp_path: Path) -> None:
    clean, found = SMALL.load(tmp_path), Corrupted(of=SMALL, kind="fog", severity=5).load(tmp_path)
    for split in ("train", "val"):
        assert torch.equal(found[split].images, clean[split].images)
    assert torch.equal(found["test"].labels, clean["test"].labels)
    assert torch.equal(found["test"].images, corrupted(clean["test"].images, "fog", 5))
    other = Corrupted(of=SMALL, kind="fog", severity=5, seed=1).load(tmp_path)
    assert not torch.equal(found["test"].images, other["test"].images)


def test_it_is_what_the_other_is() -> None:
    found = Corrupted(of=SMALL, kind="snow")
    assert found.spec.name == "Synthetic (snow 3)"
    assert Corrupted.version == CORRUPTIONS_VERSION
    assert (found.spec.size, found.spec.num_classes, found.spec.mean) == (12, 4, SMALL.spec.mean)
    assert found.present(Path()) == SMALL.present(Path())


class Told(Synthetic):
    """It has something to say in every place."""

    train_images = 7

    def verify(self, root: Path) -> dict[str, int]:
        return {str(root): 1}

    def unofficial(self, root: Path) -> str | None:
        return f"{root} is mine"

    def warnings(self, root: Path) -> tuple[str, ...]:
        return (f"{root} is odd",)

    def found(self, root: Path) -> Mapping[str, Mapping[str, int]]:
        return {str(root): {"cats": 2}}

    def download(self, root: Path) -> None:
        (root / "there").touch()


def test_what_the_other_has_to_say_is_said(tmp_path: Path) -> None:
    other = Told(size=12)
    found = Corrupted(of=other, kind="fog")
    assert found.train_images == 7
    for name in ("verify", "unofficial", "warnings", "found", "present"):
        assert getattr(found, name)(tmp_path) == getattr(other, name)(tmp_path), name
    found.download(tmp_path)
    assert (tmp_path / "there").exists()
    assert found.decoder == other.decoder


@pytest.mark.parametrize("severity", [0, 6])
def test_severities_are_1_to_5(severity: int) -> None:
    with pytest.raises(ValueError, match="^severity: must be one of"):
        Corrupted(of=SMALL, kind="fog", severity=severity)


def test_a_config_binds_one_in_the_other(tmp_path: Path) -> None:
    path = tmp_path / "fog.gin"
    path.write_text(GIN.format(kind="fog"))
    dataset = config.load_config([path], registry=registry.load_registry()).experiment().dataset
    assert isinstance(dataset, Corrupted)
    assert (dataset.kind, dataset.severity, dataset.spec.size) == ("fog", 4, 12)
    path.write_text(GIN.format(kind="fogg"))
    with pytest.raises(ConfigError, match="fogg"):
        config.load_config([path], registry=registry.load_registry()).experiment()
