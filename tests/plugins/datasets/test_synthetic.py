from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lpa3bench_plugins.datasets.synthetic import Synthetic

NOWHERE = Path("nowhere")


@settings(max_examples=30)
@given(st.integers(1, 20), st.integers(1, 4), st.integers(2, 12), st.integers(1, 30), st.integers(0, 9))
def test_any_shape(size: int, channels: int, num_classes: int, train: int, val: int) -> None:
    dataset = Synthetic(size=size, channels=channels, num_classes=num_classes, train=train, val=val, test=7)
    splits = dataset.load(NOWHERE)
    counts = {"train": train, "val": val, "test": 7}
    assert {name: len(split.labels) for name, split in splits.items()} == {
        k: n for k, n in counts.items() if n
    }
    for split in splits.values():
        assert split.images.dtype == torch.uint8
        assert split.images.shape == (len(split.labels), channels, size, size)
        balance = split.labels.bincount(minlength=num_classes)
        assert balance.max() - balance.min() <= 1
    assert dataset.spec.num_classes == num_classes
    assert len(dataset.spec.mean) == dataset.spec.channels == channels


def test_the_seed_and_nothing_else_decides() -> None:
    one, same, longer, other = (
        Synthetic(train=40, val=val, seed=seed).load(NOWHERE)
        for val, seed in ((9, 1), (9, 1), (30, 1), (9, 2))
    )
    assert torch.equal(one["train"].images, same["train"].images)
    assert torch.equal(one["test"].images, longer["test"].images)
    assert not torch.equal(one["train"].images, other["train"].images)
    assert not torch.equal(one["train"].images[:9], one["val"].images)


def test_classes_can_be_told_apart_but_not_from_one_pixel() -> None:
    train, test = Synthetic(size=8, train=500, test=300).load(NOWHERE).values()
    prototypes = torch.stack([train.images[train.labels == y].float().mean(0) for y in range(10)])
    nearest = torch.cdist(test.images.flatten(1).float(), prototypes.flatten(1)).argmin(1)
    assert (nearest == test.labels).float().mean() > 0.95
    one_pixel = (test.images[:, 0, 0, 0].float()[:, None] - prototypes[:, 0, 0, 0]).abs().argmin(1)
    assert (one_pixel == test.labels).float().mean() < 0.5


@pytest.mark.parametrize(
    "parameters",
    [
        {"size": 0},
        {"channels": 0},
        {"num_classes": 1},
        {"train": 0},
        {"val": -1},
        {"test": 0},
        {"seed": -1},
        {"mean": (0.5,)},
        {"std": (0.5, -0.5, 0.5)},
    ],
)
def test_out_of_range(parameters: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=f"^{next(iter(parameters))}: "):
        Synthetic(**parameters)
