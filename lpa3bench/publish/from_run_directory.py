"""What W&B is to hold of a run directory, finished or not; without the absolute paths of who ran it."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from lpa3bench import records
from lpa3bench.errors import DataError, RunFailed
from lpa3bench.publish.class_tables import class_tables
from lpa3bench.publish.run_images import caption_of
from lpa3bench.publish.wandb_run import WandbArtifact, WandbImage, WandbRun
from lpa3bench.records.config_text import value_of
from lpa3bench.records.private_paths import text_without_folders, without_folders
from lpa3bench.records.record_files import anonymous, record_text
from lpa3bench.training.identity import short_name
from lpa3bench.training.metrics_file import metrics_text, read_rows
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.types import SCORED, SLOTS

PLUGIN_NAME = re.compile(r"@(?:\w+/)*\w+\.(\w+)")
"""A plugin as gin names it: `@positives/augmenters.LPA3()`."""
IMAGES_FOLDER = "images"
"""The folder of a run whose PNG files are published."""
STEP_METRICS = ("epoch", "passes", "step")
SUMMARY_COSTS = (
    "training_seconds",
    "forward_equivalents",
    "augmenter_share",
    "images_per_second",
    "peak_memory_bytes",
)


def wandb_id(folder: RunDirectory) -> str:
    """The run's id at W&B: what defines the run, and its seed; the end of the run directory's name.

    Raises:
        RunFailed: it is no run directory.
    """
    began = folder.beginning()
    return f"{began.short}-s{began.seed}"


def read_run(path: Path, *, images: bool = True) -> WandbRun:
    """Everything that a run directory holds by now.

    The artifact with record and config comes with the record, when the run is finished; so do the images.
    Until then the last row is held back: a run that is killed now may go on from the checkpoint before it.
    Seconds of training are left out of the rows: they are known from the record alone.

    Raises:
        RunFailed: it is no run directory.
        DataError: the record is damaged, or the metrics of a run under way are.
    """
    folder = RunDirectory(path)
    identity = wandb_id(folder)
    record = folder.finished()
    values = _operative(folder)
    named = {key: match[1] for key in _named() if (match := PLUGIN_NAME.match(str(values.get(f"run.{key}"))))}
    cell = record.name if record else path.resolve().name.removesuffix(f"-{identity}")
    curve = record.curve if record else read_rows(folder.metrics)[:-1]
    times, seconds = _clock(folder, len(curve), record)
    augmenters = [named[slot] for slot in SLOTS if slot in named]
    version = record.protocol_version if record else records.PROTOCOL_VERSION
    pictures = _images(path) if record and images else {}
    identity_alone, _, seed = identity.rpartition("-s")
    return WandbRun(
        id=identity,
        name=f"{cell} s{seed}",
        group=f"{cell}-{identity_alone}",
        job_type="train",
        tags=tuple(dict.fromkeys([named["task"], named["dataset"], *augmenters, f"protocol-{version}"])),
        config={
            **_nested(values),
            "cell": {"name": cell, "identity": identity_alone, **named},
            "seed": int(seed),
        },
        rows=tuple({_shown_as(n): value for n, value in row.items() if n != "seconds"} for row in curve),
        times=times,
        seconds=seconds,
        summary=_summary(record) if record else {"status": "unfinished"},
        step_metrics=STEP_METRICS,
        images=pictures,
        tables=class_tables(folder.predictions, record) if record else {},
        artifact=_artifact(folder, identity, record, pictures) if record else None,
    )


def _named() -> tuple[str, ...]:
    return ("task", "dataset", "labels", "backbone", *SLOTS)


def _operative(folder: RunDirectory) -> dict[str, Any]:
    """Every value in force by its short name: numbers and strings as such, anything else as gin writes it."""
    text = _text(folder.operative)
    if folder.beginning().operative not in ("", hashlib.sha256(text.encode()).hexdigest()):
        raise DataError("is not as the run wrote it: it was edited or damaged", path=folder.operative)
    values = {}
    for line in text_without_folders(text).splitlines():
        name, equals, text = line.partition(" = ")
        if equals:
            values[short_name(name)] = _value(text)
    if "run.task" not in values or "run.dataset" not in values:
        raise RunFailed(f"{folder.operative}: damaged: it binds no run.task or no run.dataset")
    return values


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise RunFailed(f"{path.parent}: is no run directory: there is no {path.name}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"damaged ({error})", path=path) from error


def _value(text: str) -> Any:
    try:
        value = value_of(text)
        json.dumps(value, allow_nan=False)
    except (ValueError, TypeError):
        return text
    return list(value) if isinstance(value, tuple) else value


def _nested(values: dict[str, Any]) -> dict[str, Any]:
    """`{"LPA3.margin": 0.02}` as W&B groups it: `{"LPA3": {"margin": 0.02}}`."""
    nested: dict[str, Any] = {}
    for name, value in sorted(values.items()):
        owner, _, parameter = name.rpartition(".")
        nested.setdefault(owner, {})[parameter] = value
    return nested


def _shown_as(name: str) -> str:
    """A column of the curve as W&B has it, which makes a section of all before the first "/": what the task
    and its augmenters log goes to `train/`, beside `val/` and `test/`."""
    scored = name.partition("/")[0] in SCORED
    return name if scored or name in STEP_METRICS else f"train/{name}"


def _clock(
    folder: RunDirectory, count: int, record: records.Record | None
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """About when each of the first `count` epochs ended, since 1970 and since the run began, by the files
    alone: the same at every reading.

    A record tells the end and the seconds of training; before there is one, epochs lie evenly between the
    first and the last moment that something was written.
    """
    if record is not None:
        end = datetime.fromisoformat(record.data.provenance.finished).timestamp()
        start, seconds = end - record.seconds, [row["seconds"] for row in record.curve]
    else:
        start = folder.env.stat().st_mtime
        spent = max(0.0, folder.metrics.stat().st_mtime - start) if count else 0.0
        seconds = [spent * (place + 1) / (count + 1) for place in range(count)]
    return tuple(round(start + s, 3) for s in seconds), tuple(round(s, 3) for s in seconds)


def _summary(record: records.Record) -> dict[str, Any]:
    data = without_folders(msgspec.to_builtins(record.data))
    return {
        "status": data["status"],
        **{
            f"metrics/{name}.{rule}": value
            for name, metric in data["metrics"].items()
            for rule, value in metric["scores"].items()
        },
        **{f"cost/{name}": data["cost"].get(name) for name in SUMMARY_COSTS},
        "flags": data["flags"],
    }


def _images(path: Path) -> dict[str, WandbImage]:
    return {
        f"images/{file.stem}": WandbImage(path=str(file.resolve()), caption=caption_of(file))
        for file in sorted((path / IMAGES_FOLDER).glob("*.png"))
    }


def _artifact(
    folder: RunDirectory, identity: str, record: records.Record, images: dict[str, WandbImage]
) -> WandbArtifact:
    texts = {file.name: file for file in (folder.config, folder.operative) if file.exists()}
    return WandbArtifact(
        name=f"run-{identity}",
        type="record",
        files={f"{IMAGES_FOLDER}/{Path(image.path).name}": image.path for image in images.values()},
        texts={name: text_without_folders(_text(file)) for name, file in texts.items()}
        | {
            folder.result.name: record_text(anonymous(record.data)),
            folder.metrics.name: metrics_text(record.curve),  # not what lies there, which nobody checks
            folder.env.name: _json_without_folders(folder.env),
        },
    )


def _json_without_folders(file: Path) -> str:
    began = json.loads(file.read_text(encoding="utf-8"))
    began.pop("digest", None)  # which is that of the whole paths
    return json.dumps(without_folders(began), indent=1) + "\n"
