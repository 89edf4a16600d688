"""The pools of torchvision's policies, as they work on PIL images with their default settings.

A sign moves the enhancement factors to either side of 1; translations count the other way round than in the
catalogue. Translations by a share of the image agree to the byte wherever the share of the side is not within
a rounding of a whole number of pixels, which it is only on sides that are multiples of 331.
"""

from __future__ import annotations

import struct

from lpa3bench_plugins.augmenters.image_ops.recipes import PoolEntry

_STRONGEST = 30
"""RandAugment's magnitudes count from 0 to this."""
WIDE_LEVELS = 31
"""Levels that TrivialAugmentWide draws from."""
SHARE = 150 / 331
"""Of the image's side, the farthest translation: 150 pixels of the 331 of AutoAugment's ImageNet models."""
_POLICY_LEVELS = 10
"""Levels that AutoAugment's policies count in."""


def rand_augment(magnitude: int) -> tuple[PoolEntry, ...]:
    """The pool of `torchvision.transforms.RandAugment` at one magnitude, 0 … 30."""
    shear, change = _steps(0.3, _STRONGEST + 1)[magnitude], _steps(0.9, _STRONGEST + 1)[magnitude]
    shift = magnitude * SHARE / _STRONGEST
    return (
        PoolEntry(op="Identity"),
        _signed("ShearX", shear),
        _signed("ShearY", shear),
        _signed("TranslateX", -shift),
        _signed("TranslateY", -shift),
        _signed("Rotate", magnitude),
        _enhance("Brightness", change),
        _enhance("Color", change),
        _enhance("Contrast", change),
        _enhance("Sharpness", change),
        PoolEntry(op="Posterize", values=(8 - round(magnitude * 4 / _STRONGEST),)),
        PoolEntry(op="Solarize", values=(255 - magnitude * 255 / _STRONGEST,)),
        PoolEntry(op="AutoContrast"),
        PoolEntry(op="Equalize"),
    )


def trivial_augment_wide() -> tuple[PoolEntry, ...]:
    """The pool of `torchvision.transforms.TrivialAugmentWide` (Müller & Hutter, 2021), 31 levels each.

    Translations go up to 32 pixels whatever the size of the image.
    """
    shear, change = _steps(0.99, WIDE_LEVELS), _steps(0.99, WIDE_LEVELS)
    # Cut to whole pixels after the steps in single precision: 15, not 16, stands in the middle.
    shift = tuple(-int(step) for step in _steps(32, WIDE_LEVELS))
    levels = range(WIDE_LEVELS)
    return (
        PoolEntry(op="Identity"),
        _signed("ShearX", *shear),
        _signed("ShearY", *shear),
        _signed("TranslateXabs", *shift),
        _signed("TranslateYabs", *shift),
        _signed("Rotate", *_steps(135, WIDE_LEVELS)),
        _enhance("Brightness", *change),
        _enhance("Color", *change),
        _enhance("Contrast", *change),
        _enhance("Sharpness", *change),
        PoolEntry(op="Posterize", values=tuple(8 - round(v * 6 / _STRONGEST) for v in levels)),
        PoolEntry(op="Solarize", values=tuple(255 - v * 255 / _STRONGEST for v in levels)),
        PoolEntry(op="AutoContrast"),
        PoolEntry(op="Equalize"),
    )


def auto_augment(policy: str) -> tuple[PoolEntry, ...]:
    """The 25 pairs of `torchvision.transforms.AutoAugment` (Cubuk et al., 2019), one after the other.

    Args:
        policy: "cifar10", "imagenet" or "svhn"; which pairs it has, and how probable and strong they are, is
            read from torchvision.
    """
    from torchvision.transforms.autoaugment import AutoAugment, AutoAugmentPolicy  # slow to import

    pairs = AutoAugment(AutoAugmentPolicy(policy)).policies
    return tuple(_of_policy(*operator) for pair in pairs for operator in pair)


def aug_mix(severity: int, *, all_ops: bool) -> tuple[PoolEntry, ...]:
    """The pool of `torchvision.transforms.AugMix` (Hendrycks et al., ICLR 2020): the first `severity` of ten
    levels, of which the first moves and enhances nothing.

    Args:
        severity: 1 … 10.
        all_ops: the enhancements too, which the corruptions of corrupted test sets resemble.
    """
    last, levels = _POLICY_LEVELS - 1, range(severity)
    shear, turn = _steps(0.3, _POLICY_LEVELS)[:severity], _steps(30, _POLICY_LEVELS)[:severity]
    shift = tuple(-level / 3 / last for level in levels)
    change = _steps(0.9, _POLICY_LEVELS)[:severity]
    pool = (
        _signed("ShearX", *shear),
        _signed("ShearY", *shear),
        _signed("TranslateX", *shift),
        _signed("TranslateY", *shift),
        _signed("Rotate", *turn),
        PoolEntry(op="Posterize", values=tuple(4 - round(level * 4 / last) for level in levels)),
        PoolEntry(op="Solarize", values=tuple(255 - level * 255 / last for level in levels)),
        PoolEntry(op="AutoContrast"),
        PoolEntry(op="Equalize"),
    )
    enhancements = ("Brightness", "Color", "Contrast", "Sharpness")
    return (*pool, *(_enhance(op, *change) for op in enhancements)) if all_ops else pool


def _of_policy(op: str, probability: float, level: int | None) -> PoolEntry:
    """One operator of AutoAugment: its level counts from 0 to 9, and is None where it has no magnitude."""
    last = _POLICY_LEVELS - 1
    if level is None:
        return PoolEntry(op=op, probability=probability)
    if op in ("Brightness", "Color", "Contrast", "Sharpness"):
        return _enhance(op, _steps(0.9, _POLICY_LEVELS)[level], probability=probability)
    if op in ("Posterize", "Solarize"):
        value = 8 - round(level * 4 / last) if op == "Posterize" else 255 - level * 255 / last
        return PoolEntry(op=op, values=(value,), probability=probability)
    moves = {
        "ShearX": _steps(0.3, _POLICY_LEVELS)[level],
        "ShearY": _steps(0.3, _POLICY_LEVELS)[level],
        "TranslateX": -level * SHARE / last,
        "TranslateY": -level * SHARE / last,
        "Rotate": _steps(30, _POLICY_LEVELS)[level],
    }
    return _signed(op, moves[op], probability=probability)


def _signed(op: str, *values: float, probability: float = 1.0) -> PoolEntry:
    opposite = tuple(-value for value in values)
    return PoolEntry(op=op, values=values, mirrored=opposite, probability=probability)


def _enhance(op: str, *changes: float, probability: float = 1.0) -> PoolEntry:
    more, less = tuple(1 + change for change in changes), tuple(1 - change for change in changes)
    return PoolEntry(op=op, values=more, mirrored=less, probability=probability)


def _steps(most: float, count: int) -> tuple[float, ...]:
    """`torch.linspace(0, most, count)`, from which torchvision takes magnitudes, on any hardware.

    Single precision, counted from the nearer end. A magnitude off by one rounding would change a byte here
    and there.
    """
    step = _single(_single(most) / (count - 1))
    up = (_single(step * place) for place in range(count // 2))
    down = (_single(_single(most) - step * (count - 1 - place)) for place in range(count // 2, count))
    return (*up, *down)


def _single(value: float) -> float:
    """Rounded to single precision."""
    rounded: float = struct.unpack("f", struct.pack("f", value))[0]
    return rounded
