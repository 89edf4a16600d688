"""Times a few steps of cells, in a process of its own that ends.

A suite that goes on for days must not hold a GPU itself, nor die of a plugin that crashes.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stdout, suppress
from pathlib import Path

from lpa3bench.errors import BenchError
from lpa3bench.suites import Cell


def timed(
    cells: Sequence[Cell], *, data: Path, device: str, threads: int, plugins: Sequence[Path], budget: float
) -> list[float | None]:
    """Seconds of training that a run of each cell is expected to take; None where that cannot be said.

    Args:
        threads: of PyTorch.
        budget: seconds after which no further cell is timed: the list is shorter then.
    """
    if not cells or budget <= 0:
        return []
    asked = {
        "cells": [(cell.files, cell.setting, cell.bindings) for cell in cells],
        "data": str(data),
        "device": device,
        "plugins": [str(path) for path in plugins],
        "budget": budget,
    }
    done = subprocess.run(
        [sys.executable, "-m", __name__],
        input=json.dumps(asked),
        env={**os.environ, "OMP_NUM_THREADS": str(threads)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        check=False,
    )
    # A process that crashed leaves those that it had timed.
    return [json.loads(line) for line in done.stdout.splitlines()]


def main() -> None:
    """In the process: a line for each cell, as soon as it is timed."""
    answers = sys.stdout
    with redirect_stdout(sys.stderr):  # what plugins print is no answer
        asked = json.load(sys.stdin)
        from lpa3bench.plugin.registry import load
        from lpa3bench.training import dry_run as rehearsal

        registry = load(tuple(Path(text) for text in asked["plugins"]))
        until = time.monotonic() + asked["budget"]
        for files, setting, bindings in asked["cells"]:
            if time.monotonic() >= until:
                break
            cell = Cell(tuple(files), setting, tuple(bindings))
            hours = None
            with suppress(BenchError):  # the run itself will say so
                config = cell.load(registry)
                hours = rehearsal.forecast(config, root=Path(asked["data"]), device=asked["device"])["hours"]
            print(json.dumps(None if hours is None else 3600 * hours), file=answers, flush=True)


if __name__ == "__main__":
    main()
