"""Measures everything on a GPU in one go: first whether the numbers are right, then how fast they come.

    python benchmarks/gpu.py [--quick] [--out gpu.json] [--minutes 8] [--device cuda]
        [--part NAME …] [--without NAME …]

from a checkout that is installed as it is (`pip install -e '.[test]'`). On a machine without a network, with
PyTorch, NumPy, scikit-learn, pluggy, pytest and hypothesis on it, carry two wheels that are made elsewhere

    python -m pip wheel --no-deps --wheel-dir wheels . gin-config

and there, in the checkout, which has to hold `benchmarks/` and `tests/`:

    python3 -m pip install --no-index --no-deps --target site wheels/*.whl
    PYTHONPATH=$PWD/site python3 benchmarks/gpu.py --out gpu.json

No data set is needed: images are made up, of the right shape. The parts, those first whose
answers are worth most, each with a share of the time, which ends it; what it leaves over goes to the next:

* checks: golden files A, C, E, B, G and D on the device (float64 to 1e-9, float32 to their tolerances); every
  task's step in float64 on CPU and device with the same draws.
* ceilings: a large copy and a large bfloat16 product.
* steps: FixMatch and PES with and without LP-A3, at their published batch and network: time (device events,
  the median), images per second, peak memory; over the floor that the ceilings set (see
  `gpu_parts/floors.py`), and LP-A3's step over the plain one against the counted ratio of their passes.
* waits: of the same steps the host synchronisations with their lines of code, and the kernels.
* precision: how far LP-A3's first step is off in each precision, against float64, on a trained network.
* repeats: two runs of one seed, and a run that was stopped and taken up again against one that was not, in
  the default and in the deterministic mode.
* other steps: time and waits of every other task and arm.
* growth: time against inner iterations, selected images and the data set's size; memory against steps.
* rivals: FixMatch + LP-A3 against the same method written plainly, bfloat16 autocast and a DataLoader of
  eight workers (`gpu_parts/plain.py`); a step against its views alone; scoring against training's
  forward; RandAugment against kornia's, where that is installed. The first needs torchvision and Pillow.
* together: images per second of 1, 2, 4, … small runs side by side on the device.
* compiled, only with `--part compiled`, because compiling takes minutes: steps with torch.compile over the
  network against steps without, and how far the losses are apart.

What fails is a line in table and file, and the rest goes on; what there is no time for is listed as left out.
Progress goes to stderr, the table to stdout, everything to the JSON file, which is written after every item.
Exit code 1: a check came out wrong or something failed. `--device cpu` takes toy sizes, and says so.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch
from gpu_parts import (
    budget,
    ceilings,
    checks,
    compiled,
    growth,
    precision,
    rivals,
    steps,
    table,
    together,
)

import lpa3bench
from lpa3bench.runtime import device as devices
from lpa3bench.runtime.files import write_text

PARTS: dict[str, tuple[float, budget.Part]] = {
    "checks": (0.22, checks.part),
    "ceilings": (0.03, ceilings.part),
    "steps": (0.12, steps.goals),
    "waits": (0.06, steps.waits),
    "precision": (0.07, precision.part),
    "repeats": (0.08, checks.repeats),
    "other steps": (0.18, steps.others),
    "growth": (0.10, growth.part),
    "rivals": (0.06, rivals.part),
    "together": (0.08, together.part),
}
EXTRA: dict[str, tuple[float, budget.Part]] = {"compiled": (1.0, compiled.part)}
"""Only where they are asked for."""
MINUTES = 8.0


def report(setting: budget.Setting, seconds: float) -> dict[str, Any]:
    """What the JSON file holds."""
    gpu = setting.device.type != "cpu"
    return {
        "schema_version": 1,
        "toy": setting.toy,
        "quick": setting.quick,
        "device": devices.device_name(setting.device),
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "seconds": seconds,
        "versions": {
            "lpa3bench": lpa3bench.__version__,
            "torch": torch.__version__,
            "cuda": torch.version.cuda if gpu else None,
            "cudnn": torch.backends.cudnn.version() if gpu else None,
            "python": platform.python_version(),
        },
        "results": setting.results,
        "failed": setting.failed,
        "left_out": setting.left_out,
    }


def chosen(
    names: list[str] | None = None, without: list[str] | None = None
) -> dict[str, tuple[float, budget.Part]]:
    """The parts of these names with their shares of the time; the usual ones where there are none."""
    wanted = {*(names or PARTS)} - {*(without or ())}
    found = {name: part for name, part in (PARTS | EXTRA).items() if name in wanted}
    whole = sum(share for share, _ in found.values())
    return {name: (share / whole, part) for name, (share, part) in found.items()}


def main() -> int:
    """Read the options, run the parts, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer cells and repeats")
    parser.add_argument("--out", type=Path, default=Path("gpu.json"), metavar="FILE")
    parser.add_argument("--minutes", type=float, default=MINUTES)
    parser.add_argument(
        "--part", action="append", choices=[*PARTS, *EXTRA], help="only this one (repeatable)"
    )
    parser.add_argument("--without", action="append", choices=[*PARTS], help="not this one (repeatable)")
    parser.add_argument("--device", choices=devices.DEVICES, default="cuda")
    options = parser.parse_args()
    device = devices.choose_device(options.device)
    setting = budget.Setting(device=device, toy=device.type == "cpu", quick=options.quick)
    start = time.monotonic()

    def save() -> None:
        told = json.dumps(report(setting, time.monotonic() - start), indent=1)
        write_text(options.out, told + "\n")

    budget.run(setting, chosen(options.part, options.without), 60 * options.minutes, after=save)
    save()
    final = report(setting, time.monotonic() - start)
    print("\n".join(table.lines(final)))
    return 0 if table.right(final) and not setting.failed else 1


if __name__ == "__main__":
    sys.exit(main())
