"""Small records that hold together, made up in a test: what boards and statistics are tried on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lpa3bench.records import MetricKind, Record, compose
from lpa3bench.records.record_files import record_text, signed
from lpa3bench.records.schema import PerClass, Purpose, RunIdentity
from lpa3bench.records.summary import summarise_curve

CLASSES = 2
ACCURACY = MetricKind("accuracy", "%", True, True, "it is not finite")
NLL = MetricKind("negative log-likelihood", "nats", False, False, "a predicted probability is not finite")
KINDS = {"accuracy": ACCURACY, "nll": NLL}


def small_record(
    correct: Sequence[bool],
    *,
    seed: int = 0,
    task: str = "Supervised",
    dataset: str = "Digits",
    setting: str | None = None,
    slots: Mapping[str, str] | None = None,
    config: Mapping[str, str] | None = None,
    earlier: Sequence[float] = (),
    identity: str = "0",
    passes: float = 1000.0,
    seconds: float = 2.0,
    labels: str = "a",
    data: str = "d",
    limit: int | None = None,
    per_class: Sequence[float | None] | None = None,
    name: str | None = None,
    capability: str | None = "AVX2",
    kind: MetricKind = ACCURACY,
    metric: str = "accuracy",
    last: float | None = None,
    purpose: Purpose = "result",
) -> Record:
    """A record whose last epoch has these test images right.

    Args:
        correct: of the test images; their share is the last accuracy.
        earlier: test scores of the epochs before.
        slots: augmenter by slot.
        config: further values in force.
        passes, seconds: of the whole training, the same share for every epoch.
        labels, data: a hexadecimal digit that stands for the hash.
        identity: another word makes another experiment.
        capability: of the CPU; another one makes other surroundings.
        last: of another metric than accuracy, its number after the last epoch.
    """
    scores = [*earlier, sum(correct) / len(correct) if last is None else last]
    epochs = len(scores)
    slots = dict(slots or {})
    parts = [dataset, task, *([setting] if setting else []), *slots.values()]
    made = compose(
        cell={
            "name": name or "-".join(parts).lower(),
            "task": task,
            "dataset": dataset,
            "labels": "Clean",
            "backbone": "SmallNet",
            "slots": slots,
            "setting": setting,
            "epochs": epochs,
        },
        purpose=purpose,
        seed=seed,
        curve=[
            {
                "epoch": epoch,
                f"test/{metric}": score,
                "step": 10 * (epoch + 1),
                "passes": passes * (epoch + 1) / epochs,
                "seconds": seconds * (epoch + 1) / epochs,
                "loss": 1.0 / (epoch + 1),
            }
            for epoch, score in enumerate(scores)
        ],
        select=metric,
        metrics={metric: kind},
        details={},
        correct=[*correct],
        per_class=_classes(correct, per_class),
        cost={
            "wall_seconds": {"train": seconds, "evaluation": 0.1},
            "training_seconds": seconds,
            "steps": {"train": 10 * epochs},
            "images_per_second": 100.0,
            "flops_of_first_step": {"train": 1000},
            "passes": {"task": {"forward": int(passes), "backward_weights": 0, "backward_image": 0}},
            "forward_equivalents": int(passes),
            "augmenter_share": 0.0,
            "peak_memory_bytes": 1000,
        },
        labels={"kind": "Clean", "sha256": labels * 64, "training_images": 64},
        protocol={"selection": None, "holdout": 0, "limit": limit, "changed": []},
        config={
            "run.task": f"@tasks.{task}()",
            "run.dataset": f"@datasets.{dataset}()",
            "run.epochs": str(epochs),
            **{
                f"run.{slot}": f"@{slot}/augmenters.{slots[slot]}()" if slot in slots else "None"
                for slot in ("view", "strong", "positives")
            },
            **(config or {}),
        },
        identity=RunIdentity(
            config={"made": ", ".join([identity, *parts])},
            data=data * 64,
            labels=None,
            limit=limit,
            numerics=1,
            plugins={task: "1"},
        ),
        provenance={
            "versions": {"python": "3.11.7", "torch": "2.14.1"},
            "plugins": {task: "lpa3bench 0"},
            "plugin_sources": {task: "0" * 16},
            "platform": "nowhere",
            "git_commit": None,
            "command": ["lpa3bench", "run"],
            "engine_source": "0" * 16,
            "device": "cpu",
            "precision": "float32",
            "cpu_model": "a CPU",
            "cpu_capability": capability,
            "threads": 1,
            "world_size": 1,
        },
        resumed_from=[],
        unused=[],
    )
    record = Record(made, Path("made/up.json"))
    return Record(made, Path(f"made/{record.file_name}"))


def _classes(correct: Sequence[bool], shares: Sequence[float | None] | None) -> PerClass:
    """Shares that were made up are of nobody knows how many images; else two classes are equally good."""
    if shares:
        return PerClass(names=(), shares=tuple(shares))
    share, half = sum(correct) / len(correct), len(correct) // CLASSES
    return PerClass(names=(), shares=(share,) * CLASSES, images=(half, len(correct) - half))


def bits(right: int, of: int = 10) -> list[bool]:
    """The first `right` of so many test images are right."""
    return [place < right for place in range(of)]


def write(folder: Path, *records: Record, runs: bool = False) -> Path:
    """Write records into a folder, each as a file of its own, or as run directories; returns the folder."""
    for record in records:
        stem = record.file_name.removesuffix(".json")
        path = folder / stem / "result.json" if runs else folder / record.file_name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(record_text(record.data), encoding="utf-8")
    return folder


def finish(
    folder: Path,
    *,
    val: Sequence[float | None] = (),
    metric: str = "accuracy",
    seconds: float = 2.0,
    **more: Any,
) -> None:
    """Make it the directory of a finished run.

    Args:
        val: what the metric said of the validation split, epoch by epoch; (): there was none.
        seconds: of wall-clock, training and scoring.
        more: as `small_record` takes it.
    """
    kind = KINDS[metric]
    record = small_record(
        bits(5), earlier=[0.5] * (len(val) - 1), last=0.5, metric=metric, kind=kind, seconds=seconds - 0.1,
        **more,
    )  # fmt: skip
    if val:
        curve = tuple({**row, f"val/{metric}": score} for row, score in zip(record.curve, val, strict=True))
        record = changed(record, curve=curve, metrics=summarise_curve(curve, {metric: kind}, metric))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "result.json").write_text(record_text(record.data), encoding="utf-8")


def changed(record: Record, **parts: Any) -> Record:
    """The record with other values at its top level, signed anew."""
    return Record(signed(msgspec.structs.replace(record.data, **parts)), record.path)


def within(record: Record, part: str, **fields: Any) -> Record:
    """The record with other fields in one of its parts, signed anew; the cell follows its identity."""
    parts = {part: msgspec.structs.replace(getattr(record.data, part), **fields)}
    if part == "identity":
        parts["cell"] = msgspec.structs.replace(record.cell, identity=parts[part].short)
    return changed(record, **parts)


def label(record: Record) -> str:
    """The cell's name and the experiment's digits."""
    return f"{record.name}-{record.identity}"


def renamed(record: Record, setting: str) -> Record:
    """The same experiment, started from a file that calls its values a setting."""
    name = f"{record.name}-{setting}"
    moved = within(record, "cell", name=name, setting=setting)
    return Record(moved.data, record.path.with_name(moved.file_name))


def elsewhere(record: Record, **fields: Any) -> Record:
    """The record from other surroundings: with other fields in its provenance."""
    return within(record, "provenance", **fields)
