"""Does each task learn what it is for? On digits, against plain cross-entropy with the same labels.

    python benchmarks/learns.py [--seeds 3] [--first 100] [--only fixmatch pes …] [--out runs/benchmarks]

FixMatch against the 40 labels alone; the noisy-label tasks against cross-entropy on the same labels, half
of which are drawn anew. Each run is a `lpa3bench run` of its own, so finished ones are not run again. Methods
are paired: with one seed all have the same labels and the same initial weights. Scores are those of the test
set at the last epoch, mean ± sample standard deviation (n − 1). The files' schedules were chosen with an eye
on seeds 0 and 1, so other seeds judge them.
"""

from __future__ import annotations

import argparse

from paired import cost, gains, last, record, spread

NOISY = ("dividemix", "pes", "mixup", "mcorrection", "pcorrection")
BASELINE = {"fixmatch": "labels40", **dict.fromkeys(NOISY, "sym50")}
"""For each task the setting of digits_supervised that it is compared with."""
HEAD = (
    "| task | last epoch, % of the test set | cross-entropy | difference, paired | n | seconds | "
    "forward equivalents |\n| --- | --- | --- | --- | --- | --- | --- |"
)


def main() -> None:
    """Run what is not there yet and print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=3, metavar="N", help="how many (default: 3)")
    parser.add_argument("--first", type=int, default=100, metavar="SEED", help="the first (default: 100)")
    parser.add_argument("--only", nargs="+", choices=BASELINE, default=list(BASELINE), metavar="TASK")
    parser.add_argument("--out", default="runs/benchmarks", metavar="DIR")
    options = parser.parse_args()
    if options.seeds < 1:
        parser.error(f"--seeds: must be >= 1, not {options.seeds}")
    lines = []
    for task in options.only:
        records, others = (
            [record(command, options.first + i, options.out) for i in range(options.seeds)]
            for command in ([f"digits_{task}"], ["digits_supervised", "--setting", BASELINE[task]])
        )
        scores, baseline = last(records), last(others)
        seconds, passes = cost(records)
        lines.append(
            f"| {task} | {spread(scores)} | {spread(baseline)} | {gains(scores, baseline)} | {len(scores)} | "
            f"{seconds:.1f} | {passes / 1e3:,.0f} k |"
        )
    print("\n".join([HEAD, *lines]))


if __name__ == "__main__":
    main()
