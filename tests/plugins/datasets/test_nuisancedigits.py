"""Digits with known nuisances: what is drawn is what is seen, and tells nothing of the digit."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from lpa3bench.data.nuisances import ANGLES, COLOURS, FACTORS, SHIFTS, SIDE, paint_nuisance
from lpa3bench.data.splits import data_hash
from lpa3bench_plugins.datasets.nuisancedigits import COPIES, NuisanceDigits


def test_nuisances_are_what_they_are_called() -> None:
    ink = torch.zeros(1, 8, 8)
    ink[0, :, 3:5] = 1  # an upright stroke
    middle, upright = len(SHIFTS) ** 2 // 2, ANGLES.index(0.0)

    def painted(colour: int = 0, rotation: int = upright, position: int = middle) -> Tensor:
        drawn = {"colour": colour, "rotation": rotation, "position": position}
        return paint_nuisance(ink, {name: torch.tensor([place]) for name, place in drawn.items()})[0]

    def centre(image: Tensor) -> tuple[float, float]:
        light = image.sum(0)
        places = torch.arange(16.0)
        return float((light.sum(0) * places).sum() / light.sum()), float(
            (light.sum(1) * places).sum() / light.sum()
        )

    for place, rgb in enumerate(COLOURS):
        assert painted(colour=place).amax((1, 2)).tolist() == pytest.approx(list(rgb), abs=1e-4)
    assert centre(painted()) == pytest.approx((7.5, 7.5), abs=0.01)
    assert centre(painted(position=0)) == pytest.approx((7.5 + SHIFTS[0], 7.5 + SHIFTS[0]), abs=0.1)
    assert centre(painted(position=2)) == pytest.approx((7.5 + SHIFTS[2], 7.5 + SHIFTS[0]), abs=0.1)
    light = painted(rotation=len(ANGLES) - 1)[0]  # counter-clockwise: the upper end goes to the left
    assert float(light[3:6, :8].sum()) > 5 * float(light[3:6, 8:].sum())


def test_no_digit_is_in_two_parts_and_nuisances_tell_nothing_of_it() -> None:
    digits = NuisanceDigits()
    seen = []
    for part, copies in COPIES.items():
        split, drawn = digits.part(part)
        assert len(split.labels) % copies == 0
        seen.append(len(split.labels) // copies)
        for name, count in FACTORS.items():
            assert sorted(set(drawn[name].tolist())) == list(range(count))
            table = torch.zeros(10, count).index_put(
                (split.labels, drawn[name]), torch.tensor(1.0), accumulate=True
            )
            shares = table / table.sum()
            alone = shares.sum(1, keepdim=True) * shares.sum(0, keepdim=True)
            assert float(torch.special.xlogy(shares, shares / alone).sum()) < 0.06  # nats
    assert sum(seen) == 1797


def test_their_numbers_are_known_before_they_are_read(tmp_path: Path) -> None:
    digits = NuisanceDigits()
    splits = digits.load(tmp_path)
    assert digits.present(tmp_path).splits == {name: len(split.labels) for name, split in splits.items()}
    assert digits.factors == FACTORS
    assert digits.spec.size == SIDE


def test_the_images_stay_as_they_were(tmp_path: Path) -> None:
    """Runs that were made before the data set could be named by any config are still its runs."""
    known = "20f857c76fcafc7a0e62eae3ea5f2be648af160b359328cb9c8e6149da4f9a2c"
    assert data_hash(NuisanceDigits().load(tmp_path)) == known
