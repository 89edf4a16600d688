"""No step of a task waits for the device, with LP-A3 by batch or without it.

On the device "meta" tensors have shapes and no values, so whatever reads one, or mixes in one of the host's,
raises; this needs no GPU. Where there is one, PyTorch itself tells how often the host waited.
"""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest
import torch
from gpu_parts import cells
from gpu_parts.cells import LPA3, NONE, Cell, Stage
from gpu_parts.checks import HostDraws
from gpu_parts.steps import undisturbed
from gpu_parts.watch import host_syncs
from torch import Tensor

from lpa3bench.config.experiment import Experiment
from lpa3bench.errors import PluginError
from lpa3bench.runtime.seeding import Draws, derive
from lpa3bench.training import guard as views
from lpa3bench.training.environment import Environment
from lpa3bench_plugins.tasks import dividemix, pes

META = torch.device("meta")
RELEASED = "LP-A3, as released"
CELLS = cells.one_of_each_task()
NO_FUSED_ADAM = {"breastmnist_supervised": ("Supervised.optimizer='sgd'",)}
"""PyTorch refuses it there."""


class OnMeta(Environment):
    """Random numbers come from the host: there is no generator on that device."""

    def draws(self, name: str) -> Draws:
        if name not in self._draws:
            self._draws[name] = HostDraws(derive(self._seed, name))
        return self._draws[name]


def _plain(made: Experiment) -> Experiment:
    return replace(made, precision="float32")


def _half_of_them(self: Tensor) -> Tensor:
    """As many places as a split into halves has."""
    return torch.arange(len(self) // 2, device=self.device).unsqueeze(1)


def begun(cell: Cell, arm: str, monkeypatch: pytest.MonkeyPatch) -> Stage:
    """A stage on "meta" after its first step; what is done once in an epoch may look at values."""
    monkeypatch.setattr(views, "full_precision", lambda device: nullcontext())
    with monkeypatch.context() as once:
        once.setattr(Tensor, "nonzero", _half_of_them)
        once.setattr(Tensor, "__bool__", lambda self: True)
        once.setattr(dividemix, "scaled_losses", lambda losses: torch.rand(losses.shape))
        once.setattr(pes, "reset_parameters", lambda module, seed: None)
        once.setattr(pes, "class_weights", lambda given, classes, cap: torch.ones(classes, device=META))
        more = NO_FUSED_ADAM.get(cell.config, ())
        made = cells.stage(cell, arm, META, toy=True, bindings=more, change=_plain, kind=OnMeta)
        made.advance()
    return made


@pytest.mark.parametrize("cell", CELLS, ids=lambda cell: cell.config)
def test_no_value_is_read(cell: Cell, monkeypatch: pytest.MonkeyPatch) -> None:
    """With LP-A3: what a step does without it is a part of that."""
    made = begun(cell, LPA3, monkeypatch)
    before = made.env.passes.of_slots()
    made.advance()
    assert not made.began
    assert made.logs["loss"].device == META
    assert made.env.passes.of_slots() > before


def test_the_released_selection_reads_how_many_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    made = begun(CELLS[0], RELEASED, monkeypatch)
    with pytest.raises(PluginError, match=r"LPA3 in slot positives.*nonzero"):
        made.advance()


@pytest.mark.gpu
@pytest.mark.parametrize(
    ("cell", "arm", "most"),
    [*((cell, arm, 0) for cell in CELLS for arm in (NONE, LPA3)), (CELLS[0], RELEASED, 1)],
    ids=lambda value: value.config if isinstance(value, Cell) else str(value),
)
def test_the_host_does_not_wait(cell: Cell, arm: str, most: int) -> None:
    device = torch.device("cuda")
    made = cells.stage(cell, arm, device, toy=True)
    made.advance()
    places: Any = undisturbed(made, lambda: host_syncs(device, made.advance))
    assert len(places) <= most, places
