"""What labels make of images that come without one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.label_contexts import context

from lpa3bench.api import Labels
from lpa3bench_plugins.labels.clean import Clean
from lpa3bench_plugins.labels.fewlabels import FewLabels
from lpa3bench_plugins.labels.fromfile import FromFile
from lpa3bench_plugins.labels.noise import AsymmetricNoise, PairflipNoise, SymmetricNoise

CLEAN = torch.tensor([0, 1, 2, 2, 1, 0, -1, -1, -1])


def test_clean_labels_leave_them_without() -> None:
    made = Clean().apply(CLEAN, context(3))
    assert torch.equal(made.given, CLEAN)
    assert made.labelled.tolist() == [True] * 6 + [False] * 3
    assert made.info["labelled"] == 6
    assert made.info["confusion"] == [[2, 0, 0], [0, 2, 0], [0, 0, 2]]


@pytest.mark.parametrize("seed", range(5))
def test_few_labels_are_never_theirs(seed: int) -> None:
    made = FewLabels(count=3).apply(CLEAN, context(3, seed))
    assert sorted(CLEAN[made.labelled].tolist()) == [0, 1, 2]
    assert (made.given[6:] == -1).all()


@pytest.mark.parametrize(
    "labels",
    [SymmetricNoise(rate=0.5), PairflipNoise(rate=0.5), AsymmetricNoise(rate=0.5, mapping=(1, 2, 0))],
)
def test_noise_is_refused(labels: Labels) -> None:
    with pytest.raises(ValueError, match="there is no label to change on 3 images that come without one"):
        labels.apply(CLEAN, context(3))


def test_a_file_may_give_them_labels(tmp_path: Path) -> None:
    """Nobody knows whether those are right: the rate is that of the others."""
    np.save(tmp_path / "labels.npy", [0, 2, 2, 2, -1, 0, 1, -1, 2])
    labels = FromFile(path=str(tmp_path / "labels.npy"))
    made = labels.apply(CLEAN, context(3))
    assert made.labelled.tolist() == [True] * 4 + [False, True, True, False, True]
    assert made.info["labelled"] == 7
    assert made.info["confusion"] == [[2, 0, 0], [0, 0, 1], [0, 0, 2]]
    assert made.info["realised_rate"] == 0.2
