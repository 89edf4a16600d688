"""A dry run: one real step of every phase, on made-up images of the right shape, before anything is spent.

`run --dry-run` shows that a config goes through all its phases at full width; `show` forecasts time and
memory from the same steps. No data set is read.
"""

from __future__ import annotations

import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lpa3bench.api import DatasetSpec, LabelContext, Phase, Step, Task, TrainLabels
from lpa3bench.config import Config
from lpa3bench.config.experiment import Experiment
from lpa3bench.data.image_store import ImageStore
from lpa3bench.errors import DataError, RunFailed
from lpa3bench.runtime import device as devices
from lpa3bench.runtime.seeding import Draws
from lpa3bench.training.environment import Environment
from lpa3bench.training.training_data import prepare, training_store
from lpa3bench.types import SLOTS, spans

CPU_BATCH = 8
RATE_GOES_BY = ("run.backbone", "run.layout", "run.precision", *(f"run.{slot}" for slot in SLOTS))
"""Beside the network's own parameters and the size of the images; some augmenters take long and no passes."""
TIMED_SECONDS = 0.25
"""Of a step that can be timed on a machine that does other things too."""
BATCHES = 4
"""Batches that the made-up training set holds."""
_LATE = 10**6
"""The step that a dry run starts at, so that no augmenter is warming up."""


@dataclass(frozen=True)
class PhaseCost:
    """What one step of a phase took."""

    phase: Phase
    seconds: float
    """Wall-clock seconds of the last of the timed steps."""
    passes: float
    """Forward equivalents."""
    loss: float


@dataclass(frozen=True)
class DryRun:
    """One step of every phase."""

    batch_size: int
    """The batch that was tried, at most 8 on a CPU."""
    full_batch_size: int
    parameters: int
    """Of all networks, auxiliary BatchNorm included."""
    phases: tuple[PhaseCost, ...]
    peak_memory: int
    """Bytes at the batch that was tried."""
    full_peak_memory: int
    """Bytes at the full batch, if what the steps added grows linearly."""


def _training_set(
    experiment: Experiment, spec: DatasetSpec, batch: int, device: torch.device
) -> tuple[ImageStore, TrainLabels]:
    """A few batches of noise with labels of the kind that the experiment asks for."""
    count = max(BATCHES * batch, 2 * spec.num_classes)
    draws = Draws(0)
    stored = experiment.dataset.spec.size
    shape = (count, spec.channels, stored, stored)
    images = draws.integers(shape, 0, 256).to(torch.uint8)
    given = torch.arange(count) % spec.num_classes
    labelled = torch.ones(count, dtype=torch.bool)
    if spec.unlabelled or (experiment.labels is not None and experiment.labels.partial):
        labelled[count // 2 :] = False
    store = training_store(images, spec, device, experiment.resize)
    return store, TrainLabels(given.to(device), labelled.to(device))


def forecast(
    config: Config,
    *,
    root: Path,
    device: str = "auto",
    cpu_batch: int = CPU_BATCH,
    rates: dict[str, float] | None = None,
) -> dict[str, Any]:
    """Time and memory that the whole run will take: counted passes, times the seconds of one.

    The seconds are measured once a network, on a few steps of each phase, so the same network and as many
    passes are forecast the same time. On a CPU the batch is small, and doubled while a step is too short to
    be timed well. How many steps there are depends on the data set, so without it only those of a step are
    told.

    Args:
        rates: seconds of a forward equivalent by network, measured before; what is measured is added.

    Returns:
        "phases" (name, seconds_per_step, forward_equivalents_per_step, and where the data set is here steps),
        "hours" of these steps (what a task or the scoring does between steps is not in it; None without the
        data set), "peak_memory_bytes" (scaled likewise), "parameters" and "scaled_from".
    """
    rates = {} if rates is None else rates
    network = _network(config, device)
    done = try_every_phase(config, device=device, repeats=1 if network in rates else 2, cpu_batch=cpu_batch)
    if network not in rates:
        while done.batch_size < done.full_batch_size and _longest(done) < TIMED_SECONDS:
            done = try_every_phase(config, device=device, repeats=2, cpu_batch=2 * done.batch_size)
        passes = sum(cost.passes for cost in done.phases)
        rates[network] = sum(cost.seconds for cost in done.phases) / max(passes, 1.0)
    scale = done.full_batch_size / done.batch_size
    steps = _steps(config, root, device)
    rows: list[dict[str, Any]] = [
        {
            "name": cost.phase.name,
            "seconds_per_step": cost.passes * scale * rates[network],
            "forward_equivalents_per_step": cost.passes * scale,
            "steps": steps.get(cost.phase.name),
        }
        for cost in done.phases
    ]
    seconds = [row["seconds_per_step"] * row["steps"] for row in rows if row["steps"] is not None]
    return {
        "phases": rows,
        "hours": sum(seconds) / 3600 if len(seconds) == len(rows) else None,
        "peak_memory_bytes": done.full_peak_memory,
        "parameters": done.parameters,
        "scaled_from": f"batch {done.batch_size} to {done.full_batch_size}" if scale != 1 else None,
    }


def count_passes(config: Config, *, root: Path, device: str = "cpu", cpu_batch: int = CPU_BATCH) -> float:
    """Forward equivalents of the whole run, counted on one step of each phase; nothing is timed.

    Raises:
        DataError: the data set is neither here nor of known size.
    """
    done = try_every_phase(config, device=device, cpu_batch=cpu_batch)
    steps = _steps(config, root, device)
    if not steps:
        raise DataError(f"{config.experiment().spec.name}: how many images it has is not known")
    scale = done.full_batch_size / done.batch_size
    return sum(cost.passes * scale * steps[cost.phase.name] for cost in done.phases)


def _longest(done: DryRun) -> float:
    return max(cost.seconds for cost in done.phases)


def _network(config: Config, device: str) -> str:
    """What the seconds of a pass go by: the network, what it is given, who makes views, and the device."""
    spec = config.experiment().spec
    names = {value.name: value.text for value in config.values}
    backbone = names["run.backbone"].rpartition(".")[2].rstrip("()")
    parts = [
        f"{name}={text}"
        for name, text in sorted(names.items())
        if name in RATE_GOES_BY or name.rpartition("/")[2].startswith(f"{backbone}.")
    ]
    return " ".join([*parts, f"{spec.channels}x{spec.weak.crop or spec.size}", device])


def _steps(config: Config, root: Path, device: str) -> dict[str, int]:
    """Steps of each phase over the whole run; empty where the data set is neither here nor of known size."""
    experiment, where = config.experiment(), devices.choose_device(device)
    spec, count = experiment.spec, experiment.dataset.train_images
    store, _ = _training_set(experiment, spec, 1, where)
    if count is not None:  # no image is looked at
        labels = _made_up_labels(experiment, count - experiment.holdout, root, where)
    else:
        try:
            labels = prepare(experiment, root=root, seed=0, device=where).labels
        except DataError:
            return {}
    env = Environment(experiment, spec=spec, store=store, labels=labels, seed=0, device=where)
    env.size = len(labels.given)
    experiment.task.setup(env)
    phases = experiment.task.phases(experiment.epochs)
    epochs = spans(phases, experiment.epochs)
    return {phase.name: phase.steps_per_epoch * len(span) for phase, span in zip(phases, epochs, strict=True)}


def _made_up_labels(experiment: Experiment, count: int, root: Path, device: torch.device) -> TrainLabels:
    """Labels of so many images, as many of them labelled as the experiment's labels leave."""
    classes = experiment.spec.num_classes
    clean = torch.arange(count) % classes
    labelled = torch.ones(count, dtype=torch.bool)
    if experiment.labels is not None and experiment.labels.partial:
        ctx = LabelContext(num_classes=classes, draws=Draws(0), root=root, seed=0)
        with suppress(DataError, ValueError):  # of real images only; the steps hardly depend on it
            labelled = experiment.labels.apply(clean, ctx).labelled
    return TrainLabels(clean.to(device), labelled.to(device))


def try_every_phase(
    config: Config, *, device: str = "auto", repeats: int = 1, cpu_batch: int = CPU_BATCH
) -> DryRun:
    """Do `repeats` steps of every phase, each phase where it begins; on a CPU at no larger batch than said.

    Raises:
        ConfigError: the config or the combination of plugins is wrong.
        RunFailed: a step's loss is not finite, or a phase was never reached.
    """
    experiment = config.experiment()
    where = devices.choose_device(device)
    task: Task = experiment.task
    full = task.batch_size
    if where.type == "cpu":
        task.batch_size = min(full, cpu_batch)
    spec = experiment.spec
    store, labels = _training_set(experiment, spec, task.batch_size, where)
    env = Environment(experiment, spec=spec, store=store, labels=labels, seed=0, device=where)
    env.clock.step = _LATE
    task.setup(env)
    phases = task.phases(experiment.epochs)
    before = devices.peak_memory(where)
    costs: list[PhaseCost] = []
    for first in sorted({phase.first_epoch for phase in phases}):
        due = {phase.name: phase for phase in phases if phase.first_epoch == first}
        costs += _enter(task, env, first, due, repeats)
    if missing := [phase.name for phase in phases if phase.name not in {c.phase.name for c in costs}]:
        raise RunFailed(f"{type(task).__name__}: no step of phase {', '.join(missing)} came")
    env.alarm.check()
    peak = devices.peak_memory(where)
    return DryRun(
        batch_size=task.batch_size,
        full_batch_size=full,
        parameters=sum(p.numel() for model in env.models.values() for p in model.parameters()),
        phases=tuple(costs),
        peak_memory=peak,
        full_peak_memory=round(before + (peak - before) * full / task.batch_size),
    )


def _enter(task: Task, env: Environment, epoch: int, due: dict[str, Phase], repeats: int) -> list[PhaseCost]:
    """Steps of the phases that begin in this epoch; steps beyond `repeats` are drawn and passed over."""
    env.clock.epoch = epoch
    env.views.begin_epoch(epoch)
    task.begin_epoch(epoch)
    done: dict[str, list[PhaseCost]] = {name: [] for name in due}
    for step in task.batches(epoch):
        if step.phase in due and len(done[step.phase]) < repeats:
            done[step.phase].append(_timed(task, env, step, due[step.phase]))
        if all(len(costs) >= repeats for costs in done.values()):
            break
    return [costs[-1] for costs in done.values() if costs]


def _timed(task: Task, env: Environment, step: Step, phase: Phase) -> PhaseCost:
    passes = env.passes.total()
    devices.synchronise_device(env.device)
    start = time.perf_counter()
    loss = float(task.update(step, env.views)["loss"])
    seconds = time.perf_counter() - start
    env.clock.step += 1
    if not abs(loss) < float("inf"):
        raise RunFailed(f"phase {phase.name}: the loss of its first step is {loss}", kind="diverged")
    return PhaseCost(phase, seconds, env.passes.total() - passes, loss)
