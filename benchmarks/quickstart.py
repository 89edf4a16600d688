"""The quickstart with different augmenters, side by side over some seeds, as a Markdown table.

    python benchmarks/quickstart.py [--seeds 5] [--controls] [--out runs]

Each run is a `lpa3bench run` of its own, so finished ones are not run again. Methods are paired: with one
seed all have the same initial weights and the same order of images. Scores are those of the test set at the
last epoch, mean ± sample standard deviation (n − 1).
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from typing import Any

ARMS: dict[str, list[str]] = {
    "none": ["augmenters/none"],
    "RandAugment (view)": ["augmenters/none", "augmenters/randaugment"],
    "LP-A3 (positives)": [],
}
CONTROLS: dict[str, list[str]] = {
    "Identity (positives, auxiliary BatchNorm)": [
        "-p", "run.positives = @augmenters.Identity()", "-p", 'Identity.domain = "aux"',
    ],
    "LP-A3 with 0 iterations": ["-p", "LPA3.iterations = 0"],
    "RandAugment (positives)": ["-p", "run.positives = @augmenters.RandAugment()"],
}  # fmt: skip


def record(arm: list[str], seed: int, out: str) -> dict[str, Any]:
    """Run one arm with one seed; its record."""
    command = [sys.executable, "-m", "lpa3bench", "run", "quickstart", *arm]
    command += ["--seed", str(seed), "--out", out, "--device", "cpu", "--json"]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise SystemExit(done.returncode)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def row(name: str, records: list[dict[str, Any]], baseline: list[float]) -> str:
    """One line of the table."""
    last = [100 * r["metrics"]["last"] for r in records]
    gains = [one - other for one, other in zip(last, baseline, strict=True)]
    seconds = statistics.mean(r["cost"]["training_seconds"] for r in records)
    passes = statistics.mean(r["cost"]["forward_equivalents"] for r in records)
    gain = "–" if last is baseline or not any(gains) else spread(gains, "+")
    return f"| {name} | {spread(last)} | {gain} | {len(last)} | {seconds:.1f} | {passes / 1e3:,.0f} k |"


def spread(values: list[float], sign: str = "") -> str:
    """Mean ± sample standard deviation."""
    mean = f"{statistics.mean(values):{sign}.2f}"
    return f"{mean} ± {statistics.stdev(values):.2f}" if len(values) > 1 else mean


def main() -> None:
    """Run what is not there yet and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds 0 … N−1 (default: 1)")
    parser.add_argument("--controls", action="store_true", help="also what tells LP-A3 from its side effects")
    parser.add_argument("--out", default="runs", metavar="DIR")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error(f"--seeds: must be >= 1, not {options.seeds}")
    lines = [
        "| augmenter | last epoch, % of the test set | against none | n | seconds | forward equivalents |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    baseline: list[float] = []
    for name, arm in (ARMS | (CONTROLS if options.controls else {})).items():
        records = [record(arm, seed, options.out) for seed in range(options.seeds)]
        baseline = baseline or [100 * r["metrics"]["last"] for r in records]
        lines.append(row(name, records, baseline))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
