"""Scoring."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from lpa3bench.config.experiment import Experiment
from lpa3bench.data.image_store import ImageStore
from lpa3bench.data.training_data import STILL, Scored
from lpa3bench.testing import Bystander, TinyNet, TinySet, assert_same, environment, weights_of
from lpa3bench.training.evaluation import BATCH, evaluate, macro_auc, per_class


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
    scores = evaluate(task, env, split(count, wrong=3))
    assert scores.correct.tolist() == [False] * 3 + [True] * (count - 3)
    assert scores.accuracy == pytest.approx((count - 3) / count)
    assert scores.probs.shape == (count, 3)
    assert scores.probs.dtype == torch.float32
    assert sum(task.batches_seen) == count
    assert max(task.batches_seen) <= BATCH
    assert_same(weights_of(env.models["net"]), before)  # running statistics among them
    assert [m.training for m in env.models["net"].modules()] == modes
    assert torch.is_grad_enabled()
    assert env.passes.counts == {"evaluation": [count, 0, 0]}
    assert env.passes.total() == 0


@given(st.lists(st.tuples(st.integers(0, 4), st.booleans()), min_size=1, max_size=30))
def test_accuracies_of_the_classes_add_up(images: list[tuple[int, bool]]) -> None:
    labels, correct = (torch.tensor(column) for column in zip(*images, strict=True))
    found = per_class(correct, labels, 6)
    assert len(found) == 6
    assert found[5] is None, "a class without images has no accuracy"
    counts = torch.bincount(labels, minlength=6).tolist()
    right = [share * n for share, n in zip(found, counts, strict=True) if share is not None]
    assert sum(right) == pytest.approx(int(correct.sum()))
    for share, n in zip(found, counts, strict=True):
        assert (share is None) == (n == 0)


# ---------------------------------------------------------------------------------------------- macro AUC
def test_macro_auc_is_the_share_of_pairs_in_the_right_order() -> None:
    """Against its definition: how often an image of the class scores above one of the rest, ties by half."""
    generator = torch.Generator().manual_seed(3)
    probs = torch.rand(40, 3, generator=generator).mul(8).round().div(8)  # with ties
    labels = torch.arange(40) % 3
    areas = []
    for label in range(3):
        mine, rest = probs[labels == label, label], probs[labels != label, label]
        above = (mine[:, None] > rest).double() + 0.5 * (mine[:, None] == rest).double()
        areas.append(float(above.mean()))
    assert macro_auc(probs, labels) == pytest.approx(sum(areas) / 3, abs=1e-12)


def test_macro_auc_of_two_classes_is_that_of_either() -> None:
    score = torch.tensor([0.1, 0.4, 0.35, 0.8])
    labels = torch.tensor([0, 0, 1, 1])
    assert macro_auc(torch.stack([1 - score, score], 1), labels) == pytest.approx(0.75)


@pytest.mark.parametrize(
    ("probs", "labels"),
    [
        (torch.rand(4, 3), torch.tensor([0, 0, 1, 1])),  # class 2 has no image
        (torch.rand(4, 1), torch.zeros(4, dtype=torch.int64)),  # nobody else
        (torch.tensor([[torch.nan, 0.0], [0.0, 1.0]]), torch.tensor([0, 1])),
    ],
)
def test_macro_auc_is_none_where_it_is_undefined(probs: Tensor, labels: Tensor) -> None:
    assert macro_auc(probs, labels) is None
