"""What every row of the paper's tables would cost, counted; nothing is trained, nothing read.

    python benchmarks/forecast.py [--rounds 15] [--keep-counts]

Of each row it counts the forward equivalents of the whole run (on made-up images, with a small network: how
many images go through one does not depend on how large it is) and the floating-point operations of one image
forward through the row's own network. Their product over one throughput gives hours: the throughput is
measured once, on training steps of PreActResNet18 on one thread of this CPU, so the same network and as many
steps cost the same hours in every row. Other networks are a little faster or slower than that; what a task
does between epochs, and the scoring, are not counted. Written to benchmarks/results/forecast.json, of which
`python benchmarks/readme_tables.py` makes the README's tables.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch.utils.flop_counter import FlopCounterMode

from lpa3bench.api import Backbone
from lpa3bench.config import load_config
from lpa3bench.plugin import registry
from lpa3bench.runtime.device import device_name
from lpa3bench.runtime.paths import resolve_config
from lpa3bench.training.dry_run import count_passes
from lpa3bench_plugins.backbones.preactresnet import PreActResNet18

RESULTS = Path(__file__).parent / "results" / "forecast.json"
LPA3 = "augmenters/lpa3"
GPU = 100e12
"""Operations a second that hours on a GPU are told at, an eighth of a large bfloat16 product on an H100."""
BATCH = 32
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


def count(command: str) -> dict[str, float]:
    """Forward equivalents of a run, and the operations of one image forward through its network."""
    files, _, setting = command.partition(" --setting ")
    paths = [resolve_config(file) for file in files.split()]
    own, small = (
        load_config(paths, setting=setting, bindings=bindings, registry=registry.load_registry())
        for bindings in ([], ["run.backbone = @backbones.SmallNet"])
    )
    batch = 2 if "_fixmatch" in command else 8  # each comes with seven unlabelled images, in two views
    experiment = own.experiment()
    spec = experiment.spec
    side = spec.weak.crop or spec.size
    network = experiment.backbone(num_classes=spec.num_classes, in_channels=spec.channels)
    return {
        "forward_equivalents": count_passes(small, root=Path("nowhere"), cpu_batch=batch),
        "operations_of_an_image": operations(network, spec.channels, side),
    }


def operations(network: Backbone, channels: int, side: int) -> int:
    """Floating-point operations of one image forward."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network.eval()(torch.zeros(1, channels, side, side))
    return int(counter.get_total_flops())


def throughput(rounds: int) -> dict[str, Any]:
    """Operations a second of CPU time, of training steps of PreActResNet18 on one thread."""
    torch.manual_seed(0)
    torch.set_num_threads(1)
    network = PreActResNet18(num_classes=10, in_channels=3).to(memory_format=torch.channels_last).train()
    x = torch.rand(BATCH, 3, 32, 32).contiguous(memory_format=torch.channels_last)
    label = torch.arange(BATCH) % 10
    rates = []
    of_a_step = 3 * BATCH * operations(network, 3, 32)  # a backward to the weights counts as two
    network.train()
    for _ in range(rounds + 1):
        start = time.process_time()
        F.cross_entropy(network(x).logits, label).backward()  # type: ignore[no-untyped-call]
        rates.append(of_a_step / (time.process_time() - start))
    rates = sorted(rates[1:])
    return {
        "operations_a_second": round(statistics.median(rates), -6),
        "from": round(rates[0], -6),
        "to": round(rates[-1], -6),
        "rounds": rounds,
        "measured_on": f"one thread, {device_name(torch.device('cpu'))}, PyTorch {torch.__version__}",
    }


def main() -> None:
    """Count, measure and write."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=15, metavar="N", help="of the throughput (default: 15)")
    parser.add_argument("--keep-counts", action="store_true", help="measure the throughput anew, no more")
    options = parser.parse_args()
    rows = json.loads(RESULTS.read_text(encoding="utf-8"))["rows"] if options.keep_counts else {}
    for name, words in ROWS if not rows else ():
        command = " ".join(words)
        rows[command] = {"row": name, **count(command)}
        print(command, rows[command]["forward_equivalents"], flush=True)
    RESULTS.parent.mkdir(exist_ok=True)
    told = {"throughput": throughput(options.rounds), "rows": rows}
    RESULTS.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
