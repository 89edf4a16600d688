"""Whether the device computes the right numbers: what was recorded, what a CPU finds, the same twice."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

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
    "C": ("fixmatch_step", "fixmatch", "randaugment"),
    "E": ("pes",),
    "B": ("tcs",),
    "G": ("phi",),
    "D": ("dividemix",),
    "N": ("pgd",),
    "M": ("vat",),
    "H to J": ("policies",),
    "K": ("elr",),
    "L": ("sop",),
    "O": ("augmix",),
    "P": ("corruptions",),
}
"""Golden files and the tests that hold the code against them, those first that are worth most."""
CASE = re.compile(r"^\S*test_golden_(\w+)\.py::(.+?) (PASSED|FAILED|SKIPPED|ERROR)\b", re.MULTILINE)
"""A line of `pytest -v`: the file, the test, how it ended."""
TOLERANCE = {NONE: 1e-9, LPA3: 1e-8}
"""Of a step in float64 on two devices; the search divides by small differences, which amplifies rounding."""
MODES = ("default", "deterministic")


def part(setting: Setting) -> Iterator[Item]:
    """Golden vectors, and CPU against device."""
    letters = ["G"] if setting.toy else list(GOLDEN)
    yield "golden", lambda: golden(setting, letters)
    for cell in cells.one_of_each_task():
        yield f"CPU and device, {cell.config}", partial(equal_steps, setting, cell)


def repeats(setting: Setting) -> Iterator[Item]:
    """Whole runs against each other."""
    for mode in MODES[1:] if setting.toy else MODES:
        yield f"runs, {mode}", partial(runs, setting, mode)


# ------------------------------------------------------------------------------------------ golden vectors
def golden(setting: Setting, letters: Sequence[str]) -> dict[str, dict[str, Any]]:
    """By golden file: how many tests passed on the device, and which did not, as far as the time went."""
    names = [f"test_golden_{name}.py" for letter in letters for name in GOLDEN[letter]]
    command = [sys.executable, "-m", "pytest", "-v", "--tb=line", "-p", "no:cacheprovider"]
    code, errors = None, b""
    try:
        done = subprocess.run(
            [*command, *(str(ROOT / "tests" / "golden" / name) for name in names)],
            cwd=ROOT,
            env=os.environ | {"LPA3BENCH_TEST_DEVICE": setting.device.type, "PYTHONUNBUFFERED": "1"},
            capture_output=True,
            timeout=max(setting.deadline.left, 1),
        )
        code, told, errors = done.returncode, done.stdout, done.stderr
    except subprocess.TimeoutExpired as error:
        told = error.stdout or b""
    text = told.decode(errors="replace")
    found = verdicts(text, letters, finished=code is not None)
    if code is not None and not CASE.search(text):
        raise RuntimeError(f"pytest ended with {code}: {_last_line(text, errors.decode(errors='replace'))}")
    return found


def verdicts(told: str, letters: Sequence[str], *, finished: bool) -> dict[str, dict[str, Any]]:
    """What `pytest -v` told, by golden file; `unfinished` where the time was over before all was told."""
    cases = CASE.findall(told)
    found: dict[str, dict[str, Any]] = {}
    for letter in letters:
        mine = [(test, ended) for file, test, ended in cases if file in GOLDEN[letter]]
        found[letter] = {
            "passed": sum(ended == "PASSED" for _, ended in mine),
            "failed": [_with_reason(test, told) for test, ended in mine if ended in {"FAILED", "ERROR"}],
            "skipped": sum(ended == "SKIPPED" for _, ended in mine),
            "unfinished": not finished,
        }
    return found


def _with_reason(test: str, told: str) -> str:
    """A test that failed, and why, where pytest came so far as to tell."""
    reason = re.search(rf"^(?:FAILED|ERROR) .*::{re.escape(test)} - (.*)$", told, re.MULTILINE)
    return f"{test}: {reason[1] if reason else ''}"


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
