"""The conformance kit: what every plugin must hold to.

Our own plugins pass the same laws as anybody else's: `lpa3bench test-plugin` prints what comes of each, and
the `check_…` functions, for a test of your own, raise AssertionError at the first that does not hold. Each
takes a `make` that builds a fresh plugin, because a law often compares two of them.
"""

from __future__ import annotations

from lpa3bench.testing.augmenters import check_augmenter, try_augmenter
from lpa3bench.testing.backbones import check_backbone, try_backbone
from lpa3bench.testing.datasets import check_dataset, try_dataset
from lpa3bench.testing.differences import assert_same, no_global_randomness, weights_of
from lpa3bench.testing.labels import check_labels, try_labels
from lpa3bench.testing.laws import Finding, Law
from lpa3bench.testing.metrics import check_metric, try_metric
from lpa3bench.testing.policies import check_policy, try_policy
from lpa3bench.testing.short_training import check_resume
from lpa3bench.testing.tasks import check_task, try_task
from lpa3bench.testing.tiny import (
    COUNT,
    SPEC,
    Bystander,
    Hard,
    Noise,
    TinyLabels,
    TinyNet,
    TinySet,
    TinyTask,
    environment,
)

__all__ = [
    "COUNT",
    "SPEC",
    "Bystander",
    "Finding",
    "Hard",
    "Law",
    "Noise",
    "TinyLabels",
    "TinyNet",
    "TinySet",
    "TinyTask",
    "assert_same",
    "check_augmenter",
    "check_backbone",
    "check_dataset",
    "check_labels",
    "check_metric",
    "check_policy",
    "check_resume",
    "check_task",
    "environment",
    "no_global_randomness",
    "try_augmenter",
    "try_backbone",
    "try_dataset",
    "try_labels",
    "try_metric",
    "try_policy",
    "try_task",
    "weights_of",
]
