"""Every task trains where one image is left over, on a network that ends in maps of one place."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from support.point_network import PointNet

from lpa3bench.api import Task, TrainLabels
from lpa3bench.config.experiment import Experiment
from lpa3bench.testing import Hard, TinyNet, TinySet, environment
from lpa3bench.testing.short_training import steps
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.tasks.dividemix import DivideMix
from lpa3bench_plugins.tasks.elr import ELR
from lpa3bench_plugins.tasks.fixmatch import FixMatch
from lpa3bench_plugins.tasks.mcorrection import MCorrection
from lpa3bench_plugins.tasks.mixup import Mixup
from lpa3bench_plugins.tasks.pcorrection import PCorrection
from lpa3bench_plugins.tasks.pes import PES
from lpa3bench_plugins.tasks.sop import SOP
from lpa3bench_plugins.tasks.supervised import Supervised

IMAGES = 17


def set_up_with_one_left(task: Task, backbone: type[TinyNet] = PointNet, **slots: Hard) -> Environment:
    """The task on 17 of the tiny set's images."""
    env = environment(Experiment(task=task, dataset=TinySet(), backbone=backbone, epochs=3, **slots))
    env.size = IMAGES
    env.labels = TrainLabels(*(part[:IMAGES] for part in env.labels))
    task.setup(env)
    return env


PASSES: dict[str, Callable[[], Task]] = {
    "Supervised": lambda: Supervised(batch_size=8),
    "Mixup": lambda: Mixup(batch_size=8),
    "MCorrection": lambda: MCorrection(batch_size=8, bootstrap_epoch=1, soft_epoch=2, variant="md_dyr_sh"),
    "MCorrection, hard": lambda: MCorrection(batch_size=8, bootstrap_epoch=1),
    "PCorrection": lambda: PCorrection(batch_size=8, correction_epoch=1, final_epoch=2, milestones=()),
    "ELR": lambda: ELR(batch_size=8),
    "SOP": lambda: SOP(batch_size=8),
    "DivideMix": lambda: DivideMix(batch_size=4, warmup_epochs=1),
}
"""They go over all images: 17 in batches of 8."""
DRAWS: dict[str, Callable[[], Task]] = {
    "PES": lambda: PES(batch_size=8, warmup_epochs=1, head_epochs=1),
    "FixMatch": lambda: FixMatch(batch_size=1, mu=8, steps_per_epoch=3),
    "FixMatch, alone": lambda: FixMatch(batch_size=1, mu=1, steps_per_epoch=3),
}
"""Their batches are full."""


def trained(task: Task, env: Environment) -> list[list[int]]:
    """Of each epoch, how many images the (first) batch of each step has. Every loss is finite."""
    lengths = []
    for epoch in range(3):
        seen = [(step, logs["loss"]) for step, logs in steps(env, task, epoch)]
        assert torch.stack([loss for _, loss in seen]).isfinite().all()
        lengths.append([len(step.batches[0].index) for step, _ in seen])
    return lengths


@pytest.mark.parametrize("name", PASSES)
def test_the_image_that_is_left_over_joins_the_batch_before(name: str) -> None:
    task = PASSES[name]()
    env = set_up_with_one_left(task)
    planned = task.phases(3)[0].steps_per_epoch
    first, *later = trained(task, env)
    assert first == [8, 9]
    assert planned == 2
    if name != "DivideMix":  # which goes over a part of them later
        assert later == [[8, 9], [8, 9]]


@pytest.mark.parametrize("name", DRAWS)
def test_no_image_is_left_over_where_batches_are_full(name: str) -> None:
    task = DRAWS[name]()
    assert {length for epoch in trained(task, set_up_with_one_left(task)) for length in epoch} <= {8, 4, 1}


@pytest.mark.parametrize("domain", ["aux", "main"])
@pytest.mark.parametrize("name", [*PASSES, *DRAWS])
def test_a_single_positive_is_trained_on(name: str, domain: str) -> None:
    task = (PASSES | DRAWS)[name]()
    hard = Hard(share=0.12, domain=domain)  # type: ignore[arg-type]
    trained(task, set_up_with_one_left(task, positives=hard))


@pytest.mark.parametrize("name", ["Supervised", "DivideMix"])
def test_where_a_network_can_take_one_image_nothing_joins(name: str) -> None:
    """So runs of before end with the numbers that they ended with."""
    task = PASSES[name]()
    env = set_up_with_one_left(task, backbone=TinyNet)
    first, *_ = trained(task, env)
    assert first == [8, 8, 1]
