"""What tests/runtime/test_distributed.py starts by torchrun: the same training alone and together.

Every process trains each case twice, in float64: by itself, and with its share of every batch. What differs
is written to the file that the program is given, a list of cases for each process.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from lpa3bench.api import Augmenter, Policy, SlotName, Task, TrainLabels
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.image_store import ImageStore
from lpa3bench.errors import BenchError, DataError, Stopped
from lpa3bench.runtime.distributed import ALONE, Processes, joined
from lpa3bench.runtime.seeding import SharedDraws
from lpa3bench.runtime.signals import Interrupts
from lpa3bench.testing import TinyNet, TinySet
from lpa3bench.training.environment import Environment
from lpa3bench.training.evaluation import evaluate
from lpa3bench.training.history import Means
from lpa3bench.training.training_data import Scored
from lpa3bench.types import STILL
from lpa3bench_plugins.augmenters.compose import Compose
from lpa3bench_plugins.augmenters.cutout import Cutout
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.augmenters.randaugment import RandAugment
from lpa3bench_plugins.policies.flexmatch import FlexMatch
from lpa3bench_plugins.policies.softmatch import SoftMatch
from lpa3bench_plugins.tasks.fixmatch import FixMatch
from lpa3bench_plugins.tasks.supervised import Supervised
from support.small_runs import steps

CPU = torch.device("cpu")


class Double(ImageStore):
    """Images in float64; what is made of them is then in float64 too."""

    def weak(self, index: Tensor, draws: Any) -> Tensor:
        return super().weak(index, draws).double()

    def plain(self, index: Tensor) -> Tensor:
        return super().plain(index).double()


class Plain(TinyNet):
    """Without BatchNorm."""

    @staticmethod
    def _stage(in_channels: int, channels: int, stride: int) -> nn.Module:
        return nn.Sequential(nn.Conv2d(in_channels, channels, 3, stride, padding=1), nn.LeakyReLU(0.1))


@dataclass(frozen=True)
class Case:
    """A training to be done alone and together."""

    task: Callable[[], Task]
    slots: Callable[[], dict[SlotName, Augmenter]] = dict
    backbone: type[TinyNet] = Plain
    steps: int = 4


def lpa3(**options: Any) -> Callable[[], dict[SlotName, Augmenter]]:
    return lambda: {"positives": LPA3(iterations=2, **options)}


def supervised(batch_size: int = 16) -> Callable[[], Task]:
    return lambda: Supervised(batch_size=batch_size, optimizer="sgd", lr=0.05)


def fixmatch(policy: Policy | None = None) -> Task:
    return FixMatch(
        policy=policy,
        batch_size=6,
        mu=3,
        steps_per_epoch=2,
        lr=0.05,
        threshold=0.35,
        positives_threshold=0.35,
        ema_decay=0.5,
    )


def strong(**more: Augmenter) -> dict[SlotName, Augmenter]:
    bound: Any = {"strong": RandAugment(), **more}
    return bound


CASES = {
    "supervised": Case(supervised()),
    "supervised, adam": Case(lambda: Supervised(batch_size=16)),
    "supervised, odd batches": Case(supervised(21)),
    "supervised, one process without a row": Case(supervised(31), steps=3),
    "supervised, batchnorm": Case(supervised(21), backbone=TinyNet),
    "supervised, batchnorm, no row": Case(supervised(31), lpa3(ratio=1.0), TinyNet, steps=2),
    "supervised, view": Case(supervised(21), lambda: {"view": Compose(augmenters=(RandAugment(), Cutout()))}),
    "supervised, lpa3": Case(supervised(), lpa3(ratio=1.0), steps=2),
    "supervised, lpa3, half": Case(supervised(), lpa3(ratio=0.5), steps=2),
    "supervised, lpa3, half, on": Case(supervised(), lpa3(ratio=0.5), steps=7),
    "supervised, lpa3, one of a batch": Case(supervised(), lpa3(ratio=0.07), TinyNet, steps=4),
    "supervised, lpa3, threshold": Case(supervised(), lpa3(ratio=0.5, select="dataset"), steps=7),
    "supervised, lpa3, batchnorm": Case(supervised(), lpa3(ratio=0.5), TinyNet, steps=4),
    "supervised, composed": Case(
        supervised(), lambda: {"positives": Compose(augmenters=(LPA3(iterations=1, ratio=0.2), Cutout()))}
    ),
    "fixmatch": Case(fixmatch),
    "fixmatch, strong": Case(fixmatch, strong),
    "flexmatch": Case(lambda: fixmatch(FlexMatch(threshold=0.35))),
    "softmatch": Case(lambda: fixmatch(SoftMatch(decay=0.0, target="labelled"))),
    "fixmatch, lpa3": Case(fixmatch, lambda: strong(positives=LPA3(iterations=2, ratio=1.0)), steps=2),
    "fixmatch, lpa3, half": Case(fixmatch, lambda: strong(positives=LPA3(iterations=2, ratio=0.5)), steps=6),
    "fixmatch, lpa3, threshold": Case(
        fixmatch, lambda: strong(positives=LPA3(iterations=2, ratio=0.5, select="dataset")), TinyNet
    ),
    "fixmatch, lpa3 as strong view": Case(
        fixmatch, lambda: {"strong": LPA3(iterations=2, ratio=1.0)}, TinyNet, steps=2
    ),
}


@dataclass
class Trained:
    """What a training has come to."""

    state: dict[str, Tensor] = field(default_factory=dict)
    logs: dict[str, float | None] = field(default_factory=dict)
    passes: dict[str, Any] = field(default_factory=dict)
    rows: list[int] = field(default_factory=list)
    """Of each step, here."""


def train(case: Case, processes: Processes) -> Trained:
    task, tiny = case.task(), TinySet()
    split = tiny.load(Path())["train"]
    bound: Any = case.slots()
    experiment = Experiment(
        task=task,
        dataset=tiny,
        backbone=lambda **shape: case.backbone(**shape).double(),
        epochs=9,
        **bound,
    )
    env = Environment(
        experiment,
        spec=tiny.spec,
        store=Double(split.images, tiny.spec.weak, CPU),
        labels=TrainLabels(split.labels, torch.arange(len(split.labels)) % 3 > 0),
        seed=0,
        device=CPU,
        processes=processes,
    )
    task.setup(env)
    done, means = Trained(), Means()
    for step, logs in _first(case.steps, steps(task, env, range(9))):
        means.add(logs | env.views.info)
        done.rows.append(len(step.batches[0].index))
    scored = Scored(Double(split.images, STILL, CPU), split.labels)
    done.state["predictions"] = evaluate(task, env, scored).probs
    done.logs = means.read(processes)
    env.passes.settle(processes)
    done.passes = env.passes.as_record()
    _flatten(env.state_dict() | {"task": task.state_dict(), "passes": {}}, "", done.state)
    return done


def _first(count: int, taken: Iterator[Any]) -> Iterator[Any]:
    for _, item in zip(range(count), taken, strict=False):
        yield item


def _flatten(value: Any, name: str, into: dict[str, Tensor]) -> None:
    """Every tensor and number of a state, by its path; the global generator's is each process's own."""
    if isinstance(value, dict):
        for key, part in value.items():
            if key != "global":
                _flatten(part, f"{name}/{key}", into)
    elif isinstance(value, list | tuple):
        for place, part in enumerate(value):
            _flatten(part, f"{name}/{place}", into)
    elif isinstance(value, Tensor | int | float):
        into[name] = torch.as_tensor(value, dtype=torch.float64)


def compare(case: Case, processes: Processes) -> dict[str, Any]:
    alone, together = train(case, ALONE), train(case, processes)
    assert alone.state.keys() == together.state.keys()
    differences = {
        name: float((value - together.state[name]).abs().max()) if value.numel() else 0.0
        for name, value in alone.state.items()
    }
    return {
        "differences": differences,
        "moved": _moved(case, together),
        "logs": [alone.logs, together.logs],
        "passes": [alone.passes, together.passes],
        "rows": [alone.rows, together.rows],
    }


def _moved(case: Case, trained: Trained) -> float:
    """By how much training has moved the parameters."""
    start = train(Case(case.task, case.slots, case.backbone, steps=0), ALONE).state
    names = [name for name in start if name.startswith("/models/") and "running" not in name]
    return max(float((start[name] - trained.state[name]).abs().max()) for name in names)


def exchanges(processes: Processes) -> dict[str, Any]:
    """What each kind of exchange brings, where the processes have one row, two rows, …"""
    rows = processes.rank + 1
    own = torch.arange(rows) + 10.0 * processes.rank
    some = 0 if processes.first else rows
    grads = [torch.full((2,), float(rows)), torch.full((1,), 10.0 * rows, dtype=torch.float64)]
    processes.average(grads)
    draws = SharedDraws(3, processes)
    return {
        "span": processes.span(rows),
        "gathered": processes.gather(own).tolist(),
        "averaged": [grad.tolist() for grad in grads],
        "weighted": float(processes.weighted(own.mean(), rows)),
        "weighted without a row": float(processes.weighted(own[:some].mean(), some)),
        "highest": processes.highest(rows),
        "from the first": processes.from_first(lambda: processes.rank + 40),
        "cut": [*range(7)][processes.own(7)],
        "uniform": draws.uniform((rows, 2)).tolist(),
        "normal": draws.normal((rows,), like=own.double()).tolist(),
        "integers": draws.integers((rows, 1), 0, 100).tolist(),
        "multinomial": draws.multinomial(torch.ones(rows, 9), 3).tolist(),
        "of all": [draws.permutation(5).tolist(), draws.beta(1, 1), draws.child()],
    }


def endings(processes: Processes) -> list[str]:
    """How all end where the last one alone has a reason."""
    last, told = processes.rank == processes.size - 1, []
    with pytest.raises(BenchError) as failed, processes.agreeing():
        if last:
            raise DataError("one has no data")
    told.append(f"{type(failed.value).__name__} {failed.value.exit_code}: {failed.value}")
    with Interrupts(processes) as interrupts:
        interrupts.check("nothing came")
        if last:
            os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(Stopped) as stopped:
            interrupts.check("here")
    told.append(f"{stopped.value.exit_code}: {stopped.value}")
    return told


def main(out: Path) -> None:
    with joined("cpu") as processes:
        assert processes.size > 1
        found = {
            "cases": {name: compare(case, processes) for name, case in CASES.items()},
            "exchanges": exchanges(processes),
            "endings": endings(processes),
        }
        every = processes.objects(found)
        if processes.first:
            out.write_text(json.dumps(every))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
