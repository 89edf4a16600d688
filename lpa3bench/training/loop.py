"""The one training loop: from a config to a record on the disk."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch

from lpa3bench.api import Step, Task
from lpa3bench.config.cell import describe_cell
from lpa3bench.errors import BenchError, ConfigError, PluginError, RunFailed, UsageError, blamed
from lpa3bench.plugin.copies import plugin_sources
from lpa3bench.records import Record, compose, write_record
from lpa3bench.records.summary import column, is_scored, selected_epoch
from lpa3bench.runtime import device as devices
from lpa3bench.runtime.distributed import ALONE, Processes
from lpa3bench.runtime.sealed_files import write_arrays
from lpa3bench.runtime.seeding import derive
from lpa3bench.runtime.signals import Interrupts
from lpa3bench.training import identity as identities
from lpa3bench.training.best_epoch import save_best, selected_predictions
from lpa3bench.training.earlier_runs import left_behind
from lpa3bench.training.environment import Environment
from lpa3bench.training.evaluation import evaluate, per_class
from lpa3bench.training.failure_file import recorded_failure
from lpa3bench.training.flops import flop_counter
from lpa3bench.training.history import Ledger, Means
from lpa3bench.training.job import Job, Plan, plan
from lpa3bench.training.metrics_file import JsonLines, restore
from lpa3bench.training.predictions import StoredPredictions, write_predictions
from lpa3bench.training.provenance import provenance
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.training.saved_forms import strange, whose
from lpa3bench.training.scoring import begun_with, details, kinds, scores
from lpa3bench.training.sinks import RunInfo, Sink
from lpa3bench.types import SCORED

CHECK_EVERY = 50
"""Steps between two looks at the device's flags."""
_RESERVED = frozenset({"epoch", "step", "passes", "seconds", "train", *SCORED})
"""Names in a row of the curve that no task may log under, nor with one of them in front of a "/"."""


@dataclass(frozen=True)
class Outcome:
    folder: Path
    record: Record | None
    """None in all processes but the first."""
    already_done: bool


def run(job: Job, sinks: Sequence[Sink] = (), processes: Processes = ALONE) -> Outcome:
    """Train one experiment with one seed, or go on where an earlier process stopped.

    A finished run is not run again. An interrupted one goes on from its last checkpoint and ends with the
    same bits (on a CPU) as if nothing had happened. Of several `processes` all train and the first one alone
    writes, and tells the sinks; the outcome of the others holds no record.

    Raises:
        BenchError: the config, the data or the run is wrong; the message is one line.
        Stopped: a signal came; the last checkpoint is on the disk.
    """
    # ------------------------------------------------------------------------------ what is to be done
    with processes.agreeing():
        planned = _plan(job, processes)
    experiment, data, folder, device = planned.experiment, planned.data, planned.folder, planned.device

    with ExitStack() as held, Interrupts(processes) as interrupts:
        with processes.agreeing():
            if processes.first:
                held.enter_context(folder.locked())
                held.enter_context(recorded_failure(folder))
        # --------------------------------------------------------------------- finished, begun or new?
        if job.fresh and processes.first:
            folder.clear()
        if (record := processes.from_first(planned.record)) is not None:
            if not record.serves(job.purpose):
                raise UsageError(
                    f"{folder.path}: holds {record.no_result}, which is no {job.purpose}; --fresh runs it "
                    "again as one, and another --out leaves it alone"
                )
            return Outcome(folder.path, record, already_done=True)
        checkpoint = processes.from_first(folder.checkpoints.load)
        if checkpoint is not None:
            _check_alike(job, planned, checkpoint, processes)
            # One and two threads add in another order, so a run keeps the number it began with.
            torch.set_num_threads(checkpoint["threads"])

        # ---------------------------------------------------------------------------------- building
        where = _provenance(job, planned, processes)  # of the code that runs, whatever is edited meanwhile
        task: Task = experiment.task
        ledger = Ledger()
        owner: Any = {"identity": planned.identity, "seed": job.seed}
        metrics, selecting = experiment.scored_by, experiment.selecting
        selected = partial(selected_epoch, select=selecting.name, higher_is_better=selecting.higher_is_better)
        devices.seed_generators(device, derive(job.seed, "global"))
        with processes.agreeing():
            env = Environment(
                experiment,
                spec=data.spec,
                store=data.store,
                labels=data.labels,
                seed=job.seed,
                device=device,
                processes=processes,
            )
            with blamed(f"{type(task).__name__}.setup"):
                task.setup(env)
        if checkpoint is not None:
            with _fitting(folder):
                env.load_state_dict(checkpoint["env"])
                task.load_state_dict(checkpoint["task"])
                ledger.load_state_dict(checkpoint["ledger"])
            ledger.resumed_from.append(len(ledger.curve))
            metrics = begun_with(metrics, ledger.curve)
        elif processes.first:
            _write_start(job, planned, where)
            _save(job, planned, env, task, ledger)  # so that a stop in the first epoch leaves one too
        if processes.first:
            restore(folder.metrics, ledger.curve)
        told = (JsonLines(folder.metrics), *sinks) if processes.first else ()
        info = RunInfo(
            run_id=folder.path.name,
            folder=folder.path,
            epochs=experiment.epochs,
            epochs_done=len(ledger.curve),
            phases=task.phases(experiment.epochs),
            summary=data.told(),
            warnings=data.warnings,
            note=left_behind(job, planned) if checkpoint is None and processes.first else None,
        )
        try:
            for sink in told:
                sink.start(info)

            # ------------------------------------------------------------------------------ training
            predicted = None
            for epoch in range(len(ledger.curve), experiment.epochs):
                if processes.size > 1:  # drop-out must not hide the same places in all of them
                    own = derive(job.seed, "global", str(epoch), str(processes.rank))
                    devices.seed_generators(device, own)
                env.clock.epoch = epoch
                env.views.begin_epoch(epoch)
                task.begin_epoch(epoch)
                means: dict[str, Means] = defaultdict(Means)
                mark = time.perf_counter()
                for step in task.batches(epoch):
                    logs = _update(task, env, step, ledger)
                    means[step.phase].add(logs)
                    broken = f"the loss is NaN or infinite (phase {step.phase}); try a lower learning rate"
                    infinite = ~torch.isfinite(logs["loss"])
                    env.alarm.note(broken, infinite, env.clock.step, kind="diverged")
                    env.clock.step += 1
                    mark = ledger.spend(step.phase, since=mark)
                    for sink in told:
                        sink.step(step.phase)
                    if env.clock.step % CHECK_EVERY == 0:
                        with processes.agreeing():
                            env.alarm.check()
                    interrupts.check(f"epoch {epoch + 1} given up; the same command goes on from its start")
                task.end_epoch(epoch)
                with processes.agreeing():
                    env.alarm.check()
                devices.synchronise_device(device)
                mark = ledger.spend(step.phase, since=mark)

                # ---------------------------------------------------------------------------- scoring
                predicted = None
                if is_scored(epoch, experiment.epochs, experiment.score_every):
                    predicted = {split: evaluate(task, env, scored) for split, scored in data.scored.items()}
                scored_as = scores(metrics, predicted) if predicted else {}
                ledger.spend("evaluation", since=mark)
                env.passes.settle(processes)
                row = {
                    "epoch": epoch,
                    **scored_as,
                    "step": env.clock.step,
                    "passes": env.passes.total(),
                    **_read(means, last=step.phase, processes=processes),
                }
                ledger.curve.append(row | {"seconds": ledger.training_seconds})
                if not processes.first:
                    continue
                if predicted and selected(ledger.curve) == epoch:
                    save_best(folder.best, env, task, epoch, predicted, **owner)
                for sink in told:
                    sink.epoch(row)
                _save(job, planned, env, task, ledger)

            # ---------------------------------------------------------------------------- the record
            if predicted is None:  # stopped between the last checkpoint and the record
                predicted = {split: evaluate(task, env, scored) for split, scored in data.scored.items()}
                env.passes.settle(processes)
            if not processes.first:
                return Outcome(folder.path, None, already_done=False)
            test = predicted["test"]
            kept = selected_predictions(folder.best, selected(ledger.curve), predicted, **owner)
            places = {name: its.places for name, its in data.scored.items() if its.places is not None}
            stored = StoredPredictions(predicted, kept, places, data.spec.class_names)
            write_predictions(folder.predictions, stored)
            composed = compose(
                purpose=job.purpose,
                cell=describe_cell(experiment, job.config.names, planned.cell),
                seed=job.seed,
                curve=ledger.curve,
                select=selecting.name,
                metrics=kinds(metrics),
                details=details(metrics, test),
                correct=test.correct.tolist(),
                per_class=per_class(test, data.spec),
                cost=_cost(ledger, env),
                labels={**data.label_set.info, "sha256": data.label_hash, "training_images": env.size},
                protocol={
                    "selection": column("val", selecting.name) if "val" in data.scored else None,
                    "holdout": experiment.holdout,
                    "limit": job.limit,
                    "score_every": experiment.score_every,
                    "changed": [change.name for change in job.config.changed],
                },
                config=job.config.recorded,
                identity=planned.identity,
                provenance=where,
                resumed_from=ledger.resumed_from,
                unused=env.views.unused(),
                warnings=data.warnings,
                data=data.summary.as_record(),
            )
            write_record(folder.result, composed)
            record = Record(composed, folder.result)
            for sink in told:
                sink.finish(record)
        finally:
            for sink in told:
                sink.close()
    return Outcome(folder.path, record, already_done=False)


def _plan(job: Job, processes: Processes) -> Plan:
    """What is to be done, if so many processes can."""
    planned = plan(job)
    if processes.size > 1 and (reason := planned.experiment.unshared()) is not None:
        raise ConfigError(reason)
    return planned


@contextmanager
def _fitting(folder: RunDirectory) -> Iterator[None]:
    """A state that does not fit what it is loaded into becomes one line."""
    try:
        yield
    except BenchError:
        raise
    except Exception as error:  # a plugin's own, too
        why = " ".join(f"{type(error).__name__}: {error}".split())[:200]
        raise RunFailed(
            f"{folder.path}: its checkpoint does not fit what its config builds ({why}); "
            "start over with --fresh",
            kind="damaged",
        ) from error


def _check_alike(job: Job, planned: Plan, checkpoint: dict[str, Any], processes: Processes) -> None:
    """A run goes on as it began: by the same code and config; other devices, or more processes, round in
    other places."""
    folder = planned.folder
    written = processes.from_first(lambda: identities.identity_as_json(folder.beginning().identity))
    for held in (checkpoint.get("identity"), written):
        if changed := identities.identity_changes(held, planned.identity):
            raise RunFailed(f"{folder.path}: was begun as another run ({changed}); start over with --fresh")
    if changed := strange(checkpoint, planned.identity, job.seed):
        raise RunFailed(
            f"{folder.path}: has a checkpoint of another run ({changed}); start over with --fresh"
        )
    began, size = checkpoint["device"], checkpoint["world_size"]
    if began != planned.device.type:
        raise RunFailed(f"{folder.path}: began with --device {began}; take that, or start over with --fresh")
    if size != processes.size:
        raise RunFailed(
            f"{folder.path}: began with {size} process{'es' if size > 1 else ''}, not {processes.size}; "
            f"start {size} (torchrun --nproc-per-node), or start over with --fresh"
        )


def _update(task: Task, env: Environment, step: Step, ledger: Ledger) -> dict[str, Any]:
    """One step of the task, and what there is to log of it.

    The first step of each phase has its floating-point operations counted.
    """
    ledger.count(step.phase, env.total(sum(len(batch.index) for batch in step.batches)))
    counter = None if step.phase in ledger.flops else flop_counter()
    env.views.info.clear()
    with blamed(f"step {env.clock.step}: {type(task).__name__}.update"), counter or nullcontext():
        logs = task.update(step, env.views)
    if counter is not None:
        ledger.flops[step.phase] = sum(env.processes.objects(counter.get_total_flops()))
    taken = sorted(name for name in logs if name.partition("/")[0] in _RESERVED)
    if "loss" not in logs or taken:
        wrong = f"logs {', '.join(taken)}, a name of the engine's" if "loss" in logs else "logs no loss"
        raise PluginError(f"{type(task).__name__}.update {wrong}")
    if step.phase in SCORED:  # its losses would stand among the scores: "test/loss"
        raise PluginError(
            f"{type(task).__name__}.phases: a phase cannot be called {step.phase}, like a split"
        )
    return logs | env.views.info


def _read(means: Mapping[str, Means], *, last: str, processes: Processes) -> dict[str, float | None]:
    """The means of an epoch: plain names for its last phase, `<phase>/<name>` for those before."""
    return {
        name if phase == last else f"{phase}/{name}": value
        for phase, logged in means.items()
        for name, value in logged.read(processes).items()
    }


# -------------------------------------------------------------------------------------- files of a run
def _write_start(job: Job, planned: Plan, where: Mapping[str, Any]) -> None:
    """What is known before the first step."""
    folder, made = planned.folder, planned.data.label_set
    folder.clear()
    heading = "# The files as they were given; operative.gin is the one to run again.\n"
    folder.write_text(folder.config, heading + job.config.source)
    folder.write_text(folder.operative, job.config.operative)
    for copy in plugin_sources(job.config.plugins).values():
        copy.write(folder.path)
    folder.write_beginning(planned.identity, job.seed, where, job.purpose, planned.data.spec)
    labels = {
        "given": made.given.numpy(),
        "labelled": made.labelled.numpy(),
        "index": planned.data.index.numpy(),
    }
    write_arrays(folder.labels, labels)


def _save(job: Job, planned: Plan, env: Environment, task: Task, ledger: Ledger) -> None:
    """A checkpoint at the end of an epoch."""
    state = {
        **whose(planned.identity, job.seed),
        "env": env.state_dict(),
        "task": task.state_dict(),
        "ledger": ledger.state_dict(),
        "threads": torch.get_num_threads(),
        "device": env.device.type,
        "world_size": env.processes.size,
    }
    planned.folder.checkpoints.save(len(ledger.curve), state)


# ------------------------------------------------------------------------------------- parts of a record
def _cost(ledger: Ledger, env: Environment) -> dict[str, Any]:
    """What the run took. The augmenters' share is that of their own passes and of the losses they add."""
    total = env.passes.total()
    return {
        **ledger.as_record(),
        "passes": env.passes.as_record(),
        "forward_equivalents": total,
        "augmenter_share": env.passes.of_slots() / total if total else None,
        "peak_memory_bytes": devices.peak_memory(env.device),
    }


def _provenance(job: Job, planned: Plan, processes: Processes) -> dict[str, Any]:
    """Where the numbers come from."""
    return provenance(
        job.config.plugins,
        device=planned.device,
        precision=planned.experiment.precision,
        world_size=processes.size,
    )
