"""A training step and LP-A3's search, contiguous over channels_last (`run.layout`). Run by hand:

    python benchmarks/layout.py [--net smallnet] [--batch 64] [--iterations 2] [--rounds 7] [--keep]

A step is the engine's, of cross-entropy on made-up images: draw the batch, cut the views, update. The search
is the one of attack.py. One thread, float32, CPU time of the process; a round runs both layouts once, the
order rotates. Above 1 the default, channels_last, is the faster one. There is no aim: the two end with other
last bits, so the default stays, and this says for which network the other one is worth a binding.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from attack import NETS, prepare, search
from step import built, endless
from timing import Compared, compared, interleaved, keep

from lpa3bench.config.experiment import Experiment
from lpa3bench.nn.batchnorm import bn_domain
from lpa3bench.nn.freeze import frozen
from lpa3bench.types import LAYOUTS, MemoryLayout
from lpa3bench_plugins.datasets.synthetic import Synthetic
from lpa3bench_plugins.tasks.supervised import Supervised

Work = Callable[[], None]


def step(name: str, batch: int, layout: MemoryLayout) -> Work:
    """One step of the engine."""
    case = NETS[name]
    experiment = Experiment(
        task=Supervised(batch_size=batch, optimizer="sgd", lr=0.01),
        dataset=Synthetic(size=case.side, channels=case.channels, train=4 * batch, test=1),
        backbone=case.make,
        epochs=10**6,
        layout=layout,
    )
    env, task = built(experiment)
    source = endless(task)

    def work() -> None:
        task.update(next(source), env.views)
        env.clock.step += 1

    return work


def searching(name: str, batch: int, iterations: int, layout: MemoryLayout) -> Work:
    """One search in the auxiliary BatchNorm."""
    setup = prepare(name, batch, layout)

    def work() -> None:
        with frozen(setup.net), bn_domain(setup.net, "aux"):
            search(setup, iterations)

    return work


def measured(make: Callable[[MemoryLayout], Work], rounds: int) -> Compared:
    """Contiguous over channels_last."""
    times = interleaved({layout: make(layout) for layout in LAYOUTS}, rounds)
    return compared(times["contiguous"].cpu, times["channels_last"].cpu)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--net", action="append", choices=list(NETS))
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--iterations", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--keep", action="store_true", help="put it into results/speed.json")
    given = parser.parse_args()
    torch.set_num_threads(1)
    for name in given.net or NETS:
        rounds = given.rounds * NETS[name].repeats  # short ones alone are blurred
        found = {
            "step": measured(partial(step, name, given.batch), rounds),
            "search": measured(partial(searching, name, given.batch, given.iterations), rounds),
        }
        for part, ratio in found.items():
            print(f"{name:16} B={given.batch} {part:6} contiguous over channels_last {ratio}", flush=True)
        if given.keep:
            told: dict[str, Any] = {part: ratio._asdict() for part, ratio in found.items()}
            keep(**{f"layout_{name}": {**told, "batch": given.batch, "iterations": given.iterations}})


if __name__ == "__main__":
    main()
