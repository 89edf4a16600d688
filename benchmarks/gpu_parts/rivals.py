"""The engine beside others on the same device, and its own parts beside each other.

Others are the same method written plainly, and kornia's views.
"""

from __future__ import annotations

import gc
import statistics
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any

import torch

from gpu_parts import cells
from gpu_parts.budget import Item, Setting
from gpu_parts.watch import Stopwatch
from lpa3bench.runtime import device as devices
from lpa3bench.runtime.seeding import Draws
from lpa3bench.training.evaluation import BATCH as BATCH_OF_SCORING
from lpa3bench.training.evaluation import evaluate
from lpa3bench.training.training_data import Scored
from lpa3bench_plugins.augmenters.image_ops import engine
from lpa3bench_plugins.augmenters.randaugment import RandAugment

CELL = cells.ALL[0]
BATCH, TOY_BATCH = 448, 16
KORNIA = "RandAugment, kornia"


def part(setting: Setting) -> Iterator[Item]:
    """FixMatch + LP-A3 as a whole, its views, and its scoring."""
    yield "FixMatch + LP-A3, plainly written", lambda: written_plainly(setting)
    yield "FixMatch + LP-A3, a step over its views", lambda: over_views(setting)
    yield "FixMatch, scoring over training's forward", lambda: scoring(setting)
    if find_spec("kornia") is None:
        setting.left_out.append(f"rivals, {KORNIA}: it is not installed")
    else:
        yield KORNIA, lambda: kornia_views(setting)


def written_plainly(setting: Setting) -> dict[str, Any]:
    """A step of either, turn by turn."""
    from gpu_parts.plain import PlainFixMatch  # torchvision need not be there for the rest

    gc.collect()
    device, toy = setting.device, setting.toy
    ours = cells.stage(CELL, cells.LPA3, device, toy=toy)
    plain = PlainFixMatch(
        cells.experiment(CELL, cells.LPA3, toy=toy),
        device,
        autocast=lambda: torch.autocast(device.type, torch.bfloat16),
        **({"workers": 0, "images": 64} if toy else {}),
    )
    # Blocks so long that the loaders' queues, which fill while the other one runs, do not carry them.
    return turn_by_turn(setting, {"ours": ours.advance, "plain": plain.advance}, calls=24, rounds=4)


def over_views(setting: Setting) -> dict[str, Any]:
    """A whole step, and the weak and strong views in it."""
    gc.collect()
    made = cells.stage(CELL, cells.LPA3, setting.device, toy=setting.toy)
    task: Any = made.task
    env = made.env
    labelled, unlabelled = (
        torch.arange(count, device=setting.device) % env.size
        for count in (task.batch_size, task.mu * task.batch_size)
    )

    def views() -> None:
        for index in (labelled, unlabelled, unlabelled):
            x = env.weak(index)
        env.views("strong", task.net, x, index=unlabelled, target=None, pass_no=0)

    return turn_by_turn(setting, {"views": views, "step": made.advance}, calls=10, rounds=6)


def scoring(setting: Setting) -> dict[str, Any]:
    """Predicting images as after each epoch, and a training step's forward pass over the same images."""
    gc.collect()
    made = cells.stage(CELL, cells.NONE, setting.device, toy=setting.toy)
    task: Any = made.task
    count = cells.TOY_IMAGES if setting.toy else cells.IMAGES
    store, labels = cells.training_set(
        cells.experiment(CELL, cells.NONE, toy=setting.toy), count, setting.device
    )
    split = Scored(store, labels.given)
    index = torch.arange(count, device=setting.device)

    def forward() -> None:
        for part in torch.split(index, BATCH_OF_SCORING):
            made.env.logits(task.net, store.plain(part))

    both = {"forward": forward, "scoring": lambda: evaluate(task, made.env, split)}
    return turn_by_turn(setting, both, calls=2, rounds=6)


def kornia_views(setting: Setting) -> dict[str, Any]:
    """A batch of two RandAugment operators by either, on images that are on the device already.

    kornia draws its operators once for a batch and paints no Cutout; ours draws them for every image and
    paints one.
    """
    from kornia.augmentation.auto import RandAugment as KorniaRandAugment

    batch, device = TOY_BATCH if setting.toy else BATCH, setting.device
    images = torch.rand(batch, 3, 32, 32, device=device)
    recipe, draws = RandAugment().recipe, Draws(0)
    theirs = KorniaRandAugment(n=2, m=10)

    rows = {
        "ours": lambda: engine.augment(images, recipe, engine.choose_operations(recipe, batch, draws)),
        "kornia": lambda: theirs(images),
    }
    return turn_by_turn(setting, rows, calls=10, rounds=12)


def turn_by_turn(
    setting: Setting, both: dict[str, Callable[[], object]], *, calls: int, rounds: int
) -> dict[str, Any]:
    """Seconds of a call of either (medians), and how many times longer the second one takes.

    Args:
        setting: where, and until when.
        both: by name.
        calls: of one, before it is the other's turn.
        rounds: turns of each, after a first one that does not count.
    """
    if setting.toy:
        calls, rounds = 1, 2
    taken: dict[str, list[float]] = {name: [] for name in both}
    for turn in range(1 + rounds):
        if turn > 1 and setting.deadline.left <= 0:
            break
        for name, act in both.items():
            devices.synchronise_device(setting.device)
            watch = Stopwatch(setting.device)
            watch.mark()
            for _ in range(calls):
                act()
            watch.mark()
            if turn:
                taken[name].append(watch.laps()[0] / calls)
    ratios = [slow / fast for fast, slow in zip(*taken.values(), strict=True)]
    return {
        **{f"{name}_seconds": statistics.median(seconds) for name, seconds in taken.items()},
        "ratio": statistics.median(ratios),
        "ratios": [min(ratios), max(ratios)],
        "rounds": len(ratios),
    }
