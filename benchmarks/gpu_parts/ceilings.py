"""The two ceilings of a device: how fast it moves bytes, and how fast it multiplies."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from typing import Any

import torch

from gpu_parts.budget import Item, Setting
from gpu_parts.floors import Ceilings
from gpu_parts.watch import Stopwatch

COPIED, TOY_COPIED = 2 << 30, 8 << 20
"""Bytes, far more than a cache holds."""
SIDE, TOY_SIDE = 8192, 256
WARM_UP, ROUNDS = 3, 11


def part(setting: Setting) -> Iterator[Item]:
    """Both of them."""
    yield "copy", lambda: copy(setting)
    yield "product", lambda: product(setting)


def measured(results: dict[str, dict[str, Any]]) -> Ceilings | None:
    """The ceilings that were found; None where one is missing."""
    found = results.get("ceilings", {})
    if not {"copy", "product"} <= found.keys():
        return None
    return Ceilings(found["copy"]["bytes_per_second"], found["product"]["flops_per_second"])


def copy(setting: Setting) -> dict[str, float]:
    """A large copy on the device; bytes read and bytes written both count."""
    size = TOY_COPIED if setting.toy else COPIED
    source = torch.randint(256, (size,), dtype=torch.uint8, device=setting.device)  # zeros can be faster
    target = torch.empty_like(source)
    seconds = _median(setting.device, lambda: target.copy_(source))
    return {"bytes_per_second": 2 * size / seconds, "seconds": seconds, "bytes": 2 * size}


def product(setting: Setting) -> dict[str, float]:
    """A large product of random matrices in bfloat16."""
    side = TOY_SIDE if setting.toy else SIDE
    a, b = (torch.randn(side, side, device=setting.device).bfloat16() for _ in range(2))
    out = torch.empty_like(a)
    seconds = _median(setting.device, lambda: torch.mm(a, b, out=out))
    return {"flops_per_second": 2 * side**3 / seconds, "seconds": seconds, "side": side}


def _median(device: torch.device, act: Callable[[], Any]) -> float:
    """Seconds of one call."""
    for _ in range(WARM_UP):
        act()
    watch = Stopwatch(device)
    watch.mark()
    for _ in range(ROUNDS):
        act()
        watch.mark()
    return statistics.median(watch.laps())
