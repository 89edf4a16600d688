"""What a training step costs beside the task's own forward and backward pass, and whether memory is flat.

    python benchmarks/step.py [--steps 20] [--batch 64] [--keep]

One thread, ResNet-18 at 32 px on made-up images. Every step of the engine is timed as a whole (draw the
batch, cut the views, update, check, log), and within it the calls of `env.logits` and `env.backward`; the
rest is the overhead. Process CPU time, because other programs share the machine. Then the peak memory of
LP-A3 on WRN-28-2 over what the process held before its first step, for one and for five inner iterations
and for few and many steps.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import torch
from timing import keep
from torch import Tensor

from lpa3bench.api import Domain, Model, Output, Step, Task
from lpa3bench.config.experiment import Experiment
from lpa3bench.training.environment import Environment
from lpa3bench.training.history import Means
from lpa3bench.training.training_data import prepare
from lpa3bench_plugins.augmenters.lpa3 import LPA3
from lpa3bench_plugins.backbones.resnet import ResNet18
from lpa3bench_plugins.backbones.wideresnet import WideResNet
from lpa3bench_plugins.datasets.synthetic import Synthetic
from lpa3bench_plugins.tasks.supervised import Supervised


def built(experiment: Experiment, kind: type[Environment] = Environment) -> tuple[Environment, Task]:
    """A run's environment and task, ready to step."""
    cpu = torch.device("cpu")
    data = prepare(experiment, root=Path(), seed=0, device=cpu)
    env = kind(experiment, spec=data.spec, store=data.store, labels=data.labels, seed=0, device=cpu)
    experiment.task.setup(env)
    return env, experiment.task


def endless(task: Task) -> Iterator[Step]:
    """Steps of one epoch after another."""
    epoch = 0
    while True:
        task.begin_epoch(epoch)
        yield from task.batches(epoch)
        epoch += 1


class Timed(Environment):
    """Adds up the CPU time of forward and backward passes."""

    passing = 0.0

    def logits(self, model: Model, x: Tensor, domain: Domain = "main") -> Output:
        start = time.process_time()
        output = super().logits(model, x, domain)
        self.passing += time.process_time() - start
        return output

    def backward(self, loss: Tensor) -> None:
        start = time.process_time()
        super().backward(loss)
        self.passing += time.process_time() - start


def overhead(steps: int, batch: int) -> dict[str, float]:
    """Print the share of a step that is neither forward nor backward; in per cent, over the steps."""
    experiment = Experiment(
        task=Supervised(batch_size=batch, optimizer="sgd", lr=0.01),
        dataset=Synthetic(train=4 * batch, test=1),
        backbone=ResNet18,
        epochs=10**6,
    )
    env, task = built(experiment, Timed)
    assert isinstance(env, Timed)
    means, shares, whole = Means(), [], []
    source = endless(task)
    for number in range(steps + 2):
        env.passing = 0.0
        start = time.process_time()
        step = next(source)
        logs = task.update(step, env.views)
        env.alarm.note("the loss is NaN", ~torch.isfinite(logs["loss"]), env.clock.step)
        env.clock.step += 1
        means.add(logs)
        total = time.process_time() - start
        if number >= 2:  # the first ones allocate
            whole.append(total)
            shares.append(1 - env.passing / total)
    print(f"step {1e3 * statistics.median(whole):.0f} ms")
    print(
        f"outside forward and backward: median {100 * statistics.median(shares):.2f} % of a step, "
        f"from {100 * min(shares):.2f} to {100 * max(shares):.2f} %"
    )
    middle, low, high = (100 * share for share in (statistics.median(shares), min(shares), max(shares)))
    return {"percent": middle, "low": low, "high": high, "n": steps}


def memory(iterations: int, steps: int) -> float:
    """Peak MiB of so many steps over the start; to be called in a process of its own."""
    experiment = Experiment(
        task=Supervised(batch_size=32),
        dataset=Synthetic(train=64, test=1),
        backbone=WideResNet,
        epochs=10**6,
        positives=LPA3(iterations=iterations, ratio=1.0),
    )
    env, task = built(experiment)
    start = resident("VmRSS")
    for step, _ in zip(endless(task), range(steps), strict=False):
        task.update(step, env.views)
        env.clock.step += 1
    return resident("VmHWM") - start


def resident(field: str) -> float:
    """MiB of resident memory: VmRSS now, VmHWM at its highest."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) / 1024
    raise SystemExit("memory is read from /proc, which only Linux has")


def main() -> None:
    """Read the options and print the measurements."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--keep", action="store_true", help="put it into results/speed.json")
    parser.add_argument(
        "--memory", nargs=2, type=int, metavar=("ITERATIONS", "STEPS"), help=argparse.SUPPRESS
    )
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.memory:
        print(memory(*options.memory))
        return
    print(f"torch {torch.__version__}, 1 thread, {options.steps} steps, ResNet-18, batch {options.batch}")
    share = overhead(options.steps, options.batch)
    peaks = {}
    for iterations, steps in ((1, 3), (1, 12), (5, 3), (5, 12)):
        command = [sys.executable, __file__, "--memory", str(iterations), str(steps)]
        peak = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        peaks[iterations, steps] = peak
        print(f"peak memory, K = {iterations}, {steps:>2} steps: {peak:.0f} MiB")
    if options.keep:
        keep(step=share, step_memory={str(k): peaks[k, 12] / peaks[k, 3] for k in (1, 5)})


if __name__ == "__main__":
    main()
