"""What the benchmarks of speed measured, as they kept it with `--keep`."""

from __future__ import annotations

import json
from typing import Any

from readme_parts.page import RESULTS, table


def kept() -> Any:
    return json.loads((RESULTS / "speed.json").read_text(encoding="utf-8"))


def machines() -> str:
    """On which they were measured, each once."""
    return "; ".join(dict.fromkeys(of["machine"] for of in kept().values()))


def speed() -> str:
    of = kept()
    networks, memory = of["attack_memory"], of["step_memory"]
    views, step = of["views"], of["step"]
    rows = [
        [
            "LP-A3's loop over its floor, K × (forward + backward to the image + forward), WRN-28-2, "
            "batch 64, K = 5",
            _spread(of["attack_wrn-28-2"], "ratio", 3),
            "`python benchmarks/attack.py`",
        ],
        ["the same, PreActResNet18", _spread(of["attack_preactresnet18"], "ratio", 3), "the same"],
        ["the same, SmallNet on 8×8 digits", _spread(of["attack_smallnet"], "ratio", 3), "the same"],
        [
            "its peak memory at K = 10 over K = 1, WRN-28-2 and PreActResNet18",
            f"{networks['wrn-28-2']:.2f}, {networks['preactresnet18']:.2f}",
            "the same",
        ],
        [
            "FixMatch's weak and strong views, batch 448, over Pillow and a DataLoader",
            f"{_spread(views, 'ratio', 1, ' ×')}; {views['images_a_second']:,.0f} images a second",
            f"`python benchmarks/views.py --rounds {views['n']}`",
        ],
        [
            "a training step outside the task's forward and backward, ResNet-18, batch 64",
            _spread(step, "percent", 2, " %"),
            f"`python benchmarks/step.py --steps {step['n']}`",
        ],
        [
            "peak memory of LP-A3 training after 12 steps over 3, WRN-28-2, K = 1 and K = 5",
            f"{memory['1']:.2f}, {memory['5']:.2f}",
            "the same",
        ],
    ]
    return table(["what", "measured", "command"], rows)


def _spread(of: dict[str, float], name: str, digits: int, unit: str = "") -> str:
    """The median, and from which to which round."""
    value, low, high = (f"{of[key]:.{digits}f}" for key in (name, "low", "high"))
    inside = " %" if unit == " %" else ""
    return f"{value}{unit} ({low} to {high}{inside}, n = {of['n']})"


PARTS = {"speed": speed, "speed.machines": machines}
