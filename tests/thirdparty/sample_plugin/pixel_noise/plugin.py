"""Registers the augmenter by name; its module, and torch with it, is imported when a config names it."""

from __future__ import annotations

from lpa3bench import hookimpl
from lpa3bench.plugin.hookspecs import Register


@hookimpl
def register_augmenters(register: Register) -> None:
    register("PixelNoise", "pixel_noise.augmenter:PixelNoise")
