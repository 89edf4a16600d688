"""Whether the device computes the right numbers: what was recorded, what a CPU finds, the same twice."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import torch
from torch import Tensor

from gpu_parts import cells
from gpu_parts.budget import Item, Setting
from gpu_parts.cells import LPA3, NONE, Cell, Stage
from lpa3bench.api import Backbone
from lpa3bench.config.experiment import Experiment
from lpa3bench.runtime.seeding import Draws, derive
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.backbones.smallnet import SmallNet

ROOT = Path(__file__).parents[2]
GOLDEN = {
    "A": ("attack",),
    "B": ("tcs",),
    "C": ("fixmatch", "fixmatch_step", "randaugment"),
    "D": ("dividemix",),
    "E": ("pes",),
    "G": ("phi",),
}
"""Golden files and the tests that hold the code against them."""
TOLERANCE = {NONE: 1e-9, LPA3: 1e-8}
"""Of a step in float64 on two devices; the search divides by small differences, which amplifies rounding."""
MODES = ("default", "deterministic")


def part(setting: Setting) -> Iterator[Item]:
    """Golden vectors, CPU against device, and whole runs against each other."""
    letters = ["G"] if setting.toy else list(GOLDEN)
    yield "golden", lambda: golden(setting, letters)
    for cell in cells.one_of_each_task():
        yield f"CPU and device, {cell.config}", partial(equal_steps, setting, cell)
    for mode in MODES[1:] if setting.toy else MODES:
        yield f"runs, {mode}", partial(runs, setting, mode)


# ------------------------------------------------------------------------------------------ golden vectors
def golden(setting: Setting, letters: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By golden file: how many tests passed on the device, and which did not."""
    names = [f"test_golden_{name}.py" for letter in letters for name in GOLDEN[letter]]
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.xml"
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}"]
        done = subprocess.run(
            [*command, *(str(ROOT / "tests" / "golden" / name) for name in names)],
            cwd=ROOT,
            env=os.environ | {"LPA3BENCH_TEST_DEVICE": setting.device.type},
            capture_output=True,
            text=True,
            timeout=max(setting.deadline.left, 1),
        )
        if not report.exists():
            raise RuntimeError(f"pytest ended with {done.returncode}: {_last_line(done.stdout, done.stderr)}")
        return verdicts(report.read_text(), letters)


def verdicts(report: str, letters: Sequence[str]) -> dict[str, dict[str, Any]]:
    """A JUnit report by golden file."""
    cases = [(case.get("classname", ""), case) for case in ElementTree.fromstring(report).iter("testcase")]
    found: dict[str, dict[str, Any]] = {}
    for letter in letters:
        ends = tuple(f"test_golden_{name}" for name in GOLDEN[letter])
        mine = [case for owner, case in cases if owner.endswith(ends)]
        broken = [case for case in mine if case.find("failure") is not None or case.find("error") is not None]
        skipped = [case for case in mine if case.find("skipped") is not None]
        found[letter] = {
            "passed": len(mine) - len(broken) - len(skipped),
            "failed": [f"{case.get('name')}: {_reason(case)}" for case in broken],
            "skipped": len(skipped),
        }
    return found


def _reason(case: ElementTree.Element) -> str:
    told = case.find("failure")
    told = case.find("error") if told is None else told
    return "" if told is None else (told.get("message") or "").split("\n")[0]


def _last_line(*texts: str) -> str:
    lines = [line for text in texts for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else "it said nothing"


# --------------------------------------------------------------------------------------- CPU and device
class HostDraws(Draws):
    """Draws image-sized noise on the host too, so that all devices get the same."""

    def uniform(self, size: Any, low: float = 0.0, high: float = 1.0, *, like: Any = None) -> Tensor:
        return self._there(super().uniform, size, low, high, like)

    def normal(self, size: Any, mean: float = 0.0, std: float = 1.0, *, like: Any = None) -> Tensor:
        return self._there(super().normal, size, mean, std, like)

    @staticmethod
    def _there(draw: Any, size: Any, one: float, other: float, like: Any) -> Tensor:
        if like is None:
            drawn: Tensor = draw(size, one, other)
            return drawn
        drawn = draw(size, one, other, like=torch.empty(0, dtype=like.dtype))
        return drawn.to(like.device)


class Double(Environment):
    """Images in float64, and draws that do not depend on the device."""

    def weak(self, index: Tensor) -> Tensor:
        return super().weak(index).double()

    def images(self, index: Tensor) -> Tensor:
        return super().images(index).double()

    def draws(self, name: str) -> Draws:
        if name not in self._draws:
            self._draws[name] = HostDraws(derive(self._seed, name))
        return self._draws[name]


def double_network(*, num_classes: int, in_channels: int) -> Backbone:
    """A small one in float64."""
    return SmallNet(num_classes=num_classes, in_channels=in_channels, width=8).double()


def _in_float64(made: Experiment) -> Experiment:
    return replace(made, backbone=double_network, precision="float32")  # no mixed precision


def equal_steps(setting: Setting, cell: Cell) -> dict[str, Any]:
    """Each arm's first step in float64 on both devices: how far the loss and what it trained are apart."""
    found = {}
    for arm in (NONE, LPA3):
        states = []
        for device in (torch.device("cpu"), setting.device):
            made = cells.stage(cell, arm, device, toy=True, change=_in_float64, kind=Double)
            made.advance()
            made.env.alarm.check()
            states.append(_outcome(made))
        apart = furthest(*states)
        found[arm] = {"difference": apart, "tolerance": TOLERANCE[arm], "equal": apart <= TOLERANCE[arm]}
    return found


def _outcome(made: Stage) -> dict[str, Tensor]:
    """The loss, and all parameters and buffers."""
    named = {
        f"{name}/{key}": value.detach().double().cpu()
        for name, model in made.env.models.items()
        for key, value in model.state_dict().items()
    }
    return named | {"loss": made.logs["loss"].double().cpu()}


def furthest(found: dict[str, Tensor], expected: dict[str, Tensor]) -> float:
    """Over all tensors the largest difference, over the largest value or 1."""
    if found.keys() != expected.keys():
        raise ValueError("the two states do not hold the same tensors")
    apart = [
        float((value - expected[name]).abs().max() / expected[name].abs().max().clamp_min(1))
        for name, value in found.items()
        if value.numel()
    ]
    return max(apart, default=0.0)


# ------------------------------------------------------------------------------------------- whole runs
def runs(setting: Setting, mode: str) -> dict[str, Any]:
    """Two runs of one seed, and a run that was stopped and went on, against the first; in another process."""
    command = [sys.executable, str(Path(__file__).with_name("repeats.py")), "--device", setting.device.type]
    command += ["--deterministic"] * (mode == "deterministic") + ["--toy"] * setting.toy
    # cuBLAS reads it when it starts; without it some of its products differ from run to run.
    extra = {"CUBLAS_WORKSPACE_CONFIG": ":4096:8"} if mode == "deterministic" else {}
    done = subprocess.run(
        command,
        env=os.environ | extra,
        capture_output=True,
        text=True,
        timeout=max(setting.deadline.left, 1),
    )
    if done.returncode != 0:
        raise RuntimeError(_last_line(done.stdout, done.stderr))
    told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return told
