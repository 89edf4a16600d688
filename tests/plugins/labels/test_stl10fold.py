from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from support.label_contexts import context

from lpa3bench.api import LabelSet
from lpa3bench.errors import DataError
from lpa3bench_plugins.labels.stl10fold import _FILE, STL10Fold

CLEAN = torch.cat((torch.arange(5000) % 10, torch.full((700,), -1)))


def folds() -> np.ndarray:
    """Ten lines of a thousand places; line i opens with place i."""
    generator = np.random.default_rng(0)
    rows = []
    for first in range(10):
        others = np.setdiff1d(np.arange(5000), [first])
        rows.append(np.concatenate(([first], np.sort(generator.choice(others, 999, replace=False)))))
    return np.stack(rows)


def write(root: Path, rows: np.ndarray) -> Path:
    path = root / _FILE
    path.parent.mkdir(exist_ok=True)
    # The official lines end in a space.
    path.write_text("".join(" ".join(map(str, row)) + " \n" for row in rows))
    return path


def made(root: Path, fold: int | None = None, seed: int = 0, clean: torch.Tensor = CLEAN) -> LabelSet:
    return STL10Fold(fold=fold).apply(clean, context(10, seed, root))


@pytest.mark.parametrize("fold", [0, 9])
def test_the_images_of_a_fold_are_labelled(tmp_path: Path, fold: int) -> None:
    rows = folds()
    write(tmp_path, rows)
    result = made(tmp_path, fold)
    assert result.labelled.nonzero()[:, 0].tolist() == sorted(rows[fold])
    assert torch.equal(result.given[result.labelled], CLEAN[result.labelled])
    assert (result.given[~result.labelled] == -1).all()
    assert result.info["fold"] == fold
    assert (result.info["labelled"], result.info["realised_rate"]) == (1000, 0)


def test_places_count_the_images_that_have_a_label(tmp_path: Path) -> None:
    rows = folds()
    write(tmp_path, rows)
    shifted = torch.cat((torch.full((3,), -1), CLEAN))
    places = made(tmp_path, 4, clean=shifted).labelled.nonzero()[:, 0]
    assert places.tolist() == sorted(rows[4] + 3)


def test_seeds_are_trials(tmp_path: Path) -> None:
    write(tmp_path, folds())
    assert [made(tmp_path, seed=seed).info["fold"] for seed in (0, 1, 9, 10, 23)] == [0, 1, 9, 0, 3]
    assert made(tmp_path, fold=5, seed=1).info["fold"] == 5


def test_the_file_is_a_part_of_what_defines_the_run(tmp_path: Path) -> None:
    labels = STL10Fold()
    assert labels.content(tmp_path, 0) == b""
    path = write(tmp_path, folds())
    assert labels.content(tmp_path, 0) == path.read_bytes()
    assert labels.partial


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        made(tmp_path)
    assert str(caught.value) == (
        f"STL10Fold: stl10_binary/fold_indices.txt is not in {tmp_path}; "
        "it comes in stl10_binary.tar.gz, which lpa3bench data get STL10 fetches"
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("drop", r"it holds \[9, 1000\] places, not 10 lines of 1000"),
        ("narrow", r"it holds \[10, 999\] places"),
        ("large", r"places must lie in 0 … 4999"),
        ("negative", r"places must lie in 0 … 4999"),
        ("twice", r"a place stands twice in a line"),
        ("ragged", r"is damaged \("),
        ("word", r"invalid literal"),
        ("bytes", r"is damaged \("),
        ("empty", r"it holds \[0\] places"),
    ],
)
def test_a_damaged_file_is_named(tmp_path: Path, change: str, message: str) -> None:
    rows = folds()
    edited = {
        "drop": rows[:9],
        "narrow": rows[:, :999],
        "large": np.where(rows == rows.max(), 5000, rows),
        "negative": np.where(rows == 0, -1, rows),
        "twice": np.where(rows == rows[3, 1], rows[3, 2], rows),
    }
    path = write(tmp_path, edited.get(change, rows))
    text = path.read_text()
    path.write_bytes(
        {
            "ragged": text[:-40].encode(),
            "word": text.replace("\n", "x\n", 1).encode(),
            "bytes": b"\xff\xfe" + text.encode(),
            "empty": b"",
        }.get(change, text.encode())
    )
    with pytest.raises(DataError, match=message) as caught:
        made(tmp_path)
    assert str(caught.value).startswith(f"STL10Fold: {path} is damaged (")
    assert "\n" not in str(caught.value)


def test_another_data_set(tmp_path: Path) -> None:
    write(tmp_path, folds())
    with pytest.raises(ValueError, match="STL-10's 5,000 labelled images; here are 6"):
        made(tmp_path, clean=torch.arange(6))


@pytest.mark.parametrize("fold", [-1, 10])
def test_parameters(fold: int) -> None:
    with pytest.raises(ValueError, match=r"^fold: must be from 0 to 9"):
        STL10Fold(fold=fold)
