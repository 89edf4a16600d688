"""The paper's tables: command, published numbers, and what a run would cost by its counted operations."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

from forecast import GPU, ROWS

from lpa3bench.boards.published import PUBLISHED_NAME, PublishedRows, load_published, quote
from readme_parts.page import RESULTS, ROOT, table

KEYS = {
    "FixMatch": "table1.fixmatch",
    "FixMatch + LP-A3": "table1.fixmatch_lpa3",
    "InfoMin-style (RGB)": "table1.infomin_rgb",
    "InfoMin-style (YDbDr)": "table1.infomin_ydbdr",
    "Mixup": "table2.mixup",
    "P-correction": "table2.pcorrection",
    "M-correction": "table2.mcorrection",
    "DivideMix": "table2.dividemix",
    "DivideMix + LP-A3": "table2.dividemix_lpa3",
    "PES": "table2.pes",
    "PES + LP-A3": "table2.pes_lpa3",
    "ResNet-18": "table3.resnet18",
    "ResNet-18 + RandAugment": "table3.resnet18_randaugment",
    "ResNet-18 + LP-A3": "table3.resnet18_lpa3",
    "ResNet-50": "table3.resnet50",
    "ResNet-50 + RandAugment": "table3.resnet50_randaugment",
    "ResNet-50 + LP-A3": "table3.resnet50_lpa3",
}
"""Row of `forecast.py`, and that of `published.toml` that its cells are in."""
SETTINGS = {
    "table1": {
        "cifar10": "CIFAR-10, 40 / 250 / 4,000 labels",
        "cifar100": "CIFAR-100, 400 / 2,500 / 10,000",
        "stl10": "STL-10, 1,000",
    },
    "table2": {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100"},
    "table3": {"pathmnist": ""},
}
HEADS = {
    "table1": ["Table 1", "command", "published, %"],
    "table2": ["Table 2: 50 / 80 / 90 % noise", "command", "published, %"],
    "table3": [
        "Table 3",
        "command",
        "published, %: Path / Derma / Tissue / Blood / OCT / OrganA / OrganC / OrganS",
    ],
}
CLAIMED_ONLY = "the nearest run, not a reproduction"
HOUR = 3600


@cache
def published() -> PublishedRows:
    return load_published(ROOT / "leaderboards" / PUBLISHED_NAME)


@cache
def counted() -> Any:
    """What `forecast.py` counted and measured."""
    return json.loads((RESULTS / "forecast.json").read_text(encoding="utf-8"))


def hours(command: str) -> tuple[float, float]:
    """On one thread of the CPU that was measured, and at 100 TFLOP/s: the same operations over two rates."""
    of = counted()["rows"][command]
    operations = of["forward_equivalents"] * of["operations_of_an_image"]
    return operations / counted()["throughput"]["operations_a_second"] / HOUR, operations / GPU / HOUR


def paper_table(name: str) -> str:
    lines = []
    for row, words in ROWS:
        key = KEYS.get(row, "")
        if not key.startswith(f"{name}."):
            continue
        command = " ".join(words)
        data = words[0].partition("_")[0]
        columns = "*" if name == "table3" or "infomin" in key else f"{data}_*"
        cpu, gpu = hours(command)
        numbers = quote(published(), f"lpa3.{key}: {columns}", " / ")
        lines.append([_title(name, row, data), f"`{command}`", numbers, _hours(cpu), _hours(gpu)])
    return table([*HEADS[name], "CPU, h", "GPU, h"], lines)


def _title(name: str, row: str, data: str) -> str:
    if row.startswith("InfoMin"):
        return f"{row.replace('-style', '')}, STL-10: {CLAIMED_ONLY}"
    return ", ".join(part for part in (row, SETTINGS[name][data]) if part)


def _hours(of: float) -> str:
    return f"{of:,.0f}" if of >= 10 else f"{of:.1f}" if of >= 0.1 else f"{of:.2f}"


def throughput() -> str:
    """The one measured rate, in words."""
    found = counted()["throughput"]
    rate, low, high = (found[name] / 1e9 for name in ("operations_a_second", "from", "to"))
    return f"{rate:.1f} GFLOP/s ({low:.1f} to {high:.1f} in {found['rounds']} rounds; {found['measured_on']})"


PARTS = {
    "table1": lambda: paper_table("table1"),
    "table2": lambda: paper_table("table2"),
    "table3": lambda: paper_table("table3"),
    "throughput": throughput,
}
