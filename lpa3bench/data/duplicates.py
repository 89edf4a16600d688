"""Images that two splits have in common, by a digest of their pixels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import TYPE_CHECKING

from lpa3bench.types import SPLITS

if TYPE_CHECKING:
    from torch import Tensor

DIGEST_BYTES = 16


def image_digests(images: Tensor) -> list[bytes]:
    """A digest of each image. images: uint8 [N, C, H, W] on the CPU, copied where they are not contiguous."""
    rows = images.contiguous().flatten(1).numpy()
    return [hashlib.sha256(row.data).digest()[:DIGEST_BYTES] for row in rows]


def count_duplicates(digests: Mapping[str, Sequence[bytes]]) -> dict[str, int]:
    """Of each pair of splits, how many images of the later one are in the earlier one too: "test in train".

    Args:
        digests: as `image_digests` makes them, by split.
    """
    here = [split for split in SPLITS if split in digests]
    sets = {split: frozenset(digests[split]) for split in here}
    return {
        f"{later} in {earlier}": sum(digest in sets[earlier] for digest in digests[later])
        for earlier, later in combinations(here, 2)
    }
