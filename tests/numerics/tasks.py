"""Every task alone and with LP-A3 in its slots, through all of its phases."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lpa3bench.api import Augmenter, Slot, Task, TrainLabels
from lpa3bench_plugins.policies.flexmatch import FlexMatch
from lpa3bench_plugins.policies.freematch import FreeMatch
from lpa3bench_plugins.policies.softmatch import SoftMatch
from lpa3bench_plugins.tasks import betamixture
from lpa3bench_plugins.tasks.codivide import clean_probability, scaled_losses
from lpa3bench_plugins.tasks.dividemix import DivideMix, refined
from lpa3bench_plugins.tasks.elr import ELR
from lpa3bench_plugins.tasks.fixmatch import FixMatch
from lpa3bench_plugins.tasks.fullylabelled import FullyLabelled
from lpa3bench_plugins.tasks.mcorrection import MCorrection
from lpa3bench_plugins.tasks.mixup import Mixup
from lpa3bench_plugins.tasks.pcorrection import PCorrection
from lpa3bench_plugins.tasks.pes import PES
from lpa3bench_plugins.tasks.sop import SOP
from lpa3bench_plugins.tasks.supervised import Supervised
from numerics.fingerprints import Numbers, Scenario, floats, size
from numerics.stage import DoubleLPA3, begin, few, noisy, trained


class DoubleTargets(FullyLabelled):
    """Mixed in: targets are in double precision."""

    def given(self, index: Tensor) -> Tensor:
        return super().given(index).double()


class DoubleMixup(DoubleTargets, Mixup): ...


class DoublePCorrection(DoubleTargets, PCorrection): ...


class DoubleELR(DoubleTargets, ELR): ...


class DoubleSOP(DoubleTargets, SOP): ...


class DoubleMCorrection(DoubleTargets, MCorrection):
    """So is what turns losses into doubts about labels."""

    def end_epoch(self, epoch: int) -> None:
        super().end_epoch(epoch)
        self.low, self.high, self.table = self.low.double(), self.high.double(), self.table.double()


@dataclass(frozen=True)
class Training:
    """A task with parameters that take it through its phases in a few steps."""

    owner: str
    task: type[Task]
    parameters: dict[str, Any]
    epochs: int = 4
    labels: Callable[[Tensor], TrainLabels] = noisy
    through: tuple[str, ...] = ()


FIXMATCH = {"batch_size": 8, "mu": 2, "steps_per_epoch": 3, "threshold": 0.9, "positives_threshold": 0.8}
WITH_POLICY: dict[str, Any] = {"epochs": 2, "labels": few, "through": ("FixMatch",)}
CORRECTION = {"batch_size": 16, "bootstrap_epoch": 1}
PENCIL = {"batch_size": 16, "correction_epoch": 1, "final_epoch": 2}
STOPPING = {"batch_size": 16, "warmup_epochs": 1, "head_epochs": 1}
TRAININGS = {
    "adam": Training("Supervised", Supervised, {"batch_size": 16}),
    "sgd": Training("Supervised", Supervised, {
        "batch_size": 20, "optimizer": "sgd", "lr": 0.05, "nesterov": True, "weight_decay": 1e-3,
        "milestones": (0.5,), "gamma": 0.3, "positives_weight": 0.5,
    }, epochs=2),
    "released": Training("FixMatch", FixMatch, FIXMATCH, epochs=2, labels=few),
    "curriculum": Training(
        "FlexMatch", FixMatch, FIXMATCH | {"policy": FlexMatch(threshold=0.6)}, **WITH_POLICY
    ),
    "adaptive": Training(
        "FreeMatch", FixMatch, FIXMATCH | {"policy": FreeMatch(decay=0.8, fairness=0.1)}, **WITH_POLICY
    ),
    "soft weights": Training("SoftMatch", FixMatch, FIXMATCH | {
        "policy": SoftMatch(decay=0.8), "hard_labels": False,
    }, **WITH_POLICY),
    "parts": Training("FixMatch", FixMatch, FIXMATCH | {
        "warmup_steps": 2, "temperature": 0.7, "lambda_u": 0.8, "positives_weight": 0.6,
        "labelled_too": False, "bn_chunks": 2, "ema_decay": 0.9,
    }, epochs=2, labels=few),
    "mixup": Training("Mixup", DoubleMixup, {"batch_size": 16, "milestones": (1, 2)}, epochs=3),
    "hard": Training("MCorrection", DoubleMCorrection, CORRECTION | {"milestones": (2,)}, epochs=3),
    "soft": Training("MCorrection", DoubleMCorrection, CORRECTION | {
        "variant": "md_dyr_sh", "soft_epoch": 2, "temperature_epochs": 3, "temperature_last": 0.2,
        "penalty_weight": 0.5,
    }),
    "three stages": Training("PCorrection", DoublePCorrection, PENCIL | {"milestones": (3,)}),
    "paper": Training("PCorrection", DoublePCorrection, PENCIL | {
        "correction_epoch": 0, "final_epoch": 1, "milestones": (2,), "lam": 20.0, "compatibility": "paper",
    }, epochs=2),
    "waves": Training("ELR", DoubleELR, {"batch_size": 16, "restart_epochs": 2}, epochs=3),
    "steps": Training("ELR", DoubleELR, {
        "batch_size": 20, "restart_epochs": 0, "milestones": (1,), "gamma": 0.3, "beta": 0.9, "lam": 7.0,
    }, epochs=2),
    "two views": Training("SOP", DoubleSOP, {"batch_size": 16, "start": 0.1, "lr_u": 3.0}, epochs=2),
    "one view": Training("SOP", DoubleSOP, {
        "batch_size": 20, "lr": 0.05, "lr_v": 3.0, "start": 0.2, "consistency": 0.0, "balance": 0.0,
    }, epochs=2),
    "two networks": Training("DivideMix", DivideMix, {
        "batch_size": 8, "warmup_epochs": 1, "lr_drop_epoch": 2, "loss_history": 2, "ramp_epochs": 2,
        "confidence_penalty": 0.5,
    }, epochs=3),
    "frozen head": Training("PES", PES, STOPPING | {"late_epoch": 2, "ramp_epochs": 2}, epochs=3),
    "trained head": Training("PES", PES, STOPPING | {
        "batch_size": 12, "head_epochs": 2, "frozen_head": False, "max_class_weight": 1.1,
    }, epochs=3),
}  # fmt: skip


def searching(ratio: float) -> Augmenter:
    """LP-A3 with short steps: long ones would multiply what two machines differ by, step after step."""
    return DoubleLPA3(ratio=ratio, margin=0.02, iterations=2, start=0.05, floor=0.1)


def scenarios() -> list[Scenario]:
    """Each training without an augmenter, and with LP-A3 as positives and as the strong view."""
    found = [Scenario("MCorrection", "mixture", mixture), Scenario("DivideMix", "belief", belief)]
    for name, training in TRAININGS.items():
        owner = training.owner
        found.append(Scenario(owner, name, lambda t=training: _train(t, {}), through=training.through))
        for slot, ratio in (("positives", 0.6), ("strong", 1.0)):
            if slot in training.task.slots:
                found.append(
                    Scenario(
                        owner,
                        f"{name}, LPA3 in {slot}",
                        lambda t=training, slot=slot, ratio=ratio: _train(t, {slot: searching(ratio)}),
                        through=("LPA3", *training.through),
                    )
                )
    return found


def heap(low: float, high: float, count: int) -> Tensor:
    """Numbers from `low` to `high`."""
    return torch.linspace(low, high, count, dtype=torch.float64)


def mixture() -> Numbers:
    """M-correction's mixture of two beta distributions: of ordinary losses, and of such that tell nothing."""
    losses = torch.cat([heap(0.1, 1.0, 30), heap(1.5, 4.0, 20)]).square()
    known = betamixture.suspicion(losses)
    narrow = torch.full((6,), 0.25, dtype=torch.float64)
    return {
        "range": floats([float(known.low), float(known.high)]),
        "table": size(known.table),
        "wrong": floats(betamixture.wrong(losses[::7], known)),
        "narrow moments": floats(torch.cat(betamixture.weighted_moments(narrow, torch.ones(2, 6).double()))),
        "equal losses": size(*betamixture.suspicion(torch.ones(8))),
        "before the first fit": size(*betamixture.unknown(torch.device("cpu"))),
    }


def belief() -> Numbers:
    """DivideMix's targets for labels that it half believes, by losses in two heaps."""
    losses = torch.cat([heap(0.1, 0.9, 12), heap(0.8, 2.5, 8)])
    clean = clean_probability(scaled_losses(losses), seed=1)
    given = torch.nn.functional.one_hot(torch.arange(20) % 3, 3).double()
    predicted = heap(-1.0, 2.0, 60).sin().view(20, 3).softmax(1)
    return {
        "clean": floats(clean),
        "targets": floats(refined(given, clean, predicted)),
        "half": floats(refined(given, torch.full((20,), 0.5), predicted)),
    }


def _train(training: Training, slots: dict[Slot, Augmenter]) -> Numbers:
    task = training.task(**training.parameters)
    return trained(task, begin(task, slots, epochs=training.epochs, labels=training.labels))
