"""The released label-noise generators against recorded labels (file F): no difference is allowed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lpa3bench_plugins.labels import noise, released

FILE = np.load(Path(__file__).with_name("F_label_noise.npz"))
MATRICES = {"sym": released.symmetric, "pairflip": released.pairflip, "oneflip": released.oneflip}


def entries(group: str) -> list[str]:
    return sorted({key.split("/")[1] for key in FILE if key.startswith(f"{group}/")} - {"asym_map"})


def entry(group: str, name: str) -> dict[str, Any]:
    """The entry's values, numbers as plain ones, and its clean labels."""
    prefix = f"{group}/{name}/"
    found = {key.removeprefix(prefix): FILE[key] for key in FILE if key.startswith(prefix)}
    plain = {key: value.item() if value.ndim == 0 else value for key, value in found.items()}
    return {**plain, "clean": FILE[f"labels{plain['num_classes']}"]}


TRANSITIONS = entries("transition")
DIVIDEMIX = [name for name in entries("dividemix") if not name.startswith("asym_")]


def test_nothing_recorded_is_left_out() -> None:
    assert len(TRANSITIONS) == 6
    assert len(DIVIDEMIX) == 3


@pytest.mark.parametrize("name", TRANSITIONS)
def test_transition(name: str) -> None:
    e = entry("transition", name)
    rate = released.effective_rate(
        e["nominal_rate"], e["num_classes"], include_own_class=e["include_own_class"]
    )
    assert rate == pytest.approx(e["effective_rate"], rel=1e-12)
    matrix = MATRICES[name.split("_")[0]](e["num_classes"], rate)
    np.testing.assert_allclose(matrix, e["P"], rtol=0, atol=1e-12)
    given = released.draw(e["clean"], matrix, e["seed"])
    np.testing.assert_array_equal(given, e["noisy_labels"])
    assert np.mean(given != e["clean"]) == pytest.approx(e["realised_rate"], rel=1e-12)


@pytest.mark.parametrize("name", TRANSITIONS)
def test_split(name: str) -> None:
    e = entry("transition", name)
    train, rest = released.split(len(e["clean"]), e["split_fraction"], e["seed"])
    np.testing.assert_array_equal(train, e["train_index"])
    np.testing.assert_array_equal(rest, e["val_index"])


@pytest.mark.parametrize("name", DIVIDEMIX)
def test_dividemix(name: str) -> None:
    e = entry("dividemix", name)
    given = released.dividemix(
        e["clean"].tolist(),
        e["r"],
        num_classes=e["num_classes"],
        mapping=FILE["dividemix/asym_map"].tolist() if e["mode"] == "asym" else None,
        seed=e["python_seed"],
    )
    np.testing.assert_array_equal(given, e["noisy_labels"])
    assert np.mean(given != e["clean"]) == pytest.approx(e["realised_rate"], rel=1e-12)


def test_cifar10_map() -> None:
    np.testing.assert_array_equal(noise.CIFAR10_MAP, FILE["dividemix/asym_map"])
