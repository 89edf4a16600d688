from __future__ import annotations

import subprocess
import sys

STEPS = """
import sys
from types import ModuleType

import torch
from torch.utils.flop_counter import FlopCounterMode

from lpa3bench.runtime.compiler_import import spare_compiler_import

def trained():
    found = []
    for make in (
        lambda p: torch.optim.Adam(p, 0.01, fused=True),
        lambda p: torch.optim.SGD(p, 0.01, 0.9, nesterov=True, foreach=True),
    ):
        weight = torch.randn(8, 8, generator=torch.Generator().manual_seed(0)).requires_grad_()
        optimiser = make([weight])
        for _ in range(3):
            with FlopCounterMode(display=False) as counter:
                optimiser.zero_grad()
                (weight @ weight).sum().backward()
            optimiser.step()
        optimiser.load_state_dict(optimiser.state_dict())
        assert weight.requires_grad and torch.is_grad_enabled()
        found += [weight.detach(), torch.tensor(counter.get_total_flops())]
    return found

spare_compiler_import()
spare_compiler_import()
spared = trained()
assert not {"torch._dynamo", "sympy"} & {*sys.modules}
assert spared[1] == 3 * 2 * 8**3

compiler, kept_out, breaks = ModuleType("torch._dynamo"), [], []
compiler.disable = lambda fn, recursive, wrapping: kept_out.append(fn.__qualname__) or fn
compiler.graph_break = lambda: breaks.append(1)
sys.modules["torch._dynamo"] = compiler
asked = trained()
assert all(map(torch.equal, spared, asked))
assert {"Optimizer.zero_grad", "_FlopCounterMode.__torch_dispatch__"} <= {*kept_out}, kept_out
assert len(kept_out) == len({*kept_out}) and len(breaks) == 2 * 2 * 3
print("done")
"""


def test_steps_are_the_same_without_the_compiler() -> None:
    """And once somebody has imported it, torch keeps it out of them as ever."""
    done = subprocess.run([sys.executable, "-c", STEPS], capture_output=True, text=True, timeout=300)
    assert done.stdout == "done\n", done.stderr
