"""Which samples a run trains on, and fingerprints of data. Pure functions of counts, draws and tensors."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from lpa3bench.runtime.seeding import Draws
    from lpa3bench.types import Split


def hold_out(n: int, count: int, draws: Draws) -> tuple[Tensor, Tensor]:
    """Set `count` of `n` training images apart for validation, drawn without regard to their labels.

    One order of all images is drawn whatever `count` is, and its front is held out: with the same draws every
    method holds out the same images, and a larger hold-out contains a smaller one.

    Returns:
        Two ascending int64 index tensors, [n − count] to train on and [count] held out.

    Raises:
        ValueError: nothing would be left to train on.
    """
    if not 0 <= count < n:
        raise ValueError(f"holdout: must be >= 0 and < {n}, the training images there are; not {count}")
    order = draws.permutation(n)
    return order[count:].sort().values, order[:count].sort().values


def limit(n: int, count: int, draws: Draws) -> Tensor:
    """`count` of `n` training images, for a trial run: drawn without regard to labels, nested, ascending.

    A random part rather than the first images, because a data set may be stored class by class.

    Returns:
        int64 [min(count, n)].

    Raises:
        ValueError: `count` is below 1.
    """
    if count < 1:
        raise ValueError(f"limit: must be >= 1, not {count}")
    return draws.permutation(n)[:count].sort().values


def fingerprint(tensors: Iterable[Tensor]) -> str:
    """SHA-256 of the contents, dtypes and shapes of tensors, in order; 64 hexadecimal digits.

    The same on every device and whatever the memory layout. About as fast as the hash itself: on the CPU
    nothing is copied but tensors that are not contiguous.
    """
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {list(tensor.shape)};".encode())
        contents = tensor.detach().cpu().contiguous().reshape(-1).view(torch.uint8)
        digest.update(contents.numpy().data)
    return digest.hexdigest()


def data_hash(splits: Mapping[str, Split]) -> str:
    """The fingerprint of a data set: the images and labels of its splits, in the order of their names."""
    return fingerprint(
        tensor for name in sorted(splits) for tensor in (splits[name].images, splits[name].labels)
    )
