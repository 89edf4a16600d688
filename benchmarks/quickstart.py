"""The quickstart with different augmenters, side by side over some seeds, as a Markdown table.

    python benchmarks/quickstart.py [--seeds 5] [--controls] [--out runs/benchmarks]

Each run is a `lpa3bench run` of its own, so finished ones are not run again. Methods are paired: with one
seed all have the same initial weights and the same order of images. Scores are those of the test set at the
last epoch, mean ± sample standard deviation (n − 1).
"""

from __future__ import annotations

import argparse
from typing import Any

from paired import cost, gains, last, record, spread

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


def row(name: str, records: list[dict[str, Any]], baseline: list[float]) -> str:
    """One line of the table."""
    scores = last(records)
    seconds, passes = cost(records)
    gain = "–" if scores == baseline else gains(scores, baseline)
    return f"| {name} | {spread(scores)} | {gain} | {len(scores)} | {seconds:.1f} | {passes / 1e3:,.0f} k |"


def main() -> None:
    """Run what is not there yet and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=1, metavar="N", help="seeds 0 … N−1 (default: 1)")
    parser.add_argument("--controls", action="store_true", help="also what tells LP-A3 from its side effects")
    parser.add_argument("--out", default="runs/benchmarks", metavar="DIR")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error(f"--seeds: must be >= 1, not {options.seeds}")
    lines = [
        "| augmenter | last epoch, % of the test set | against none | n | seconds | forward equivalents |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    baseline: list[float] = []
    for name, arm in (ARMS | (CONTROLS if options.controls else {})).items():
        records = [record(["quickstart", *arm], seed, options.out) for seed in range(options.seeds)]
        baseline = baseline or last(records)
        lines.append(row(name, records, baseline))
    print("\n".join(lines))


if __name__ == "__main__":
    main()
