"""Whether torch.compile over the network pays: steps with it and without, and how far their losses are apart.

Only the network is compiled, the rest of a step stays as it is. It is compiled anew for each of its uses: in
either BatchNorm, with its parameters frozen or not, with a gradient or without, for each size of batch.
"""

from __future__ import annotations

import gc
import statistics
import time
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch

from gpu_parts import cells, steps
from gpu_parts.budget import Item, Setting
from gpu_parts.cells import Cell, Stage
from lpa3bench.runtime import device as devices

CELLS = 2
COMPARED = 3
"""Steps whose losses are compared, from the same weights and draws."""
USES = 64
"""PyTorch gives a function up after eight versions of it."""


def part(setting: Setting) -> Iterator[Item]:
    """The first cells, with LP-A3 and without."""
    for cell in cells.ALL[:CELLS]:
        for arm in (cells.LPA3, cells.NONE):
            yield f"{cell.name} | {arm}", partial(one, setting, cell, arm)


def one(setting: Setting, cell: Cell, arm: str) -> dict[str, Any]:
    """One arm of a cell, eager and compiled."""
    times, losses, began = {}, {}, time.perf_counter()
    for name in ("eager", "compiled"):
        gc.collect()
        torch.compiler.reset()
        made = cells.stage(cell, arm, setting.device, toy=setting.toy)
        if name == "compiled":
            compile_networks(made, setting)
            began = time.perf_counter()
        losses[name] = [loss(made) for _ in range(COMPARED)]
        devices.synchronise_device(setting.device)
        compiling = time.perf_counter() - began
        times[name] = statistics.median(steps.timed(made, setting.device, setting))
    apart = max(abs(a - b) / abs(a) for a, b in zip(losses["eager"], losses["compiled"], strict=True))
    return {
        **{f"{name}_seconds": seconds for name, seconds in times.items()},
        "ratio": times["eager"] / times["compiled"],
        "loss_apart": apart,
        "first_steps_seconds": compiling,
    }


def compile_networks(made: Stage, setting: Setting) -> None:
    """Compile every backbone of a stage in place; at toy size only traced, without a compiler."""
    torch._dynamo.config.recompile_limit = USES
    for model in made.env.models.values():
        network: Any = model
        network.backbone.compile(backend="aot_eager" if setting.toy else "inductor", dynamic=False)


def loss(made: Stage) -> float:
    """That of the next step."""
    made.advance()
    return float(made.logs["loss"])
