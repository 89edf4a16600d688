"""What labels that were made differ in from the clean ones: numbers for the record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor


_UNLABELLED = -1
"""Stands where an image has no label: using it fails, instead of giving a label away."""


def describe_noise(
    clean: Tensor, given: Tensor, labelled: Tensor, *, num_classes: int, nominal_rate: float | None
) -> dict[str, Any]:
    """How wrong the labels are that images have.

    Args:
        clean: int64 [N]; −1 where an image came without a label: nobody knows whether a given one is right.
        given: int64 [N]; read where `labelled` is true.
        labelled: bool [N].
        num_classes: K.
        nominal_rate: the rate that was asked for; None where none was.

    Returns:
        `labelled`, the images that have a label; `nominal_rate`; `realised_rate`, the share of wrong labels
        among those whose clean one is known (None where there are none); `confusion`, K×K counts of them by
        clean (row) and given (column) class.
    """
    from lpa3bench.ops import count_pairs

    known = labelled & (clean != _UNLABELLED)
    confusion = count_pairs(clean[known], given[known], num_classes)
    count = int(confusion.sum())
    return {
        "labelled": int(labelled.sum()),
        "nominal_rate": nominal_rate,
        "realised_rate": (count - int(confusion.trace())) / count if count else None,
        "confusion": confusion.tolist(),
    }
