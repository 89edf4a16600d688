"""Times a few steps of cells, in a process of its own.

A suite that goes on for days must not hold a GPU itself, nor end because a plugin crashes.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from lpa3bench.errors import BenchError
from lpa3bench.runtime.reserved_stdout import reserved_stdout
from lpa3bench.runtime.supervised import run_python
from lpa3bench.suites import SuiteCell


def time_cells(
    cells: Sequence[SuiteCell],
    *,
    data: Path,
    device: str,
    threads: int,
    plugins: Sequence[Path],
    budget: float,
) -> list[float | None]:
    """Seconds of training that a run of each cell is expected to take; None where it cannot be timed.

    Args:
        threads: of PyTorch.
        budget: seconds after which no further cell is timed: the list is shorter then.
    """
    if not cells or budget <= 0:
        return []
    order = {
        "cells": [(cell.files, cell.setting, cell.bindings) for cell in cells],
        "data": str(data),
        "device": device,
        "plugins": [str(path) for path in plugins],
        "budget": budget,
    }
    done = run_python(
        ["-m", "lpa3bench.suites.timing"],
        stdin=json.dumps(order),
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        seconds=math.inf,
    )
    # One that crashed has printed those that it had timed.
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    """In the process: a line for each cell, as soon as it is timed."""
    with reserved_stdout() as results:
        order = json.load(sys.stdin)
        from lpa3bench.plugin.registry import load_registry
        from lpa3bench.training import dry_run

        registry = load_registry(tuple(Path(text) for text in order["plugins"]))
        until = time.monotonic() + order["budget"]
        rates: dict[str, float] = {}
        for files, setting, bindings in order["cells"]:
            if time.monotonic() >= until:
                break
            cell = SuiteCell(tuple(files), setting, tuple(bindings))
            hours = None
            with suppress(BenchError):  # the run itself will say so
                config = cell.load(registry)
                root, device = Path(order["data"]), order["device"]
                hours = dry_run.forecast(config, root=root, device=device, rates=rates)["hours"]
            print(json.dumps(None if hours is None else 3600 * hours), file=results, flush=True)


if __name__ == "__main__":
    main()
