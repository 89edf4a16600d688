"""What every row of the paper's tables would cost, as a Markdown table; nothing is trained, nothing read.

    python benchmarks/forecast.py [--only TEXT] [--json FILE]

For each row: `lpa3bench show`'s forecast on this CPU with one thread (seconds of real steps at batches of 8
and 16 images, FixMatch 2 and 4 labelled ones, carried on in a straight line to the published batch, times the
published number of steps; what a task does between epochs and the scoring are not in it), and the
floating-point operations of the whole run, counted on one image, with the hours they would take at 100
TFLOP/s, an eighth of what a large bfloat16 product reaches on an H100. Both are estimates: the first
extrapolated from measured steps, the second an order of magnitude.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from lpa3bench.config import load_config
from lpa3bench.plugin import registry
from lpa3bench.runtime.paths import resolve_config
from lpa3bench.training.dry_run import forecast

LPA3 = "augmenters/lpa3"
GPU = 100e12
"""Floating-point operations a second."""
ROWS: list[tuple[str, list[str]]] = [
    *(
        (name, [f"{data}_fixmatch", *more, "--setting", setting])
        for name, more in (("FixMatch", []), ("FixMatch + LP-A3", [LPA3]))
        for data, setting in (
            ("cifar10", "labels40"), ("cifar100", "labels400"), ("stl10", "stl10_paper"),
        )
    ),
    *(
        (f"InfoMin-style ({space})", ["stl10_fixmatch", overlay, "--setting", "stl10_paper"])
        for space, overlay in (("RGB", "augmenters/infomin_rgb"), ("YDbDr", "augmenters/infomin_ydbdr"))
    ),
    *(
        (name, [f"{data}_{task}", *more, "--setting", "sym90"])
        for name, task, more in (
            ("Mixup", "mixup", []), ("P-correction", "pcorrection", []), ("M-correction", "mcorrection", []),
            ("DivideMix", "dividemix", []), ("DivideMix + LP-A3", "dividemix", [LPA3]),
            ("PES", "pes", []), ("PES + LP-A3", "pes", [LPA3]),
        )
        for data in ("cifar10", "cifar100")
    ),
    *(
        (f"{net}{name}", ["pathmnist_supervised", *more, "--setting", setting])
        for net, setting in (
            ("ResNet-18", "resnet18"), ("ResNet-50", "resnet50"), ("ResNet-18, 224 px", "resnet18_224"),
        )
        for name, more in (("", []), (" + RandAugment", ["augmenters/randaugment"]), (" + LP-A3", [LPA3]))
    ),
]  # fmt: skip


def row(command: list[str]) -> dict[str, Any]:
    """The forecast of one run."""
    files, _, setting = " ".join(command).partition(" --setting ")
    config = load_config(
        [resolve_config(f) for f in files.split()], setting=setting, registry=registry.load_registry()
    )
    cpu_batch = 2 if "_fixmatch" in command[0] else 8  # each comes with seven unlabelled images, in two views
    told = forecast(config, root=Path("nowhere"), device="cpu", cpu_batch=cpu_batch)
    equivalents = sum(p["steps"] * p["forward_equivalents_per_step"] for p in told["phases"])
    experiment = config.experiment()
    spec = experiment.spec
    net = experiment.backbone(num_classes=spec.num_classes, in_channels=spec.channels).eval()
    side = spec.weak.crop or spec.size
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        net(torch.zeros(1, spec.channels, side, side))
    flops = counter.get_total_flops() * equivalents
    return {
        "hours": told["hours"],
        "forward_equivalents": equivalents,
        "flops": flops,
        "gpu_hours": flops / GPU / 3600,
    }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", default="", metavar="TEXT", help="rows whose command holds it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="also write the numbers there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    found = {}
    print("| row | command | forward equivalents | this CPU, one thread, h | at 100 TFLOP/s, h |")
    print("| --- | --- | --- | --- | --- |")
    for name, command in ROWS:
        line = " ".join(command)
        if options.only not in line:
            continue
        found[line] = told = {"row": name, **row(command)}
        print(
            f"| {name} | `{line}` | {told['forward_equivalents'] / 1e6:,.0f} M | {told['hours']:,.0f} | "
            f"{told['gpu_hours']:,.2f} |",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
