"""Trains one small experiment three times with one seed: undisturbed, again, and stopped and taken up again.

A program of its own, started by `checks.py`, because the deterministic mode must be set before the device is
first used. Prints what the runs' last states have in common, as JSON.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import warnings
from pathlib import Path
from typing import Any

import torch

from lpa3bench import config
from lpa3bench.plugin import registry
from lpa3bench.training.job import Job
from lpa3bench.training.loop import run
from lpa3bench.training.run_directory import RunDirectory
from lpa3bench.training.sinks import Sink

STEPS, TOY_STEPS = 20, 2
TEXT = """
run.dataset = @datasets.Synthetic()
run.labels = @labels.FewLabels()
run.task = @tasks.FixMatch()
run.strong = @augmenters.RandAugment()
run.positives = @augmenters.LPA3()
run.epochs = 2
FewLabels.count = 40
FixMatch.threshold = 0.0
FixMatch.positives_threshold = 0.0
LPA3.select = "batch"
"""
FULL = """
run.backbone = @backbones.WideResNet
WideResNet.depth = 10
Synthetic.train = 4096
FixMatch.batch_size = 64
"""
TOY = """
run.backbone = @backbones.SmallNet
SmallNet.width = 4
Synthetic.train = 64
Synthetic.size = 12
FixMatch.batch_size = 4
RandAugment.cutout = 4
"""


class Stopped(Exception):
    """The run is to end here."""


class StopAfter(Sink):
    """Ends a run in the middle of its second epoch."""

    def __init__(self, steps: int) -> None:
        self._left = steps

    def step(self, phase: str) -> None:
        self._left -= 1
        if self._left <= 0:
            raise Stopped


def last_state(folder: Path) -> dict[str, torch.Tensor]:
    """The tensors in the last checkpoint of a run that decide how it would go on, by their path in it."""
    state = RunDirectory(folder).checkpoints.load()
    if state is None:
        raise RuntimeError(f"{folder}: no checkpoint")
    found: dict[str, torch.Tensor] = {}
    _collect({"env": state["env"], "task": state["task"]}, "", found)
    return found


def _collect(value: Any, path: str, found: dict[str, torch.Tensor]) -> None:
    if isinstance(value, torch.Tensor):
        found[path] = value
    elif isinstance(value, dict):
        for key, inner in value.items():
            _collect(inner, f"{path}/{key}", found)
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            _collect(inner, f"{path}/{place}", found)


def compared(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> dict[str, Any]:
    """Whether two states are bit-equal; if not, the largest difference over the largest value or 1."""
    if found.keys() != expected.keys():
        raise RuntimeError("the two states do not hold the same tensors")
    other = [name for name in found if not torch.equal(found[name], expected[name])]
    apart = {
        name: float(
            (found[name].double() - expected[name].double()).abs().max()
            / expected[name].double().abs().max().clamp_min(1)
        )
        for name in other
        if found[name].is_floating_point()
    }
    return {
        "bit_equal": not other,
        "tensors": len(found),
        "different": len(other),
        "difference": max(apart.values(), default=0.0),
        "where": max(apart, key=lambda name: apart[name], default=None),
    }


def three(folder: Path, device: str, *, toy: bool) -> dict[str, Any]:
    """The comparisons."""
    steps = TOY_STEPS if toy else STEPS
    file = folder / "repeats.gin"
    file.write_text(f"{TEXT}{TOY if toy else FULL}FixMatch.steps_per_epoch = {steps}\n")
    loaded = config.load_config([file], registry=registry.load_registry())

    def job(name: str) -> Job:
        return Job(config=loaded, device=device, data=folder, out=folder / name, purpose="aid")

    first, again = run(job("first")), run(job("again"))
    try:
        run(job("stopped"), [StopAfter(steps + steps // 2)])
    except Stopped:
        resumed = run(job("stopped"))
    else:
        raise RuntimeError("the run did not stop")
    undisturbed = last_state(first.folder)
    return {
        "same_seed": compared(last_state(again.folder), undisturbed),
        "resumed": compared(last_state(resumed.folder), undisturbed),
        "resumed_from": resumed.record.data.resumed_from,
        "accuracies": [outcome.record.score("accuracy.last") for outcome in (first, again, resumed)],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", required=True)
    parser.add_argument("--deterministic", action="store_true")
    parser.add_argument("--toy", action="store_true")
    options = parser.parse_args()
    with warnings.catch_warnings(record=True) as caught, tempfile.TemporaryDirectory() as folder:
        warnings.simplefilter("always")
        # Operators without a deterministic form warn, so that the comparison shows whether it matters.
        torch.use_deterministic_algorithms(options.deterministic, warn_only=True)
        torch.backends.cudnn.deterministic = options.deterministic
        found = three(Path(folder), options.device, toy=options.toy)
    told = {str(warning.message).splitlines()[0] for warning in caught}
    found["without_deterministic_form"] = sorted(text for text in told if "deterministic" in text)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
