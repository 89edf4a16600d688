"""Records as tidy tables: a row a run, or a row a run and epoch, and what each column is.

Lists and JSON, CSV, Parquet and data frames all have these columns. Shares are in [0, 1].
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from lpa3bench.records.config_text import value_of
from lpa3bench.records.record import Record
from lpa3bench.types import SLOTS

RUN_COLUMNS: dict[str, str] = {
    "run": "the run's name: cell, identity and seed",
    "cell": "data set, task, setting or labels, and augmenters, in one word",
    "identity": "eight hexadecimal digits that stand for all that defines the run but its seed",
    "seed": "of everything drawn",
    "task": "the training method",
    "dataset": "the data set",
    "labels": "what the training labels are",
    "setting": "the setting of the config that was chosen, if it offers any",
    "backbone": "the network",
    **{slot: f"the augmenter in slot {slot}, if there is one" for slot in SLOTS},
    "epochs": "of the whole training",
    "select": "the metric that an epoch is selected by on the validation split",
    "label_noise_rate": "the share of given training labels that are wrong, where the record tells it",
    "training_images": "images trained on",
    "test_images": "images of the test split",
    "training_seconds": "wall-clock seconds of training, scoring left out",
    "evaluation_seconds": "wall-clock seconds of scoring",
    "forward_equivalents": "image passes of training: a forward counts 1, a backward to the weights 2, one "
    "to the image 1",
    "augmenter_share": "the augmenters' share of these",
    "steps": "steps of training",
    "images_per_second": "training images a second",
    "peak_memory_bytes": "most memory held: of the process on a CPU, of the device on a GPU",
    "labels_sha256": "digest of the given labels: equal for runs that can be paired",
    "data_sha256": "digest of the data set",
    "protocol": "version of how runs are trained and scored",
    "is_result": "whether it is a run of its own right, on all images (no --limit)",
    "purpose": "result; or score or aid, of runs that are no evidence",
    "limit": "training images that --limit left",
    "holdout": "training images set apart for validation",
    "changed": "parameters that overlays and -p changed from the first file, joined by '; '",
    "numerics": "version of the engine's numbers",
    "device": "kind of device that it ran on",
    "cpu_model": "the processor",
    "cpu_capability": "its vector instructions, as PyTorch uses them",
    "gpu_name": "the GPU",
    "gpu_capability": "its compute capability",
    "precision": "of training passes: float32 or bfloat16",
    "threads": "threads that PyTorch computed with",
    "world_size": "processes that shared the run",
    "platform": "operating system",
    "git_commit": "of the checkout that the engine ran from",
    "engine_source": "digest of the engine's sources",
    "finished": "when, ISO 8601",
    "flags": "what makes it less than a result or is odd about its data, joined by '; '",
    "path": "the file of the record",
}
"""What the columns of a run mean that every table has; `RUN_FAMILIES` has the others."""
CURVE_COLUMNS: dict[str, str] = {
    "epoch": "counted from 0",
    "step": "steps of training so far",
    "passes": "forward equivalents so far",
    "seconds": "wall-clock seconds of training so far",
}
"""What every row of a curve has beside the columns of its run."""
RUN_FAMILIES: dict[str, str] = {
    "<metric>.<rule>": "a score on the test split, such as accuracy.last or nll.val_selected",
    "<Plugin>.<parameter>": "a value that was in force, such as LPA3.margin, positives/LPA3.margin or "
    "run.holdout; numbers as numbers",
    "versions.<library>": "of Python and of each library",
    "plugins.<Plugin>": "the distribution and version that a plugin came from",
    "plugin_sources.<Plugin>": "digest of a plugin's sources",
}
"""Columns of a run that depend on the run: one a metric and rule, one a parameter, and so on."""
CURVE_FAMILIES: dict[str, str] = {
    "<split>/<metric>": "a score after this epoch, such as test/accuracy; empty where it was not scored",
    "<logged>": "a mean over the steps of the epoch, such as loss, <phase>/loss or <slot>/selected",
    "log/<logged>": "the same of a name that a column of the run has already",
}
"""Columns of a curve that depend on the run."""
_SCALARS = (bool, int, float, str)
Columns = dict[str, list[Any]]
"""A table: by name, a value a row; None where there is none."""


def run_row(record: Record) -> dict[str, Any]:
    """Everything of a record that is one number or one word, by column; scores stand after `select`."""
    data, cell, cost, where = record.data, record.cell, record.data.cost, record.data.provenance
    fixed: dict[str, Any] = {
        "run": str(record),
        "cell": record.name,
        "identity": record.identity,
        "seed": record.seed,
        "task": cell.task,
        "dataset": cell.dataset,
        "labels": cell.labels,
        "setting": cell.setting,
        "backbone": cell.backbone,
        **{slot: record.slots.get(slot) for slot in SLOTS},
        "epochs": cell.epochs,
        "select": data.select,
    }
    measured: dict[str, Any] = {
        "label_noise_rate": _number(data.labels.get("realised_rate")),
        "training_images": _number(data.labels.get("training_images")),
        "test_images": data.correct.n,
        "training_seconds": record.seconds,
        "evaluation_seconds": cost.wall_seconds.get("evaluation"),
        "forward_equivalents": record.passes,
        "augmenter_share": cost.augmenter_share,
        "steps": sum(cost.steps.values()),
        "images_per_second": cost.images_per_second,
        "peak_memory_bytes": cost.peak_memory_bytes,
        "labels_sha256": record.label_hash,
        "data_sha256": record.data_hash,
        "protocol": record.protocol_version,
        "is_result": record.is_result,
        "purpose": data.purpose,
        "limit": data.protocol.limit,
        "holdout": data.protocol.holdout,
        "changed": "; ".join(data.protocol.changed),
        "numerics": record.numerics,
        **{
            name: getattr(where, name)
            for name in (
                "device", "cpu_model", "cpu_capability", "gpu_name", "gpu_capability", "precision", "threads",
                "world_size", "platform", "git_commit", "engine_source", "finished",
            )
        },
        "flags": "; ".join(data.flags),
        "path": str(record.path),
    }  # fmt: skip
    return {
        **fixed,
        **record.scores,
        **measured,
        **{name: _parameter(text) for name, text in record.config.items()},
        **{f"versions.{name}": version for name, version in where.versions.items()},
        **{f"plugins.{name}": distribution for name, distribution in where.plugins.items()},
        **{f"plugin_sources.{name}": source for name, source in where.plugin_sources.items()},
    }


def run_columns(records: Iterable[Record]) -> Columns:
    """A row a run."""
    return _columns([run_row(record) for record in records])


def curve_columns(records: Iterable[Record]) -> Columns:
    """A row a run and epoch: the columns of the curve, then those of the run."""
    records = [*records]
    runs = _columns([run_row(record) for record in records])
    rows = [_epoch_row(row, runs) for record in records for row in record.curve]
    lengths = [len(record.curve) for record in records]
    repeated = {
        name: [value for value, times in zip(values, lengths, strict=True) for _ in range(times)]
        for name, values in runs.items()
    }
    first = {"run": repeated.pop("run")} if repeated else {}
    return {**first, **_columns(rows), **repeated}


def _epoch_row(row: Mapping[str, Any], runs: Columns) -> dict[str, Any]:
    return {f"log/{name}" if name in runs else name: value for name, value in row.items()}


def _columns(rows: Sequence[Mapping[str, Any]]) -> Columns:
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _alike([row.get(name) for row in rows]) for name in names}


def _alike(values: list[Any]) -> list[Any]:
    """The values of a column as one type: numbers, truths or text."""
    kinds = {type(value) for value in values if value is not None}
    if len(kinds) < 2:
        return values
    if kinds == {int, float}:
        return [None if value is None else float(value) for value in values]
    return [None if value is None else str(value) for value in values]


def _parameter(text: str) -> Any:
    """A value in force; what is no number, truth or text stays as gin writes it."""
    try:
        value = value_of(text)
    except ValueError:
        return text
    return value if value is None or type(value) in _SCALARS else text


def _number(found: Any) -> Any:
    """What a record may hold anything in."""
    return found if type(found) in (int, float) else None
