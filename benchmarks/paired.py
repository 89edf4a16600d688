"""What the accuracy benchmarks share: a run as a subprocess, and paired numbers as text."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
from typing import Any


def record(command: list[str], seed: int, out: str) -> dict[str, Any]:
    """The record of `lpa3bench run COMMAND --seed SEED` on the CPU, which is no result for boards.

    A finished run is not run again.
    """
    line = [sys.executable, "-m", "lpa3bench", "run", *command]
    line += ["--seed", str(seed), "--purpose", "aid", "--out", out, "--device", "cpu", "--json"]
    done = subprocess.run(line, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def last(records: list[dict[str, Any]]) -> list[float]:
    """Test accuracies of the last epoch, in percent."""
    return [100 * r["metrics"]["accuracy"]["scores"]["last"] for r in records]


def spread(values: list[float], sign: str = "") -> str:
    """Mean ± sample standard deviation (n − 1)."""
    mean = f"{statistics.mean(values):{sign}.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def gains(values: list[float], baseline: list[float]) -> str:
    """Mean ± sample standard deviation of the differences, seed by seed."""
    return spread([one - other for one, other in zip(values, baseline, strict=True)], "+")


def cost(records: list[dict[str, Any]]) -> tuple[float, float]:
    """Mean seconds of training and mean forward equivalents."""
    seconds = statistics.mean(r["cost"]["training_seconds"] for r in records)
    return seconds, statistics.mean(r["cost"]["forward_equivalents"] for r in records)
