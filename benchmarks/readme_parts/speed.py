"""What the benchmarks of speed measured, as they kept it with `--keep`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from readme_parts.page import RESULTS, table

LOOPS = {
    "attack_wrn-28-2": "WRN-28-2",
    "attack_preactresnet18": "PreActResNet18",
    "attack_smallnet": "SmallNet, 8×8 digits",
}
PEERS = {
    "pillow": "Pillow, DataLoader",
    "torchvision_v2": "torchvision v2, batched",
    "kornia": "kornia, batched",
}


def kept() -> Any:
    return json.loads((RESULTS / "speed.json").read_text(encoding="utf-8"))


def machines() -> str:
    """On which they were measured, each once."""
    return "; ".join(dict.fromkeys(of["machine"] for of in kept().values()))


def start() -> str:
    return _ratios("start ", "command", lambda name, of: f"`{name}`")


def suite() -> str:
    return _ratios("suite", "suite", lambda name, of: f"{of['runs']} tiny runs, {of['workers']} workers")


def boards() -> str:
    def told(name: str, of: Any) -> str:
        return f"{int(name):,} records: {of['seconds']:.1f} s, {of['mebibytes']:.0f} MiB"

    return _ratios("board_of_", "board", told)


def loop() -> str:
    of = kept()
    rows = [[told, _spread(of[name], 3)] for name, told in LOOPS.items() if name in of]
    return table(["network", "search over its floor"], rows)


def loop_memory() -> str:
    memory = kept()["attack_memory"]
    return f"{memory['wrn-28-2']:.2f} on WRN-28-2 and {memory['preactresnet18']:.2f} on PreActResNet18"


def views() -> str:
    found = {name.removeprefix("views_"): of for name, of in kept().items() if name.startswith("views_")}
    rows = [
        [
            shape,
            *(f"{_spread(of[peer], 2)}, goal {of[peer]['goal']:g}" if peer in of else "" for peer in PEERS),
            f"{of['images_a_second']:,.0f}",
        ]
        for shape, of in found.items()
    ]
    return _table(["batch", *PEERS.values(), "our images a second"], rows)


def step() -> str:
    of = kept()["step"]
    return f"{of['percent']:.2f} % ({of['low']:.2f} to {of['high']:.2f} %, n = {of['n']})"


def step_memory() -> str:
    memory = kept()["step_memory"]
    return f"{memory['1']:.2f} for K = 1 and {memory['5']:.2f} for K = 5"


def layouts() -> str:
    of = kept()
    rows = [
        [
            told,
            str(of[name]["batch"]),
            str(of[name]["iterations"]),
            *(_spread(of[name][part], 2) for part in ("step", "search")),
        ]
        for loop, told in LOOPS.items()
        if (name := loop.replace("attack", "layout")) in of
    ]
    return _table(["network", "batch", "K", "training step", "LP-A3's search"], rows)


def _ratios(prefix: str, what: str, told: Callable[[str, Any], str]) -> str:
    """A row for each entry whose name begins so."""
    rows = [
        [told(name.removeprefix(prefix), of), _spread(of, 2), f"≤ {of['goal']:g}"]
        for name, of in kept().items()
        if name.startswith(prefix)
    ]
    return _table([what, "measured", "goal"], rows)


def _table(head: list[str], rows: list[list[str]]) -> str:
    return table(head, rows) if rows else "Not measured yet."


def _spread(of: dict[str, float], digits: int) -> str:
    """The ratio, and from which to which round."""
    value, low, high = (f"{of[key]:.{digits}f}" for key in ("ratio", "low", "high"))
    return f"{value} ({low} to {high}, n = {of['n']})"


PARTS = {
    "speed.machines": machines,
    "speed.start": start,
    "speed.suite": suite,
    "speed.boards": boards,
    "speed.loop": loop,
    "speed.loop.memory": loop_memory,
    "speed.views": views,
    "speed.step": step,
    "speed.step.memory": step_memory,
    "speed.layouts": layouts,
}
