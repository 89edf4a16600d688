"""What is known of the terms under which data sets are given out: what their makers state, and no more.

Imports nothing.
"""

from __future__ import annotations

_MEDMNIST = "CC BY 4.0, as MedMNIST states; not intended for clinical use"
STATED = {
    "CIFAR10": "its page states no licence",
    "CIFAR100": "its page states no licence",
    "STL10": "its page states no licence; the images were taken from ImageNet",
    "FashionMNIST": "MIT, as its repository states",
    "Digits": "CC BY 4.0, as the UCI repository states (optical recognition of handwritten digits)",
    "NuisanceDigits": "that of Digits, whose images it paints",
    "Corrupted": "that of the data set whose images it corrupts",
    "Synthetic": "made up by the program; nobody's",
    "DermaMNIST": "CC BY-NC 4.0, as MedMNIST states; not intended for clinical use",
    **dict.fromkeys(
        (
            "BloodMNIST",
            "BreastMNIST",
            "ChestMNIST",
            "OCTMNIST",
            "OrganAMNIST",
            "OrganCMNIST",
            "OrganSMNIST",
            "PathMNIST",
            "PneumoniaMNIST",
            "RetinaMNIST",
            "TissueMNIST",
        ),
        _MEDMNIST,
    ),
}
_UNKNOWN = "not known to lpa3bench; ask whoever gave you the data"


def of(dataset: str) -> str:
    """What is known of a data set's licence, by its registered name; plain text."""
    return STATED.get(dataset, _UNKNOWN)
