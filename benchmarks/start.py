"""What a command costs before it does anything, in units of a bare `python -c 'import torch'`.

    python benchmarks/start.py [--rounds 5] [--only VERB ...] [--keep]

Each round starts every command once as a process of its own, beginning with another one each time; the ratio
is that of the medians of processor time, printed with the rounds' lowest and highest and with the goal. First
step is `lpa3bench run quickstart` up to its first update.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from processes import process_cost
from timing import Times, compared, keep

BOARD = Path(__file__).parents[1] / "leaderboards" / "digits"
PAIR = ("shipped:digits/digits-dividemix-sym50-lpa3", "shipped:digits/digits-dividemix-sym50")
FIRST_STEP = """
import os, sys
from lpa3bench_plugins.tasks.supervised import Supervised

def update(*args, whole=Supervised.update):
    whole(*args)
    os._exit(0)

Supervised.update = update
from lpa3bench.cli import main
main(["run", "quickstart", "--device", "cpu", "--out", sys.argv[1]])
"""
TORCH = "import torch"
GOALS: dict[str, float | None] = {
    TORCH: None,
    "list": 0.2,
    "data list": 0.2,
    "records": 0.6,
    "compare": 0.6,
    "check overlay": 0.2,
    "check quickstart": 1.0,
    "show quickstart": 2.0,
    "first step": 2.0,
}
"""At most so many times a bare `import torch`."""


def commands(folder: str) -> dict[str, list[str]]:
    """The command line of each, which may write into the folder."""
    verb = [sys.executable, "-m", "lpa3bench"]
    return {
        TORCH: [sys.executable, "-c", TORCH],
        "list": [*verb, "list"],
        "data list": [*verb, "data", "list", "--data", folder],
        "records": [*verb, "records", str(BOARD / "results"), "--csv"],
        "compare": [*verb, "compare", *PAIR],
        "check overlay": [*verb, "check", "augmenters/none"],
        "check quickstart": [*verb, "check", "quickstart"],
        "show quickstart": [*verb, "show", "quickstart", "--device", "cpu", "--data", folder],
        "first step": [sys.executable, "-c", FIRST_STEP, folder],
    }


def measured(names: Sequence[str], rounds: int) -> dict[str, Times]:
    """As `timing.interleaved`, of processes; one round goes before."""
    times = {name: Times([], []) for name in names}
    for turn in range(rounds + 1):
        shift = turn % len(names)
        for name in (*names[shift:], *names[:shift]):
            with tempfile.TemporaryDirectory() as folder:
                cost = process_cost(commands(folder)[name], {**os.environ, "OMP_NUM_THREADS": "1"})
            if turn > 0:
                times[name].cpu.append(cost.cpu)
                times[name].wall.append(cost.wall)
    return times


def main() -> None:
    """Print a row for each command."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=5, metavar="N")
    parser.add_argument("--only", action="append", choices=[*GOALS][1:], metavar="VERB")
    parser.add_argument("--keep", action="store_true", help="keep the ratios for the README")
    options = parser.parse_args()
    if options.rounds < 1:
        parser.error(f"--rounds: must be >= 1, not {options.rounds}")
    times = measured([TORCH, *(options.only or [*GOALS][1:])], options.rounds)
    unit = times[TORCH]
    print(f"{'command':<18}{'ratio':>7}{'low':>7}{'high':>7}{'goal':>7}{'cpu s':>8}{'wall s':>8}")
    for name, of in times.items():
        found = compared(of.cpu, unit.cpu)
        goal = "" if GOALS[name] is None else f"{GOALS[name]:.1f}"
        seconds = f"{statistics.median(of.cpu):>8.2f}{statistics.median(of.wall):>8.2f}"
        print(f"{name:<18}{found.ratio:>7.2f}{found.low:>7.2f}{found.high:>7.2f}{goal:>7}{seconds}")
        if options.keep and name != TORCH:
            keep(**{f"start {name}": {**found._asdict(), "goal": GOALS[name]}})


if __name__ == "__main__":
    main()
