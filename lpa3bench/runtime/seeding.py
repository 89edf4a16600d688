"""Random numbers by name: each component draws from a generator of its own.

Seeds are derived from the run's seed and the component's name, so adding or removing a component (an
augmenter, say) moves nothing that another one draws: methods are paired by design.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lpa3bench.runtime.distributed import Processes


def derive(seed: int, *names: str) -> int:
    """A 63-bit seed that depends on the run's seed and the whole path of names."""
    text = "/".join((str(seed), *names)).encode()
    return int.from_bytes(hashlib.sha256(text).digest()[:8], "little") >> 1


class Draws:
    """Random draws for one component, over generators that belong to it alone.

    Scalars, index lists and anything small is drawn on the host, so that runs on different hardware get the
    same ones. Image-sized noise is drawn where `like` lives, in logical order (a channels_last tensor would
    be filled in memory order, so the draw goes into a contiguous one).
    """

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self._host = torch.Generator().manual_seed(seed)
        self._device: torch.Generator | None = None

    def _on(self, like: Tensor) -> torch.Generator:
        if self._device is None:
            self._device = torch.Generator(like.device).manual_seed(derive(self.seed, "device"))
        return self._device

    def uniform(
        self, size: Sequence[int], low: float = 0.0, high: float = 1.0, *, like: Tensor | None = None
    ) -> Tensor:
        """Uniform in [low, high). Host float32; with `like`, on its device and in its dtype."""
        if like is None:
            drawn = torch.rand(tuple(size), generator=self._host)
            return drawn if (low, high) == (0, 1) else drawn * (high - low) + low
        out = torch.empty(tuple(size), device=like.device, dtype=like.dtype)
        return out.uniform_(low, high, generator=self._on(like))

    def normal(
        self, size: Sequence[int], mean: float = 0.0, std: float = 1.0, *, like: Tensor | None = None
    ) -> Tensor:
        """Normal. Host float32; with `like`, on its device and in its dtype."""
        if like is None:
            return torch.randn(tuple(size), generator=self._host) * std + mean
        out = torch.empty(tuple(size), device=like.device, dtype=like.dtype)
        return out.normal_(mean, std, generator=self._on(like))

    def permutation(self, n: int) -> Tensor:
        """A random order of 0 … n−1: int64[n] on the host."""
        return torch.randperm(n, generator=self._host)

    def integers(self, size: Sequence[int], low: int, high: int) -> Tensor:
        """Whole numbers, uniform in low … high−1: int64 on the host."""
        return torch.randint(low, high, tuple(size), generator=self._host)

    def multinomial(self, weights: Tensor, count: int, *, replacement: bool = True) -> Tensor:
        """`count` positions of each row drawn with the given weights: int64 on the host."""
        return torch.multinomial(weights.cpu(), count, replacement=replacement, generator=self._host)

    def beta(self, alpha: float, beta: float) -> float:
        """One number from Beta(alpha, beta), drawn by NumPy from a fresh seed of this component's."""
        return float(np.random.default_rng(self.child()).beta(alpha, beta))

    def child(self) -> int:
        """A fresh seed for a library that wants one of its own (scikit-learn, an initialiser)."""
        return int(torch.randint(0, 2**31 - 1, (1,), generator=self._host).item())

    def state_dict(self) -> dict[str, Any]:
        device = self._device
        return {
            "seed": self.seed,
            "host": self._host.get_state(),
            "device": None if device is None else (device.device.type, device.get_state()),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.seed = state["seed"]
        self._host.set_state(state["host"])
        self._device = None
        if state["device"] is not None:
            name, bits = state["device"]
            self._device = torch.Generator(name)
            self._device.set_state(bits)


class SharedDraws(Draws):
    """Draws for a batch that several processes share.

    The first dimension of what is asked for is taken for this process's rows of the batch. As many are drawn
    as all processes have rows, in every one of them, and each gets its own, so that it does not depend on the
    number of processes what a row gets. All processes must ask together; one may ask for no row. What has no
    such dimension (`permutation`, `beta`, `child`, a size of ()) is the same in all of them.
    """

    def __init__(self, seed: int, processes: Processes) -> None:
        super().__init__(seed)
        self._processes = processes

    def uniform(
        self, size: Sequence[int], low: float = 0.0, high: float = 1.0, *, like: Tensor | None = None
    ) -> Tensor:
        whole, own = self._whole(size)
        return super().uniform(whole, low, high, like=like)[own]

    def normal(
        self, size: Sequence[int], mean: float = 0.0, std: float = 1.0, *, like: Tensor | None = None
    ) -> Tensor:
        whole, own = self._whole(size)
        return super().normal(whole, mean, std, like=like)[own]

    def integers(self, size: Sequence[int], low: int, high: int) -> Tensor:
        whole, own = self._whole(size)
        return super().integers(whole, low, high)[own]

    def multinomial(self, weights: Tensor, count: int, *, replacement: bool = True) -> Tensor:
        if weights.dim() == 1:
            return super().multinomial(weights, count, replacement=replacement)
        _, own = self._whole(weights.shape)
        return super().multinomial(self._processes.gather(weights), count, replacement=replacement)[own]

    def _whole(self, size: Sequence[int]) -> tuple[tuple[int, ...], Any]:
        """The size for all rows, and which of them are this process's."""
        if not size:
            return (), ...
        span = self._processes.span(size[0])
        return (span.total, *size[1:]), slice(span.start, span.stop)


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed torch's global CPU generator inside the block and put it back after.

    For library code that takes no generator (`reset_parameters`, module constructors).
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would seed GPUs too
        yield
