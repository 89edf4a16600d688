"""Registers our plugins by name; a class is imported when a config names it."""

from __future__ import annotations

from lpa3bench import hookimpl
from lpa3bench.plugin.hookspecs import Register

HERE = "lpa3bench_plugins"

# The multi-class, binary and ordinal 2-D sets of MedMNIST; ChestMNIST is multi-label and refused by name.
_MEDMNIST = (
    "BloodMNIST", "BreastMNIST", "ChestMNIST", "DermaMNIST", "OCTMNIST", "OrganAMNIST", "OrganCMNIST",
    "OrganSMNIST", "PathMNIST", "PneumoniaMNIST", "RetinaMNIST", "TissueMNIST",
)  # fmt: skip


@hookimpl
def register_tasks(register: Register) -> None:
    register("Supervised", f"{HERE}.tasks.supervised:Supervised")
    register("FixMatch", f"{HERE}.tasks.fixmatch:FixMatch")
    register("Mixup", f"{HERE}.tasks.mixup:Mixup")
    register("MCorrection", f"{HERE}.tasks.mcorrection:MCorrection")
    register("PCorrection", f"{HERE}.tasks.pcorrection:PCorrection")
    register("ELR", f"{HERE}.tasks.elr:ELR")
    register("SOP", f"{HERE}.tasks.sop:SOP")
    register("DivideMix", f"{HERE}.tasks.dividemix:DivideMix")
    register("PES", f"{HERE}.tasks.pes:PES")


@hookimpl
def register_augmenters(register: Register) -> None:
    register("LPA3", f"{HERE}.augmenters.lpa3:LPA3")
    register("LPA3Fast", f"{HERE}.augmenters.lpa3fast:LPA3Fast")
    register("PGD", f"{HERE}.augmenters.pgd:PGD")
    register("VAT", f"{HERE}.augmenters.vat:VAT")
    register("RandAugment", f"{HERE}.augmenters.randaugment:RandAugment")
    register("AugMix", f"{HERE}.augmenters.augmix:AugMix")
    register("InfoMinStyle", f"{HERE}.augmenters.infomin:InfoMinStyle")
    register("Cutout", f"{HERE}.augmenters.cutout:Cutout")
    register("CutMix", f"{HERE}.augmenters.cutmix:CutMix")
    register("Compose", f"{HERE}.augmenters.compose:Compose")
    register("Identity", f"{HERE}.augmenters.identity:Identity")


@hookimpl
def register_backbones(register: Register) -> None:
    register("SmallNet", f"{HERE}.backbones.smallnet:SmallNet")
    register("WideResNet", f"{HERE}.backbones.wideresnet:WideResNet")
    register("PreActResNet18", f"{HERE}.backbones.preactresnet:PreActResNet18")
    register("ResNet18", f"{HERE}.backbones.resnet:ResNet18")
    register("ResNet34", f"{HERE}.backbones.resnet:ResNet34")
    register("ResNet50", f"{HERE}.backbones.resnet:ResNet50")
    register("TorchvisionNet", f"{HERE}.backbones.torchvisionnet:TorchvisionNet")
    register("TimmNet", f"{HERE}.backbones.timmnet:TimmNet")


@hookimpl
def register_datasets(register: Register) -> None:
    register("Digits", f"{HERE}.datasets.digits:Digits")
    register("FashionMNIST", f"{HERE}.datasets.fashion:FashionMNIST")
    register("CIFAR10", f"{HERE}.datasets.cifar:CIFAR10")
    register("CIFAR100", f"{HERE}.datasets.cifar:CIFAR100")
    register("STL10", f"{HERE}.datasets.stl10:STL10")
    register("Images", f"{HERE}.datasets.images:Images")
    register("NuisanceDigits", f"{HERE}.datasets.nuisancedigits:NuisanceDigits")
    register("Synthetic", f"{HERE}.datasets.synthetic:Synthetic")
    register("Corrupted", f"{HERE}.datasets.corrupted:Corrupted")
    for name in _MEDMNIST:
        register(name, f"{HERE}.datasets.medmnist:{name}")


@hookimpl
def register_labels(register: Register) -> None:
    register("Clean", f"{HERE}.labels.clean:Clean")
    register("SymmetricNoise", f"{HERE}.labels.noise:SymmetricNoise")
    register("AsymmetricNoise", f"{HERE}.labels.noise:AsymmetricNoise")
    register("PairflipNoise", f"{HERE}.labels.noise:PairflipNoise")
    register("FewLabels", f"{HERE}.labels.fewlabels:FewLabels")
    register("STL10Fold", f"{HERE}.labels.stl10fold:STL10Fold")
    register("CIFARN", f"{HERE}.labels.cifarn:CIFARN")
    register("FromFile", f"{HERE}.labels.fromfile:FromFile")


@hookimpl
def register_metrics(register: Register) -> None:
    register("Accuracy", f"{HERE}.metrics.accuracy:Accuracy")
    register("BalancedAccuracy", f"{HERE}.metrics.balancedaccuracy:BalancedAccuracy")
    register("MacroAUC", f"{HERE}.metrics.macroauc:MacroAUC")
    register("MacroF1", f"{HERE}.metrics.macrof1:MacroF1")
    register("NLL", f"{HERE}.metrics.nll:NLL")
    register("ECE", f"{HERE}.metrics.ece:ECE")
    register("Brier", f"{HERE}.metrics.brier:Brier")
    register("ConfusionMatrix", f"{HERE}.metrics.confusionmatrix:ConfusionMatrix")


@hookimpl
def register_policies(register: Register) -> None:
    register("FlexMatch", f"{HERE}.policies.flexmatch:FlexMatch")
    register("FreeMatch", f"{HERE}.policies.freematch:FreeMatch")
    register("SoftMatch", f"{HERE}.policies.softmatch:SoftMatch")
