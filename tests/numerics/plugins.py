"""What the other plugins compute, and what every plugin's parameters are where a config says nothing."""

from __future__ import annotations

import dataclasses
import inspect
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from lpa3bench.api import DatasetSpec, Split, WeakView
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.corruptions import corrupted
from lpa3bench.plugin import registry
from lpa3bench.plugin.hookspecs import KINDS
from lpa3bench.runtime.seeding import Draws, seeded
from lpa3bench.testing import Bystander, TinySet
from lpa3bench.training.training_data import prepare
from lpa3bench.types import CORRUPTIONS
from numerics.fingerprints import Numbers, Scenario, exactly, floats, plugin, size
from numerics.stage import double_net, float64

PLAIN = (int, float, str, bool, type(None), tuple)
LABELS: dict[str, dict[str, Any]] = {
    "Clean": {},
    "SymmetricNoise": {"rate": 0.35},
    "AsymmetricNoise": {"rate": 0.45, "mapping": "cifar10"},
    "PairflipNoise": {"rate": 0.3},
    "FewLabels": {"count": 40},
    "STL10Fold": {},
    "CIFARN": {"variant": "worse"},
    "FromFile": {"path": "labels.npy"},
}
NETWORKS: dict[str, dict[str, Any]] = {
    "SmallNet": {},
    "WideResNet": {"depth": 10, "widen": 1},
    "PreActResNet18": {},
    "ResNet18": {},
    "ResNet34": {},
    "ResNet50": {},
    "TorchvisionNet": {"arch": "shufflenet_v2_x0_5"},
}
"""Those whose numbers are ours, or a base requirement's."""
SPECIFIED = ("num_classes", "channels", "size", "mean", "std", "unlabelled", "weak")
"""The fields that training goes by."""


# ----------------------------------------------------------------------------------------------------- labels
class Counted(TinySet):
    """5,000 images of ten classes, as STL-10's folds want them; nobody looks at the images."""

    @property
    def spec(self) -> DatasetSpec:
        still = WeakView(flip=False, pad=0)
        return DatasetSpec(
            name="Counted", num_classes=10, channels=1, size=2, mean=(0.5,), std=(0.5,), weak=still
        )

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        split = Split(torch.zeros(5000, 1, 2, 2, dtype=torch.uint8), torch.arange(5000) % 10)
        return {"train": split, "test": Split(split.images[:10], split.labels[:10])}


def labelled(name: str) -> Numbers:
    """The labels that a run is given, and what the record says of them."""
    with tempfile.TemporaryDirectory() as folder:
        root, place = Path(folder), np.arange(5000)
        np.save(root / "labels.npy", np.where(place % 3, place % 7, -1))
        np.savez(root / "cifar10n.npz", clean_label=place % 10, worse_label=place % 7)
        (root / "stl10_binary").mkdir()
        folds = [(np.arange(1000) * 5 + fold) % 5000 for fold in range(10)]
        np.savetxt(root / "stl10_binary" / "fold_indices.txt", folds, "%d")
        given = LABELS[name]
        if "path" in given:
            given = {"path": str(root / given["path"])}
        experiment = Experiment(
            task=Bystander(), dataset=Counted(), backbone=double_net, epochs=1, labels=_make(name, **given)
        )
        data = prepare(experiment, root=root, seed=13, device=torch.device("cpu"))
    made = data.label_set
    first = torch.where(made.labelled, made.given, -1)
    info = {key: value for key, value in made.info.items() if key != "confusion"}
    return {"first": first[:40].tolist(), "all": exactly(first), "info": info}


# --------------------------------------------------------------------------------------------------- networks
def network(name: str) -> Numbers:
    """First weights and what they make of two images, in train mode and then in eval mode."""
    with seeded(19), float64():
        net = _make(name, num_classes=7, in_channels=3, **NETWORKS[name])
    parameters = [*net.parameters()]
    numbers: Numbers = {"parameters": sum(p.numel() for p in parameters), "first weights": size(*parameters)}
    x = Draws(20).integers((2, 3, 32, 32), 0, 256).double() / 128 - 1
    with torch.no_grad():
        for mode in (True, False):
            output = net.train(mode)(x)
            name = "training" if mode else "evaluation"
            numbers[f"{name}: logits"] = floats(output.logits)
            numbers |= {f"{name}: features {i}": size(f) for i, f in enumerate(output.features)}
    return numbers


# ------------------------------------------------------------------------------------------ what a class says
def specification(name: str) -> Numbers:
    """What a data set says of itself before it is read."""
    said = dataclasses.asdict(_make(name).spec)
    return {field: said[field] for field in SPECIFIED}


def defaults(cls: Any) -> Numbers:
    """The values that a config gets by not binding them. A value that is no plain one is left out."""
    parameters = inspect.signature(cls).parameters.values()
    return {p.name: repr(p.default) for p in parameters if isinstance(p.default, PLAIN)}


def corruptions() -> Numbers:
    """Each kind, weak and strong, of two small images."""
    images = Draws(29).integers((2, 3, 12, 12), 40, 200).to(torch.uint8)
    return {
        f"{kind} {severity}": corrupted(images, kind, severity)[:, :, 5, 5].flatten().tolist()
        for kind in CORRUPTIONS
        for severity in (1, 5)
    }


def score(name: str) -> Numbers:
    """A metric of predictions that are right three times in four, or so."""
    labels = torch.arange(60) % 4
    probs = (Draws(23).uniform((60, 4)) + torch.nn.functional.one_hot(labels, 4)).double()
    probs = (probs / probs.sum(1, keepdim=True)).float()
    metric = _make(name)
    found = metric.compute(probs, labels)
    return {"number": None if found is None else [found], "detail": metric.detail(probs, labels)}


def scenarios() -> list[Scenario]:
    found = [Scenario(name, "labels", partial(labelled, name)) for name in LABELS]
    found += [Scenario(name, "network", partial(network, name)) for name in NETWORKS]
    for kind in KINDS:
        for entry in registry.load_registry().kind(kind):
            if entry.distribution.partition(" ")[0] != "lpa3bench" or entry.name == "TimmNet":
                continue  # timm need not be here
            if defaults(found_class := entry.load()):
                found.append(Scenario(entry.name, "defaults", partial(defaults, found_class)))
            if entry.name == "Corrupted":
                found.append(Scenario(entry.name, "images", corruptions))
            elif kind == "datasets" and entry.name not in ("Images", "ChestMNIST"):
                found.append(Scenario(entry.name, "specification", partial(specification, entry.name)))
            if kind == "metrics":
                found.append(Scenario(entry.name, "number", partial(score, entry.name)))
    return found


def _make(name: str, **given: Any) -> Any:
    made: Any = plugin(name)
    return made(**given)
