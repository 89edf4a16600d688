"""Filters and resampling against SciPy's."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import ndimage

from lpa3bench.data.resampling import Border, bilinear, border_index, gaussian_filtered, zoomed

STATE = np.random.RandomState(0)
X = STATE.uniform(size=(2, 3, 9, 7))
NAMES: dict[Border, str] = {"edge": "edge", "mirror": "reflect", "symmetric": "symmetric"}
"""NumPy's."""
MODES: dict[Border, str] = {"edge": "nearest", "mirror": "mirror", "symmetric": "reflect"}
"""SciPy's."""


@pytest.mark.parametrize("border", NAMES)
@pytest.mark.parametrize("n", [1, 2, 5])
def test_what_stands_beyond_the_border(border: Border, n: int) -> None:
    expected = np.pad(np.arange(n), 12, mode=NAMES[border])  # type: ignore[call-overload]
    assert border_index(torch.arange(-12, n + 12), n, border).tolist() == expected.tolist()


@pytest.mark.parametrize("border", MODES)
@pytest.mark.parametrize("sigma", [0.05, 0.7, 6.4])
def test_gaussian_filter(border: Border, sigma: float) -> None:
    expected = ndimage.gaussian_filter(X, (0, 0, sigma, sigma), mode=MODES[border], truncate=3)
    found = gaussian_filtered(torch.from_numpy(X), sigma, border, truncate=3)
    assert np.allclose(found.numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("border", ["mirror", "symmetric"])
def test_bilinear(border: Border) -> None:
    places = STATE.uniform(-6, 15, size=(2, 2, 4, 5))
    found = bilinear(torch.from_numpy(X), *torch.from_numpy(places), border)
    for image in range(2):
        for channel in range(3):
            expected = ndimage.map_coordinates(
                X[image, channel], places[:, image], order=1, mode=MODES[border]
            )
            assert np.allclose(found[image, channel].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize("factor", [1.0, 1.06, 1.3, 2.25])
def test_zoom(factor: float) -> None:
    height, width = int(np.ceil(9 / factor)), int(np.ceil(7 / factor))
    top, left = (9 - height) // 2, (7 - width) // 2
    middle = X[0, 0, top : top + height, left : left + width]
    large = ndimage.zoom(middle, factor, order=1)
    top, left = (large.shape[0] - 9) // 2, (large.shape[1] - 7) // 2
    found = zoomed(torch.from_numpy(X), factor)[0, 0]
    assert np.allclose(found.numpy(), large[top : top + 9, left : left + 7], atol=1e-12)
