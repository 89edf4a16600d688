"""The conformance kit: what every plugin must hold to, as plain functions that raise AssertionError.

Our own plugins pass through the same functions as anybody else's. Each takes a `make` that builds a fresh
plugin, because a law often compares two of them.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lpa3bench.api import (
    Augmenter,
    Backbone,
    Dataset,
    DatasetSpec,
    Labels,
    Output,
    Slot,
    Split,
    Task,
    TrainLabels,
    View,
    WeakView,
)
from lpa3bench.data.images import ImageStore
from lpa3bench.environment import Environment
from lpa3bench.experiment import Experiment
from lpa3bench.seeding import Draws

SPEC = DatasetSpec(
    name="Tiny",
    num_classes=3,
    channels=3,
    size=8,
    mean=(0.5, 0.4, 0.3),
    std=(0.2, 0.3, 0.25),
    weak=WeakView(flip=True, pad=1),
)
COUNT = 48


class TinySet(Dataset):
    """48 noisy images of three classes, made up."""

    @property
    def spec(self) -> DatasetSpec:
        return SPEC

    def load(self, root: Path) -> dict[str, Split]:
        return {name: self._split(seed) for seed, name in enumerate(("train", "test"))}

    def _split(self, seed: int) -> Split:
        labels = torch.arange(COUNT) % SPEC.num_classes
        noise = Draws(seed).integers((COUNT, 3, 8, 8), 0, 150)
        return Split((noise + 50 * labels.view(-1, 1, 1, 1)).to(torch.uint8), labels)


class TinyNet(Backbone):
    """Two stages and a head."""

    def __init__(self, *, num_classes: int, in_channels: int) -> None:
        super().__init__()
        self.stem = self._stage(in_channels, 8, stride=1)
        self.body = self._stage(8, 16, stride=2)
        self.head = nn.Linear(16, num_classes)

    def forward(self, x: Tensor) -> Output:
        first = self.stem(x)
        second = self.body(first)
        return Output(self.head(second.mean((2, 3))), (first, second))

    def stages(self) -> list[nn.Module]:
        return [self.stem, self.body, self.head]

    @staticmethod
    def _stage(in_channels: int, channels: int, stride: int) -> nn.Module:
        conv = nn.Conv2d(in_channels, channels, 3, stride, padding=1)
        return nn.Sequential(conv, nn.BatchNorm2d(channels), nn.LeakyReLU(0.1))


class Bystander(Task):
    """A task with every slot that trains nothing: it stands around an augmenter under test."""

    slots = ("view", "strong", "positives")
    soft_slots = ("view", "strong", "positives")

    def __init__(self, *, batch_size: int = 16) -> None:
        self.batch_size = batch_size

    def setup(self, env: Any) -> None:
        self.net = env.model("net")

    def phases(self, epochs: int) -> Any:
        raise AssertionError("never asked")

    def batches(self, epoch: int) -> Any:
        raise AssertionError("never asked")

    def update(self, step: Any, views: Any) -> Any:
        raise AssertionError("never asked")

    def predict(self, x: Tensor) -> Tensor:
        raise AssertionError("never asked")


def environment(experiment: Experiment, seed: int = 0) -> Environment:
    """The real environment around an experiment on the tiny set, all images labelled."""
    train = TinySet().load(Path())["train"]
    cpu = torch.device("cpu")
    labels = TrainLabels(train.labels, torch.ones(COUNT, dtype=torch.bool))
    store = ImageStore(train.images, SPEC.weak, cpu)
    return Environment(experiment, spec=SPEC, store=store, labels=labels, seed=seed, device=cpu)


@contextmanager
def no_global_randomness() -> Iterator[None]:
    """Fails where the block draws from a global generator of torch, NumPy or Python."""
    import random

    def states() -> tuple[bytes, str, int]:
        # NumPy's legacy state is a tuple with an array in it; its text shows every word.
        legacy = np.random.get_state(legacy=True)
        text = hashlib.sha256(repr([np.asarray(part).tolist() for part in legacy]).encode()).hexdigest()
        return torch.get_rng_state().numpy().tobytes(), text, hash(random.getstate())

    before = states()
    yield
    for name, one, other in zip(("torch", "NumPy", "Python"), before, states(), strict=True):
        assert one == other, f"draws from {name}'s global random generator; draw from ctx.draws"


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """A copy of parameters and buffers."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Two state dicts hold the same bits."""
    assert type(one) is type(other), f"{where}: {type(one).__name__} and {type(other).__name__}"
    if isinstance(one, Tensor):
        assert one.dtype == other.dtype, f"{where}: {one.dtype} and {other.dtype}"
        assert torch.equal(one.nan_to_num(7.0), other.nan_to_num(7.0)), f"{where} differs"
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), f"{where}: {sorted(one)} and {sorted(other)}"
        for key in one:
            assert_same(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), f"{where}: {len(one)} and {len(other)} entries"
        for place, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, where=f"{where}/{place}")
    else:
        assert one == other, f"{where}: {one!r} and {other!r}"


# ------------------------------------------------------------------------------------------- augmenters
def views_of(make: Callable[[], Augmenter], slot: Slot, seed: int = 0, calls: int = 3) -> list[View]:
    """What a fresh augmenter makes of the first batches, through the real guard, which checks it."""
    bound: dict[str, Any] = {slot: make()}
    experiment = Experiment(task=Bystander(), dataset=TinySet(), backbone=TinyNet, epochs=1, **bound)
    env = environment(experiment, seed)
    net = env.models["net"]
    target = nn.functional.one_hot(env.labels.given, SPEC.num_classes).float()
    before, found = weights_of(net), []
    for call in range(calls):
        index = torch.arange(16) + 16 * (call % 3)
        x = env.images(index)
        with no_global_randomness():
            view = env.views(slot, net, x, index=index, target=target[index], pass_no=call // 3)
        assert view is not None
        env.alarm.check()
        env.clock.step += 1
        found.append(view)
    for name, value in weights_of(net).items():
        if ".aux." not in name:
            assert torch.equal(value, before[name]), f"{name} of the model has changed"
    for name, parameter in net.named_parameters():
        assert parameter.requires_grad, f"{name} is left frozen"
        assert parameter.grad is None, f"a gradient is left on {name}"
    assert net.training, "the model is left in eval mode"
    return found


def check_augmenter(make: Callable[[], Augmenter], slot: Slot) -> None:
    """Views are images of the right shape, the model is left alone, and only the seed decides.

    Raises:
        AssertionError: a law does not hold.
        PluginError, RunFailed: what it returned is of the wrong shape, or no image.
    """
    one, again = views_of(make, slot), views_of(make, slot)
    for first, second in zip(one, again, strict=True):
        assert torch.equal(first.x, second.x), "the same seed gives other views"
        assert torch.equal(first.rows, second.rows), "the same seed selects other rows"


# ---------------------------------------------------------------------------------------------- the rest
def check_backbone(make: Callable[..., Backbone]) -> None:
    """Logits and features have the promised shapes, and the stages hold every parameter once."""
    net = make(num_classes=5, in_channels=3)
    output = net(torch.rand(2, 3, 32, 32))
    assert output.logits.shape == (2, 5), f"logits are {list(output.logits.shape)}, not [2, 5]"
    assert output.features, "there is no feature map"
    for feature in output.features:
        assert feature.ndim == 4, "features are maps"
        assert len(feature) == 2, "features belong to the images"
    held = [p for stage in net.stages() for p in stage.parameters()]
    assert len(held) == len({id(p) for p in held}), "two stages share a parameter"
    assert {id(p) for p in held} == {id(p) for p in net.parameters()}, "the stages miss a parameter"
    assert isinstance(net.stages()[-1], nn.Linear), "the last stage is the classification head"


def check_dataset(dataset: Dataset, root: Path) -> None:
    """The data are what the spec says; loading twice gives the same."""
    spec, one, again = dataset.spec, dataset.load(root), dataset.load(root)
    assert {"train", "test"} <= one.keys(), "a data set has at least train and test"
    assert len(spec.mean) == len(spec.std) == spec.channels, "mean and std have one value per channel"
    for name, split in one.items():
        shape = (len(split.labels), spec.channels, spec.size, spec.size)
        assert split.images.dtype == torch.uint8, f"{name}: images are bytes"
        assert split.images.shape == shape, f"{name}: {list(split.images.shape)}, not {list(shape)}"
        assert split.labels.dtype == torch.int64, f"{name}: labels are int64"
        assert int(split.labels.min()) >= 0, f"{name}: a negative label"
        assert int(split.labels.max()) < spec.num_classes, f"{name}: a label beyond the classes"
        assert_same(tuple(split), tuple(again[name]), name)


def check_labels(make: Callable[[], Labels], num_classes: int = 10, count: int = 200) -> None:
    """Labels lie among the classes, the clean ones are left alone, and only the seed decides."""
    clean = torch.arange(count) % num_classes
    given = clean.clone()
    with no_global_randomness():
        one, again = (make().apply(given, num_classes=num_classes, draws=Draws(3)) for _ in range(2))
    assert torch.equal(given, clean), "the clean labels were changed in place"
    assert one.given.shape == one.labelled.shape == clean.shape, "one label for each image"
    known = one.given[one.labelled]
    assert len(known), "no image is labelled"
    assert int(known.min()) >= 0, "a negative label"
    assert int(known.max()) < num_classes, "a label beyond the classes"
    assert torch.equal(one.given, again.given), "the same seed gives other labels"
    assert torch.equal(one.labelled, again.labelled), "the same seed labels other images"


def _epoch(env: Environment, task: Task, epoch: int) -> None:
    """Train for one epoch, as the runner does."""
    env.clock.epoch = epoch
    env.views.begin_epoch(epoch)
    task.begin_epoch(epoch)
    for step in task.batches(epoch):
        task.update(step, env.views)
        env.clock.step += 1
    task.end_epoch(epoch)
    env.alarm.check()


def check_resume(
    make_task: Callable[[], Task],
    make_augmenter: Callable[[], Augmenter] | None = None,
    slot: Slot = "positives",
    epochs: int = 3,
) -> None:
    """Training that is saved and loaded into fresh objects before every epoch ends with the same bits.

    Raises:
        AssertionError: something is missing in `saved`, or cannot be saved.
    """

    def fresh() -> tuple[Environment, Task]:
        bound: dict[str, Any] = {} if make_augmenter is None else {slot: make_augmenter()}
        experiment = Experiment(task=make_task(), dataset=TinySet(), backbone=TinyNet, epochs=epochs, **bound)
        env = environment(experiment)
        experiment.task.setup(env)
        return env, experiment.task

    straight, stopped = fresh(), fresh()
    for epoch in range(epochs):
        _epoch(*straight, epoch)
    for epoch in range(epochs):
        stored = io.BytesIO()
        torch.save([stopped[0].state_dict(), stopped[1].state_dict()], stored)
        stored.seek(0)
        stopped = fresh()
        env_state, task_state = torch.load(stored, weights_only=True)
        stopped[0].load_state_dict(env_state)
        stopped[1].load_state_dict(task_state)
        _epoch(*stopped, epoch)
    assert_same(straight[0].state_dict(), stopped[0].state_dict(), "environment")
    assert_same(straight[1].state_dict(), stopped[1].state_dict(), "task")


def check_task(make: Callable[[], Task], epochs: int = 3) -> None:
    """It trains for some epochs with finite losses, keeps to its phases and predicts probabilities."""
    experiment = Experiment(task=make(), dataset=TinySet(), backbone=TinyNet, epochs=epochs)
    env, task = environment(experiment), experiment.task
    task.setup(env)
    names = {phase.name for phase in task.phases(epochs)}
    before = weights_of(env.models[task.models[0]])
    for epoch in range(epochs):
        task.begin_epoch(epoch)
        for step in task.batches(epoch):
            assert step.phase in names, f"phase {step.phase} was not announced"
            with no_global_randomness():
                logs = task.update(step, env.views)
            assert "loss" in logs, "update returns a loss"
            for name, value in logs.items():
                assert value.ndim == 0, f"{name} is not a 0-d tensor"
                assert bool(torch.isfinite(value)), f"{name} is {value}"
        task.end_epoch(epoch)
    after = weights_of(env.models[task.models[0]])
    assert any(not torch.equal(after[name], before[name]) for name in before), "nothing was trained"
    with env.evaluating():
        probs = task.predict(env.images(torch.arange(5)))
    assert probs.shape == (5, SPEC.num_classes), f"predict returns {list(probs.shape)}"
    assert torch.allclose(probs.sum(1), torch.ones(5), atol=1e-5), "predict returns probabilities"
