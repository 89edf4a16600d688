"""The label generators released with PES, DivideMix and FixMatch's PyTorch port, draw for draw.

Not for training, where `noise.py` and `fewlabels.py` serve all methods alike: they are here to be compared
with recorded labels, and to make the very labels of a published seed. Unlike there, random numbers come from
seeds, because the releases seed NumPy's and Python's generators.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import numpy as np

_Array = Any
"""np.ndarray, whose type parameters say nothing here."""


def effective_rate(nominal: float, num_classes: int, *, include_own_class: bool) -> float:
    """The share of wrong labels that a nominal rate means.

    PES's semi-supervised script counts draws that hit the image's own class (`include_own_class`), its other
    script does not.
    """
    return nominal * (1 - 1 / num_classes) if include_own_class else nominal


def symmetric(num_classes: int, rate: float) -> _Array:
    """P[clean, given]: wrong with probability `rate`, all wrong classes alike. float64 [K, K]."""
    matrix = np.full((num_classes, num_classes), rate / (num_classes - 1))
    np.fill_diagonal(matrix, 1 - rate)
    return matrix


def pairflip(num_classes: int, rate: float) -> _Array:
    """P[clean, given]: the next class with probability `rate`, the first after the last. float64 [K, K]."""
    identity = np.eye(num_classes)
    return (1 - rate) * identity + rate * np.roll(identity, 1, axis=1)


def oneflip(num_classes: int, rate: float) -> _Array:
    """P[clean, given]: class 1 becomes class 2 with probability `rate`, others stay. float64 [K, K]."""
    matrix = np.eye(num_classes)
    matrix[1, 1:3] = 1 - rate, rate
    return matrix


def draw(labels: _Array, matrix: _Array, seed: int) -> _Array:
    """PES's noisy labels: for each image in order, one multinomial draw from the row of its clean class.

    Args:
        labels: int [N], clean.
        matrix: float64 [K, K], rows sum to 1.
        seed: of a fresh legacy `RandomState`.

    Returns:
        int64 [N].
    """
    generator = np.random.RandomState(seed)
    return np.array([generator.multinomial(1, matrix[label]).argmax() for label in labels], dtype=np.int64)


def split(count: int, fraction: float, seed: int) -> tuple[_Array, _Array]:
    """PES's training part, trunc(count·fraction) images drawn without replacement, and the rest.

    Returns:
        The training part in drawn order (so fraction 1 permutes the set) and the rest ascending; int64.
    """
    train = np.random.RandomState(seed).choice(count, int(count * fraction), replace=False)
    return train, np.setdiff1d(np.arange(count), train)


def dividemix(
    labels: Sequence[int],
    rate: float,
    *,
    num_classes: int,
    mapping: Sequence[int] | None = None,
    seed: int,
) -> _Array:
    """DivideMix's noisy labels: trunc(rate·N) images by a shuffle, then redrawn or mapped in ascending order.

    Args:
        labels: N clean labels.
        rate: share of images touched.
        num_classes: K.
        mapping: asymmetric noise: of each class, the one it becomes. None: symmetric, drawn uniformly over
            all classes, the own one included.
        seed: of Python's generator.

    Returns:
        int64 [N].
    """
    generator = random.Random(seed)
    order = list(range(len(labels)))
    generator.shuffle(order)
    noisy = set(order[: int(rate * len(labels))])
    given = [int(label) for label in labels]
    for place in sorted(noisy):
        given[place] = generator.randint(0, num_classes - 1) if mapping is None else mapping[given[place]]
    return np.array(given, dtype=np.int64)


def fixmatch(
    labels: _Array,
    count: int,
    *,
    num_classes: int,
    batch_size: int,
    steps_per_epoch: int,
    expand: bool,
    seed: int,
) -> _Array:
    """FixMatch's labelled images, the same number of each class, in the order that its loader is given.

    Args:
        labels: int [N], clean.
        count: labelled images in all, a multiple of `num_classes`.
        num_classes: K.
        batch_size: labelled images per step.
        steps_per_epoch: see `expand`.
        expand: repeat them until they fill an epoch, before they are shuffled; fewer images than make a
            batch are repeated all the same.
        seed: of a legacy `RandomState`.

    Returns:
        int64 [count] or a multiple of that.
    """
    generator = np.random.RandomState(seed)
    classes = [np.flatnonzero(np.asarray(labels) == label) for label in range(num_classes)]
    each = count // num_classes
    chosen = np.concatenate([generator.choice(members, each, replace=False) for members in classes])
    if expand or count < batch_size:
        chosen = np.tile(chosen, -(-batch_size * steps_per_epoch // count))
    generator.shuffle(chosen)
    return chosen
