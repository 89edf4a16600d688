"""LP-A3's search against its own floor, and its memory against the number of iterations. Run by hand:

    python benchmarks/attack.py [--net smallnet] [--batch 64] [--iterations 5] [--rounds 9] [--keep]

The floor of K iterations is what no implementation can do without: K times a forward pass, a backward pass
to the image (parameters frozen, plain cross-entropy) and a second forward pass without gradient. Both run in
the auxiliary BatchNorm in train mode, float32, channels_last, on one thread. Each round runs both once, the
order rotates, and the ratio is taken of the medians; the spread is that of the rounds' own ratios. CPU time
of the process is the measure, as other programs cannot blur it; wall time stands beside it.

The C library gives freed memory back to the system and faults it in again, now in one of the two and now in
the other; on large maps that is a per cent or two of either. This takes it out of both:

    MALLOC_TRIM_THRESHOLD_=8000000000 MALLOC_MMAP_THRESHOLD_=4000000000 python benchmarks/attack.py

Peak memory is measured in processes of their own, one per number of iterations (Linux).
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from timing import interleaved, keep
from torch import Tensor

from lpa3bench import attack
from lpa3bench.api import Backbone
from lpa3bench.nn.batchnorm import add_auxiliary, bn_domain
from lpa3bench.nn.freeze import frozen
from lpa3bench.training.network import FORMATS
from lpa3bench.types import MemoryLayout
from lpa3bench_plugins.backbones.preactresnet import PreActResNet18
from lpa3bench_plugins.backbones.smallnet import SmallNet
from lpa3bench_plugins.backbones.wideresnet import WideResNet


class Case(NamedTuple):
    """A network on the images that it is used for, and the ratio that is aimed at and still let pass."""

    make: Callable[..., Backbone]
    channels: int
    side: int
    aim: float
    limit: float
    repeats: int = 1
    """Searches in a round: a short one alone is blurred."""


NETS = {
    "wrn-28-2": Case(WideResNet, 3, 32, 1.03, 1.08),
    "preactresnet18": Case(PreActResNet18, 3, 32, 1.03, 1.08),
    "smallnet": Case(SmallNet, 1, 8, 1.3, 1.4, repeats=4),
}
JUDGED = (64, 5)
"""The batch and the number of iterations that the limits are for: others have other shares of small calls."""
LARGE = {"wrn-28-2", "preactresnet18"}
"""Whose memory is worth a look."""


class Setup(NamedTuple):
    """A network and a batch to work on."""

    net: Backbone
    z: Tensor
    noise: Tensor
    label: Tensor
    box: attack.Box
    reference: attack.Reference


def prepare(name: str, batch: int, layout: MemoryLayout = "channels_last") -> Setup:
    """Random weights and images; neither changes what a pass costs."""
    torch.manual_seed(0)
    case = NETS[name]
    net = case.make(num_classes=10, in_channels=case.channels)
    add_auxiliary(net)
    net = net.to(memory_format=FORMATS[layout]).train()
    mean, std = torch.full((case.channels, 1, 1), 0.5), torch.full((case.channels, 1, 1), 0.25)
    x = torch.rand(batch, case.channels, case.side, case.side)
    z = ((x - mean) / std).contiguous(memory_format=FORMATS[layout])
    noise = torch.empty(z.shape).uniform_(-0.01, 0.01)
    with torch.no_grad():
        reference = attack.make_reference(net(z))
    return Setup(net, z, noise, reference.label, attack.Box.of(mean, std), reference)


def search(setup: Setup, iterations: int) -> None:
    """The loop as the augmenter runs it."""
    options = attack.Options(margin=0.002, iterations=iterations)
    attack.search(setup.net, setup.z, setup.noise, setup.reference, box=setup.box, options=options)


def floor(setup: Setup, iterations: int) -> None:
    """The passes alone."""
    for _ in range(iterations):
        image = setup.z.detach().requires_grad_()
        loss = F.cross_entropy(setup.net(image).logits, setup.label)
        torch.autograd.grad(loss, image)
        with torch.no_grad():
            setup.net(setup.z)


def compare(name: str, batch: int, iterations: int, rounds: int) -> dict[str, float]:
    """Print one network's comparison; the ratio of CPU times, and from which to which round it went."""
    setup, repeats = prepare(name, batch), NETS[name].repeats

    def repeated(work: Callable[[Setup, int], None]) -> Callable[[], None]:
        def run() -> None:
            for _ in range(repeats):
                work(setup, iterations)

        return run

    with frozen(setup.net), bn_domain(setup.net, "aux"):
        times = interleaved({"search": repeated(search), "floor": repeated(floor)}, rounds)
    found = {}
    for clock in ("cpu", "wall"):
        ours, least = ([t / repeats for t in getattr(times[key], clock)] for key in ("search", "floor"))
        ratio = statistics.median(ours) / statistics.median(least)
        paired = sorted(a / b for a, b in zip(ours, least, strict=True))
        found[clock] = {"ratio": ratio, "low": paired[0], "high": paired[-1], "n": rounds}
        print(
            f"{name:16} B={batch} K={iterations} {clock:4}  search {statistics.median(ours) * 1e3:8.1f} ms  "
            f"floor {statistics.median(least) * 1e3:8.1f} ms  ratio {ratio:.3f}  "
            f"paired {statistics.median(paired):.3f} ({paired[0]:.3f} to {paired[-1]:.3f})  n={rounds}"
        )
    return found["cpu"]


def high_water() -> float:
    """The largest resident size of this process so far, in MiB (Linux)."""
    status = Path("/proc/self/status").read_text()
    return int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))) / 1024


def peak(name: str, batch: int, iterations: int) -> None:
    """Print by how many MiB the search raises the resident peak; for a process of its own."""
    setup = prepare(name, batch)
    before = high_water()
    with frozen(setup.net), bn_domain(setup.net, "aux"):
        search(setup, iterations)
    print(high_water() - before)


def memory(name: str, batch: int) -> float:
    """Print the search's peak for growing numbers of iterations; that of ten over that of one."""
    rises = {}
    for iterations in (1, 5, 10):
        command = [sys.executable, __file__, "--net", name, "--batch", str(batch), "--peak", str(iterations)]
        rises[iterations] = float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    told = ", ".join(f"K={iterations}: {rise:.0f} MiB" for iterations, rise in rises.items())
    print(f"{name:16} B={batch} peak over start  {told}  (10 over 1: {rises[10] / rises[1]:.2f})")
    return rises[10] / rises[1]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--net", action="append", choices=list(NETS))
    parser.add_argument("--batch", type=int, default=JUDGED[0])
    parser.add_argument("--iterations", type=int, default=JUDGED[1])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--keep", action="store_true", help="put it into results/speed.json")
    parser.add_argument("--peak", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    torch.set_num_threads(1)
    nets = given.net or list(NETS)
    if given.peak:
        peak(nets[0], given.batch, given.peak)
        return 0
    kept_memory = "kept" if "MALLOC_TRIM_THRESHOLD_" in os.environ else "given back"
    machine = platform.processor() or platform.machine()
    print(f"torch {torch.__version__}, {machine}, 1 thread, float32, freed memory {kept_memory}")
    times = {name: compare(name, given.batch, given.iterations, given.rounds) for name in nets}
    rises = {name: memory(name, given.batch) for name in nets if name in LARGE}
    if given.keep:
        keep(**{f"attack_{name}": time for name, time in times.items()})
        if rises.keys() == LARGE:
            keep(attack_memory=rises)
    if (given.batch, given.iterations) != JUDGED:
        return 0
    for name, time in times.items():
        case = NETS[name]
        print(f"{name:16} aim {case.aim}, limit {case.limit} (CPU time): {time['ratio']:.3f}")
    return 0 if all(time["ratio"] <= NETS[name].limit for name, time in times.items()) else 1


if __name__ == "__main__":
    sys.exit(main())
