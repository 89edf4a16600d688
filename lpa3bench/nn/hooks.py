"""Looking at what the modules of a network return, without changing the network."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from torch import nn


@contextmanager
def watched(modules: Mapping[str, nn.Module], saw: Callable[[str, int, Any], None]) -> Iterator[None]:
    """Inside the block every call of a module is reported: its name, which call of it this is, its output.

    The hooks live for the block alone, so a deep copy of the network takes none of them along.

    Args:
        modules: by the name to report them under.
        saw: called with name, number of the call (from 0) and output, in the order of the calls.
    """
    calls = dict.fromkeys(modules, 0)

    def hook(name: str, _module: nn.Module, _inputs: Any, output: Any) -> None:
        saw(name, calls[name], output)
        calls[name] += 1

    handles = [module.register_forward_hook(partial(hook, name)) for name, module in modules.items()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
