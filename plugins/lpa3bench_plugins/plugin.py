"""Registers our plugins by name; a class is imported when a config names it."""

from __future__ import annotations

from lpa3bench import hookimpl
from lpa3bench.hookspecs import Register

HERE = "lpa3bench_plugins"

# The multi-class, binary and ordinal 2-D sets of MedMNIST; ChestMNIST is multi-label and refused by name.
MEDMNIST = (
    "BloodMNIST", "BreastMNIST", "ChestMNIST", "DermaMNIST", "OCTMNIST", "OrganAMNIST", "OrganCMNIST",
    "OrganSMNIST", "PathMNIST", "PneumoniaMNIST", "RetinaMNIST", "TissueMNIST",
)  # fmt: skip


@hookimpl
def register_tasks(register: Register) -> None:
    register("Supervised", f"{HERE}.tasks.supervised:Supervised")
    register("PES", f"{HERE}.tasks.pes:PES")


@hookimpl
def register_augmenters(register: Register) -> None:
    register("LPA3", f"{HERE}.augmenters.lpa3:LPA3")
    register("RandAugment", f"{HERE}.augmenters.randaugment:RandAugment")
    register("Identity", f"{HERE}.augmenters.identity:Identity")


@hookimpl
def register_backbones(register: Register) -> None:
    register("SmallNet", f"{HERE}.backbones.smallnet:SmallNet")
    register("WideResNet", f"{HERE}.backbones.wideresnet:WideResNet")
    register("PreActResNet18", f"{HERE}.backbones.preactresnet:PreActResNet18")
    register("ResNet18", f"{HERE}.backbones.resnet:ResNet18")
    register("ResNet50", f"{HERE}.backbones.resnet:ResNet50")


@hookimpl
def register_datasets(register: Register) -> None:
    register("Digits", f"{HERE}.datasets.digits:Digits")
    register("FashionMNIST", f"{HERE}.datasets.fashion:FashionMNIST")
    register("CIFAR10", f"{HERE}.datasets.cifar:CIFAR10")
    register("CIFAR100", f"{HERE}.datasets.cifar:CIFAR100")
    register("Synthetic", f"{HERE}.datasets.synthetic:Synthetic")
    for name in MEDMNIST:
        register(name, f"{HERE}.datasets.medmnist:{name}")


@hookimpl
def register_labels(register: Register) -> None:
    register("Clean", f"{HERE}.labels.clean:Clean")
    register("SymmetricNoise", f"{HERE}.labels.noise:SymmetricNoise")
    register("AsymmetricNoise", f"{HERE}.labels.noise:AsymmetricNoise")
    register("PairflipNoise", f"{HERE}.labels.noise:PairflipNoise")
    register("FewLabels", f"{HERE}.labels.fewlabels:FewLabels")
    register("FromFile", f"{HERE}.labels.fromfile:FromFile")
