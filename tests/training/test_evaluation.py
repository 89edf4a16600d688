"""How a task predicts a split."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lpa3bench.api import DatasetSpec
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.image_store import ImageStore
from lpa3bench.testing import Bystander, TinyNet, TinySet, assert_same, environment, weights_of
from lpa3bench.training.evaluation import BATCH, evaluate, per_class
from lpa3bench.training.predictions import Predictions
from lpa3bench.training.training_data import Scored
from lpa3bench.types import STILL


class ByBrightness(Bystander):
    """Calls an image by its first pixel, and runs the network to be seen doing it."""

    def setup(self, env: Any) -> None:
        self.env = env
        self.net = env.model("net")
        self.batches_seen: list[int] = []

    def predict(self, x: Tensor) -> Tensor:
        assert not torch.is_grad_enabled()
        assert not any(m.training for m in self.net.modules())
        self.env.logits(self.net, x)
        self.batches_seen.append(len(x))
        return torch.nn.functional.one_hot((x[:, 0, 0, 0] * 255).round().long(), 3).double()


def split(count: int, wrong: int) -> Scored:
    """Images whose first pixel is their label; of the first `wrong` images it is another class."""
    labels = torch.arange(count) % 3
    images = torch.zeros(count, 3, 8, 8, dtype=torch.uint8)
    images[:, 0, 0, 0] = ((labels + (torch.arange(count) < wrong)) % 3).to(torch.uint8)
    return Scored(ImageStore(images, STILL, "cpu"), labels)


@pytest.mark.parametrize("count", [7, BATCH, 2 * BATCH + 1])
def test_every_image_is_scored_once_and_in_order(count: int) -> None:
    task = ByBrightness()
    env = environment(Experiment(task=task, dataset=TinySet(), backbone=TinyNet, epochs=1))
    task.setup(env)
    before, modes = weights_of(env.models["net"]), [m.training for m in env.models["net"].modules()]
    predicted = evaluate(task, env, split(count, wrong=3))
    assert predicted.correct.tolist() == [False] * 3 + [True] * (count - 3)
    assert predicted.labels.tolist() == [place % 3 for place in range(count)]
    assert predicted.probs.shape == (count, 3)
    assert predicted.probs.dtype == torch.float32
    assert sum(task.batches_seen) == count
    assert max(task.batches_seen) <= BATCH
    assert_same(weights_of(env.models["net"]), before)  # running statistics among them
    assert [m.training for m in env.models["net"].modules()] == modes
    assert torch.is_grad_enabled()
    assert env.passes.counts == {"evaluation": [count, 0, 0]}
    assert env.passes.total() == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 5)), min_size=1, max_size=30))
def test_accuracies_of_the_classes_add_up(images: list[tuple[int, int]]) -> None:
    labels, said = (torch.tensor(column) for column in zip(*images, strict=True))
    spec = DatasetSpec(name="six", num_classes=6, channels=1, size=8, mean=(0.5,), std=(1.0,))
    found = per_class(Predictions(torch.eye(6)[said], labels), spec)
    assert found.shares[5] is None, "a class without images has no accuracy"
    assert found.images == tuple(torch.bincount(labels, minlength=6).tolist())
    assert found.names == ()
    right = [share * n for share, n in zip(found.shares, found.images, strict=True) if share is not None]
    assert sum(right) == pytest.approx(int((said == labels).sum()))
    for share, n in zip(found.shares, found.images, strict=True):
        assert (share is None) == (n == 0)
