"""The estimates of conditions (a) and (b), held against augmenters whose truth is known."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from support.calibration_augmenters import Blank, SwapWithinClass
from torch import Tensor

from lpa3bench.analysis.card import probes
from lpa3bench.analysis.card.card_measures import CardMeasure
from lpa3bench.analysis.card.information import ProbeTarget, label_target, what_is_told
from lpa3bench.analysis.card.views import Viewed
from lpa3bench.api import Augmenter, Context
from lpa3bench.data.nuisances import COLOURS
from lpa3bench.ops import one_hot
from lpa3bench.runtime.seeding import Draws
from lpa3bench_plugins.augmenters.identity import Identity

LEARN = 1200
"""Of the 1,797 digits: probes learn on these, and read the others."""


@pytest.fixture(scope="module")
def coloured() -> tuple[Tensor, Tensor, Tensor]:
    """scikit-learn's digits in one of six colours, [N, 3, 8, 8], their labels and which colour."""
    from sklearn.datasets import load_digits

    pixels, label = load_digits(return_X_y=True)
    draws = Draws(5)
    order = draws.permutation(len(label))
    colour = draws.integers((len(label),), 0, len(COLOURS))
    ink = torch.from_numpy(pixels / 16).float().view(-1, 1, 8, 8)[order]
    return (
        ink * torch.tensor(COLOURS)[colour].view(-1, 3, 1, 1),
        torch.from_numpy(label).long()[order],
        colour,
    )


def viewed(augmenter: Augmenter, x: Tensor, label: Tensor) -> Viewed:
    ctx: Any = type("Told", (), {"target": one_hot(label, 10)})
    found: Context = ctx
    view = augmenter.generate(x, found)
    return Viewed(x, view.x, view.rows, label, one_hot(label, 10), "main", 0, 0, 0)


def kept(augmenter: Augmenter, data: tuple[Tensor, Tensor, Tensor]) -> dict[str, CardMeasure]:
    """The share that is kept of label and colour."""
    x, label, colour = data
    learn, held = (viewed(augmenter, x[part], label[part]) for part in (slice(LEARN), slice(LEARN, None)))
    colours = ProbeTarget(len(COLOURS), (colour[:LEARN],) * 2, (colour[LEARN:],) * 2)
    targets = {"label": label_target(learn, held, 10), "colour": colours}
    found = what_is_told(learn, held, targets, where="digits", prefix="p", seed=0)
    return {name: one for name in targets for one in found if one.key == f"p_{name}_kept"}


@pytest.mark.parametrize(
    ("augmenter", "label", "colour", "steps"),
    [(SwapWithinClass(), 1.0, 0.0, 100), (Identity(), 1.0, 1.0, 20), (Blank(), 0.0, 0.0, 20)],
    ids=lambda one: type(one).__name__ if isinstance(one, Augmenter) else "",
)
def test_known_truth_is_found_within_its_own_sampling_error(
    augmenter: Augmenter,
    label: float,
    colour: float,
    steps: int,
    coloured: tuple[Tensor, Tensor, Tensor],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(probes, "STEPS", steps)
    monkeypatch.setattr(probes, "SEEDS", 2)
    found = kept(augmenter, coloured)
    for name, truth in (("label", label), ("colour", colour)):
        one = found[name]
        assert one.value is not None
        assert one.low is not None
        assert one.high is not None
        error = (one.high - one.low) / (2 * 1.96)
        assert error < 0.03, name  # one trunk for all targets was off by 0.15
        assert abs(one.value - truth) <= 4 * error + 1e-12, (name, one.value, error)
