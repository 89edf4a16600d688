"""How `P_corruptions.npz` was made: with imagecorruptions-imaug 1.1.5 (Apache-2.0) and what it needs, none of
which the suite needs. `python recipe_corruptions.py` writes it anew beside this file."""

# mypy: ignore-errors
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from imagecorruptions import corruptions as released
from PIL import Image
from skimage.util import random_noise

FOUND = {}
DRAWN = []
PARTS = 32


def image(side):
    """Smooth colours with edges and grain."""
    state = np.random.RandomState(side)
    down, across = np.meshgrid(np.linspace(0, 3, side), np.linspace(0, 5, side), indexing="ij")
    smooth = np.stack([np.sin(down + c) * np.cos(across - c) for c in range(3)], 2) * 90 + 120
    smooth[side // 4 : side // 2, side // 3 : side // 2] = (250, 20, 90)
    return np.clip(smooth + state.normal(0, 12, smooth.shape), 0, 255).astype(np.uint8)


def short(drawn):
    """In double precision, but exact in single: half the file."""
    return np.asarray(drawn).astype(np.float32).astype(np.float64)


def recorded(state):
    def normal(size=None, loc=0.0, scale=1.0):
        drawn = short(state.standard_normal(size))
        DRAWN.append(drawn)
        return drawn * scale + loc

    def uniform(low, high, size=None):
        drawn = short(state.uniform(low, high, size))
        DRAWN.append(drawn)
        return drawn

    def randint(low, high, size=None):
        drawn = state.randint(low, high, size)
        DRAWN.append(drawn)
        return drawn

    np.random.normal, np.random.uniform, np.random.randint = normal, uniform, randint


def keep(kind, severity, pixels, made, draws):
    key = f"{kind}/{severity}"
    """What was made stays in thirty-seconds of a byte's step: bytes, which are cut off, would tell less."""
    FOUND[f"{key}/image"] = pixels
    FOUND[f"{key}/made"] = np.rint(np.asarray(made).astype(np.float64) * PARTS).astype(np.uint16)
    for place, drawn in enumerate(draws):
        FOUND[f"{key}/draw{place:02}"] = drawn.astype(
            np.float32 if drawn.dtype == np.float64 else drawn.dtype
        )


def batch(drawn):
    """As our operations ask for it: channels first, one image."""
    if drawn.ndim == 3:
        return drawn.transpose(2, 0, 1)[None]
    return drawn[None] if drawn.ndim else drawn.reshape(1)


def main():
    recorded(np.random.RandomState(0))
    released._shuffle_pixels_njit_glass_blur = released._shuffle_pixels_njit_glass_blur.py_func
    kinds = (
        "gaussian_noise", "defocus_blur", "motion_blur", "zoom_blur", "fog", "brightness", "contrast",
        "pixelate", "jpeg_compression", "snow", "elastic_transform",
    )  # fmt: skip
    for kind in kinds:
        for severity in (1, 2, 5):
            pixels = image(30 if kind == "snow" else 32)
            given = Image.fromarray(pixels) if kind in ("pixelate", "jpeg_compression") else pixels
            DRAWN.clear()
            made = getattr(released, kind)(given, severity=severity)
            draws = [batch(drawn) for drawn in DRAWN]
            if kind == "snow":
                draws[0] = draws[0][None]
            if kind == "elastic_transform":
                draws = [np.zeros((1, 3, 2)), np.concatenate(draws)[None] / (0.005 * len(pixels))]
                draws = [short(drawn) for drawn in draws]
            keep(kind, severity, pixels, made, draws)
    for severity, share in zip((1, 2, 5), (0.03, 0.06, 0.27), strict=True):
        pixels, state = image(32), np.random.default_rng(severity)
        draws = [batch(short(state.random(pixels.shape))) for _ in range(2)]
        made = partial(random_noise, rng=severity)(pixels / 255.0, mode="s&p", amount=share)
        keep("impulse_noise", severity, pixels, np.clip(made, 0, 1) * 255, draws)
    for severity in (1, 2, 5):
        pixels = image(32)
        DRAWN.clear()
        made = released.glass_blur(pixels, severity=severity, seed=0)
        keep("glass_blur", severity, pixels, made, [np.concatenate([d.reshape(-1) for d in DRAWN])])
    # CIFAR-C's own: a disc of a pixel and a half, and the affine part of its elastic transform.
    pixels = image(32)
    disc = released.disk(radius=1.5, alias_blur=0.1)
    made = np.stack([cv2.filter2D(pixels[..., c] / 255.0, -1, disc) for c in range(3)], 2)
    keep("defocus_blur", "cifar5", pixels, np.clip(made, 0, 1) * 255, [])
    corners = np.float32([[26, 26], [26, 6], [6, 6]])
    moves = np.random.RandomState(3).uniform(-2.56, 2.56, (3, 2)).astype(np.float32)
    matrix = cv2.getAffineTransform(corners, corners + moves)
    warped = cv2.warpAffine(np.float32(pixels) / 255, matrix, (32, 32), borderMode=cv2.BORDER_REFLECT_101)
    keep("elastic_transform", "cifar1", pixels, np.clip(warped, 0, 1) * 255, [moves[None].astype(np.float64)])
    np.savez_compressed(Path(__file__).parent / "P_corruptions.npz", **FOUND)


if __name__ == "__main__":
    main()
