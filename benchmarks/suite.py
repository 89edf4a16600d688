"""What a suite of tiny runs takes beside its work: 24 of them by `lpa3bench suite`, on the CPU.

    python benchmarks/suite.py [--rounds 3] [--workers 2] [--runs 24] [--against CHECKOUT] [--keep]

Work is what the records say: seconds of training and scoring, of all runs. The goal for the wall clock is
1.3 × work / workers + 10 s; the ratio is the wall clock over that. With `--against` the suite of another
checkout is run in turn with this one's. The forecast of hours, which times steps first, is left out.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from timing import against, keep

HERE = Path(__file__).parents[1]
CONFIG = """
run.task = @tasks.Supervised()
run.dataset = @datasets.Digits()
run.backbone = @backbones.SmallNet
run.epochs = 2
Supervised.batch_size = 64
SmallNet.width = 8
LPA3.iterations = 2
"""
CELLS = ("tiny.gin", "tiny.gin augmenters/lpa3")
FACTOR, START = 1.3, 10.0
"""The goal."""


class SuiteTime(NamedTuple):
    """Seconds that a suite took."""

    wall: float
    work: float
    """Of training and scoring, of all runs together."""

    def over_goal(self, workers: int) -> float:
        """The wall clock over what it may show."""
        return self.wall / (FACTOR * self.work / workers + START)


def run_suite(checkout: Path, *, runs: int, workers: int) -> SuiteTime:
    """Run all of it, in a new folder, by the code of that checkout."""
    paths = (str(checkout), str(checkout / "plugins"), os.environ.get("PYTHONPATH", ""))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "tiny.gin").write_text(CONFIG)
        seeds = tuple(range(runs // len(CELLS)))
        (folder / "s.gin").write_text(f"suite.cells = {[*CELLS]}\nsuite.seeds = {seeds}\n")
        line = [sys.executable, "-m", "lpa3bench", "suite", "s.gin", "--device", "cpu", "--data", "."]
        line += ["--workers", str(workers), "--no-forecast"]
        start = time.perf_counter()
        subprocess.run(line, cwd=folder, env=environment, check=True, stdout=subprocess.DEVNULL)
        wall = time.perf_counter() - start
        costs = [json.loads(path.read_text())["cost"] for path in folder.glob("runs/*/result.json")]
        assert len(costs) == len(CELLS) * len(seeds)
        return SuiteTime(wall, sum(sum(cost["wall_seconds"].values()) for cost in costs))


def spread(values: list[float]) -> str:
    """The median, and the least and the most."""
    return f"{statistics.median(values):.2f} [{min(values):.2f} to {max(values):.2f}, n = {len(values)}]"


def main() -> None:
    """Run the rounds and print ratios."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    parser.add_argument("--workers", type=int, default=2, metavar="N")
    parser.add_argument("--runs", type=int, default=24, metavar="N", help="an even number")
    parser.add_argument("--against", type=Path, metavar="CHECKOUT")
    parser.add_argument("--keep", action="store_true", help="put the ratios into results/speed.json")
    options = parser.parse_args()
    checkouts = [HERE] if options.against is None else [HERE, options.against.absolute()]
    times: dict[Path, list[SuiteTime]] = {checkout: [] for checkout in checkouts}
    for turn in range(options.rounds):
        for checkout in checkouts if turn % 2 == 0 else checkouts[::-1]:
            taken = run_suite(checkout, runs=options.runs, workers=options.workers)
            times[checkout].append(taken)
            print(
                f"{checkout}: {taken.wall:.1f} s for {taken.work:.1f} s of work by {options.workers} workers",
                flush=True,
            )
    ratios = [taken.over_goal(options.workers) for taken in times[HERE]]
    print(f"over the goal ({FACTOR} × work / workers + {START:g} s): {spread(ratios)}")
    if options.against is not None:
        pairs = zip(times[options.against.absolute()], times[HERE], strict=True)
        print(f"the other checkout over this one: {spread([other.wall / own.wall for other, own in pairs])}")
    if options.keep:
        keep(
            suite={
                **against(ratios, 1.0)._asdict(),
                "goal": 1,
                "runs": options.runs,
                "workers": options.workers,
            }
        )


if __name__ == "__main__":
    main()
