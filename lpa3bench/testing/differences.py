"""What a trial watches: global random generators, weights, and states that must be the same bits."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from lpa3bench.runtime.seeding import Draws

_T = TypeVar("_T")


def _global_states() -> dict[str, bytes]:
    # NumPy's legacy state is a tuple with an array in it; its list shows every word.
    legacy = [np.asarray(part).tolist() for part in np.random.get_state(legacy=True)]
    return {
        "torch": torch.get_rng_state().numpy().tobytes(),
        "NumPy": repr(legacy).encode(),
        "Python": repr(random.getstate()).encode(),
    }


@contextmanager
def global_draws(found: set[str]) -> Iterator[None]:
    """Adds to `found` whose global generator the block draws from: torch, NumPy or Python."""
    before = _global_states()
    try:
        yield
    finally:
        after = _global_states()
        found |= {name for name in before if before[name] != after[name]}


def refuse_global_draws(found: set[str]) -> None:
    """Raises AssertionError where there are any."""
    names = " and ".join(f"{name}'s" for name in sorted(found))
    assert not found, f"draws from {names} global random generator"


@contextmanager
def no_global_randomness() -> Iterator[None]:
    """Fails where the block draws from a global generator of torch, NumPy or Python."""
    found: set[str] = set()
    with global_draws(found):
        yield
    refuse_global_draws(found)


@contextmanager
def fresh_globals() -> Iterator[None]:
    """The global generators start from one state inside the block, and are put back after it.

    So a plugin that draws from them is told that it does, and not of everything that follows from it.
    """
    states = torch.get_rng_state(), np.random.get_state(), random.getstate()
    torch.default_generator.manual_seed(0)
    np.random.seed(0)
    random.seed(0)
    try:
        yield
    finally:
        torch.set_rng_state(states[0])
        np.random.set_state(states[1])
        random.setstate(states[2])


def drew(state: dict[str, Any]) -> bool:
    """Whether anything was drawn from draws that are in this state."""
    untouched = Draws(state["seed"]).state_dict()["host"]
    return state["device"] is not None or not torch.equal(state["host"], untouched)


def weights_of(module: nn.Module) -> dict[str, Tensor]:
    """A copy of parameters and buffers."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(module: nn.Module, before: dict[str, Tensor]) -> list[str]:
    """Parameters and buffers that are not what they were, the auxiliary BatchNorm's left out."""
    now = module.state_dict()
    return [name for name, value in before.items() if ".aux." not in name and not same_bits(now[name], value)]


def norm_settings(module: nn.Module) -> dict[str, Any]:
    """What decides how a BatchNorm works and is in no state dict, the auxiliary one's left out."""
    return {
        f"{name}.{setting}": getattr(part, setting)
        for name, part in module.named_modules()
        if isinstance(part, _BatchNorm) and not name.endswith(".aux")
        for setting in ("momentum", "eps")
    }


def same_bits(one: Tensor, other: Tensor) -> bool:
    """The same shape, type and values; NaN is the same as NaN."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(((one == other) | ((one != one) & (other != other))).all())


def listed(names: list[str]) -> str:
    """The first three names, and how many more there are."""
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more


def assert_same(one: Any, other: Any, where: str = "") -> None:
    """Two state dicts hold the same bits."""
    assert type(one) is type(other), f"{where}: {type(one).__name__} and {type(other).__name__}"
    if isinstance(one, Tensor):
        assert one.dtype == other.dtype, f"{where}: {one.dtype} and {other.dtype}"
        assert same_bits(one, other), f"{where} differs"
    elif isinstance(one, dict):
        assert one.keys() == other.keys(), f"{where}: {sorted(one)} and {sorted(other)}"
        for key in one:
            assert_same(one[key], other[key], f"{where}/{key}")
    elif isinstance(one, list | tuple):
        assert len(one) == len(other), f"{where}: {len(one)} and {len(other)} entries"
        for place, pair in enumerate(zip(one, other, strict=True)):
            assert_same(*pair, where=f"{where}/{place}")
    else:
        assert one == other or (one != one and other != other), f"{where}: {one!r} and {other!r}"


def attempt(work: Callable[[], Any]) -> Exception | None:
    """What the work raises; None where it goes through."""
    outcome = outcome_of(lambda: (work(),))
    return outcome if isinstance(outcome, Exception) else None


def outcome_of(work: Callable[[], _T]) -> _T | Exception:
    """What the work returns, or raises; of a program that ends itself, an error that says so."""
    try:
        return work()
    except Exception as error:  # somebody else's code can raise anything
        return error
    except SystemExit as error:  # which would end the kit without a word
        return no_exit(error)


def no_exit(error: SystemExit) -> Exception:
    """What stands for a plugin's attempt to end the program."""
    return RuntimeError(f"it ends the program (SystemExit: {error})")
