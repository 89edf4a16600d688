"""`lpa3bench run CELL --dry-run` for every cell of a suite: a step of every phase, on made-up images.

    python benchmarks/dry_run.py suites/table1 suites/table2 suites/table3 [--batch 8] [--only TEXT]

On a CPU a step has at most `--batch` images (FixMatch: labelled ones); nothing else is made smaller. Ends
with 1 where a cell fails.
"""

from __future__ import annotations

import argparse
import sys
import time

import torch

from lpa3bench import suites as suite
from lpa3bench.errors import BenchError
from lpa3bench.plugin import registry
from lpa3bench.runtime.paths import resolve_config
from lpa3bench.training.dry_run import CPU_BATCH, try_every_phase


def main() -> int:
    """A line for each cell."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("suites", nargs="+", metavar="SUITE")
    parser.add_argument("--batch", type=int, default=CPU_BATCH, metavar="N")
    parser.add_argument("--only", default="", metavar="TEXT", help="cells whose line holds it")
    options = parser.parse_args()
    torch.set_num_threads(1)
    plugins = registry.load_registry()
    done = failed = 0
    for name in options.suites:
        for cell in suite.read_suite(resolve_config(name)).cells:
            if options.only not in " ".join(cell.words):
                continue
            start = time.perf_counter()
            try:
                tried = try_every_phase(cell.load(plugins), device="cpu", cpu_batch=options.batch)
                phases = ", ".join(f"{c.phase.name} {c.loss:.3f}" for c in tried.phases)
                done += 1
            except BenchError as error:
                phases = f"FAILED: {error}"
                failed += 1
            print(f"{time.perf_counter() - start:7.1f} s  {' '.join(cell.words)}: {phases}", flush=True)
    print(f"{done} cells went through all their phases, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
