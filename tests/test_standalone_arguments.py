"""What `lpa3bench.lpa3` takes and refuses: models, images, numbers and labels in many forms."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from support.plain_networks import MEAN, STD, Pooled, augmented, images, make, unchanged
from torch import Tensor, nn

from lpa3bench.api import Output
from lpa3bench.standalone import lpa3


@pytest.mark.parametrize("wrap", [lambda t: (t, "more"), lambda t: Output(t, ()), lambda t: {"logits": t}])
def test_what_a_model_may_return(wrap: Any) -> None:
    model = make().eval()
    expected = augmented(model, images())

    class Wrapped(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = model

        def forward(self, x: Tensor) -> Any:
            return wrap(self.body(x))

    if isinstance(wrap(torch.zeros(1)), dict):
        with pytest.raises(ValueError, match=r"^model: must return logits \[6, K\], not dict"):
            augmented(Wrapped(), images())
    else:
        assert torch.equal(augmented(Wrapped(), images()), expected)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": images()[0]}, r"x: must be images \[B, C, H, W\], not \[3, 8, 8\]"),
        ({"x": images()[:0]}, r"x: must be images \[B, C, H, W\]"),
        ({"x": (images() * 255).byte()}, r"x: must be float in \[0, 1\], not torch.uint8; divide bytes"),
        ({"x": images() * 4 - 2}, r"x: must be finite and in \[0, 1\], but reaches from"),
        ({"x": images() / 0}, "x: must be finite"),
        ({"x": images().mul(torch.nan)}, "x: must be finite"),
        ({"x": np.zeros((2, 3, 8, 8))}, r"x: must be a tensor \[B, C, H, W\], not ndarray"),
        ({"mean": (0.5, 0.5)}, r"mean: must be one finite number or one per channel \(3\), not \(0.5, 0.5\)"),
        ({"std": (0.5, 0.5, 0.0)}, r"std: must be in \(0, 1\]"),
        ({"mean": 0, "std": 57}, r"std: must be in \(0, 1\], as of x, not 57; divide those of bytes by 255"),
        ({"mean": (123.7, 116.3, 103.5)}, r"mean: must be in \[0, 1\], as x is, .* divide"),
        ({"mean": -0.5}, r"mean: must be in \[0, 1\]"),
        ({"layers": ["bn1", "conv3"]}, "layers: the model has no module 'conv3'; nearest: conv"),
        ({"layers": ["xyz"]}, r"layers: the model has no module 'xyz'; see model.named_modules\(\)"),
        ({"layers": []}, "layers: must name at least one module"),
        ({"layers": ["head"]}, r"layers: 'head' gives \[6, 5\], no feature: neither maps"),
        ({"layers": ["unused"]}, "layers: the forward pass did not reach 'unused'"),
        ({"model": nn.Sequential(nn.Flatten(), nn.Linear(192, 5))}, "layers: no module gives feature maps"),
        ({"model": nn.Conv2d(3, 4, 1)}, r"model: must return logits \[6, K\], not \[6, 4, 8, 8\]"),
        ({"model": Pooled(1)}, r"model: returns one logit, .*torch.cat\(\[torch.zeros_like\(logit\)"),
        ({"margin": -1}, "margin: must be >= 0"),
        ({"iterations": -1}, "iterations: must be >= 0"),
    ],
)  # fmt: skip
def test_wrong_arguments(change: dict[str, Any], message: str) -> None:
    arguments = {"model": make(), "x": images(), "mean": MEAN, "std": STD} | change
    model = arguments["model"]
    with unchanged(model), pytest.raises(ValueError, match=f"^{message}"):
        lpa3(**arguments)


ROWS = [0, 1, 2, 3, 4, 0]
SOFT = 0.9 * torch.eye(5)[ROWS] + 0.02


@pytest.mark.parametrize(
    "y",
    [
        ROWS,
        tuple(ROWS),
        np.array(ROWS),
        np.array(ROWS, dtype=np.uint8),
        np.array(ROWS).reshape(-1, 1),
        torch.tensor(ROWS, dtype=torch.int32),
        torch.tensor(ROWS, dtype=torch.uint8),
        F.one_hot(torch.tensor(ROWS)),
        np.eye(5, dtype=bool)[ROWS],
        SOFT,
        SOFT.half(),
        SOFT.tolist(),
    ],
)
def test_labels_in_other_forms(y: Any) -> None:
    model = make().eval()
    expected = augmented(model, images(), torch.tensor(ROWS), lam=50.0)
    assert torch.equal(augmented(model, images(), y, lam=50.0), expected)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.zeros(6), r"must be class numbers \[6\] or probabilities \[6, 5\], not .*: y.long\(\)"),
        (torch.zeros(6, dtype=torch.bool), r"must be class numbers .*; as class numbers: y.long\(\)"),
        (torch.zeros(5, dtype=torch.int64), r"must be class numbers \[6\] or .*, not torch.int64 \[5\]$"),
        (["cat"] * 6, r"must be class numbers \[6\] .*, not list"),
        ([[0], [1, 2]], r"must be class numbers \[6\] .*, not list"),
        (torch.full((6,), 5), "must be in 0 … 4, but reaches from 5 to 5"),
        ([-1] * 6, "must be in 0 … 4, but reaches from -1 to -1"),
        (4 * torch.eye(5)[ROWS], r"has rows that are no probabilities .*y.argmax\(1\)"),
        (
            torch.eye(5)[ROWS] + torch.eye(5)[[1, 2, 3, 4, 0, 1]],
            "has rows that are no prob.*; of several true",
        ),
        (torch.full((6, 5), torch.nan), "has rows that are no probabilities"),
    ],
)
def test_labels_that_are_not_plain(y: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^y: {message}") as caught:
        augmented(make(), images(), y)
    assert "\n" not in str(caught.value)
