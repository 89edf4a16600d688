"""What `Images` keeps beside the runs: decoded once, made anew where something has changed or is damaged."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.pictures import draw, listing, made_folder

from lpa3bench import testing
from lpa3bench.errors import DataError, RunFailed
from lpa3bench_plugins.datasets import decoding
from lpa3bench_plugins.datasets.images import Images


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return made_folder(tmp_path)


@pytest.fixture
def load(folder: Path, tmp_path: Path) -> Callable[..., dict[str, torch.Tensor]]:
    """Load with a cache; the images by split."""

    def load(**more: Any) -> dict[str, torch.Tensor]:
        dataset = Images(**{"path": str(folder), "size": 12} | more)
        before = listing(folder)
        splits = dataset.load(tmp_path / "data", cache=tmp_path / "runs" / ".cache")
        assert listing(folder) == before, "the user's folder is left as it is"
        plain = Images(**{"path": str(folder), "size": 12} | more)
        for name, split in plain.load(tmp_path / "data").items():
            testing.assert_same(split._asdict(), splits[name]._asdict(), name)
        assert plain.spec == dataset.spec
        return {name: split.images for name, split in splits.items()}

    return load


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Grows by the number of images whenever some are decoded for a cache."""
    calls: list[int] = []
    real = decoding.in_cache

    def in_cache(*given: Any, **more: Any) -> Any:
        *before, chunks, shape, train = given

        def counted(kinds: Any) -> Any:
            calls.append(shape[0])
            return chunks(kinds)

        return real(*before, counted, shape, train, **more)

    monkeypatch.setattr(decoding, "in_cache", in_cache)
    return calls


def cached(tmp_path: Path) -> list[str]:
    return sorted(path.suffix for path in (tmp_path / "runs" / ".cache").iterdir())


def test_images_are_decoded_once(load: Any, decoded: list[int], tmp_path: Path) -> None:
    load()
    load()
    assert decoded == [18]
    assert cached(tmp_path) == [".json", ".lock", ".npy"]


def test_what_is_written_to_the_tensor_stays_there(load: Any, decoded: list[int]) -> None:
    load()["train"].zero_()
    assert load()["train"].max() > 0
    assert decoded == [18]


def test_an_image_that_has_changed(load: Any, decoded: list[int], folder: Path, tmp_path: Path) -> None:
    before = load()["train"][0].clone()
    draw(folder / "train" / "ant" / "0.png", 200)
    assert not torch.equal(load()["train"][0], before)
    os.utime(folder / "test" / "cat" / "1.png", ns=(1, 1))
    load()
    (folder / "test" / "cat" / "1.png").rename(folder / "test" / "cat" / "2.png")
    load()
    draw(folder / "test" / "cat" / "3.png", 200)
    load()
    load()
    assert decoded == [18, 18, 18, 18, 19]
    assert cached(tmp_path) == [".json", ".lock", ".npy"], "what is out of date is replaced"


def test_other_parameters_are_kept_beside(load: Any, decoded: list[int], tmp_path: Path) -> None:
    for more in ({}, {"size": 8}, {"channels": 1}):
        load(**more)
        load(**more)
    load(mean=(0.1, 0.2, 0.3))
    assert decoded == [18] * 3
    assert cached(tmp_path) == [".json"] * 3 + [".lock"] + [".npy"] * 3


@pytest.mark.parametrize("suffix", [".npy", ".json"])
@pytest.mark.parametrize("damage", ["torn", "bit", "last bit", "empty", "gone", "text", "unclosed"])
def test_a_damaged_cache_is_made_anew(
    load: Any, decoded: list[int], tmp_path: Path, suffix: str, damage: str
) -> None:
    load()
    (path,) = (tmp_path / "runs" / ".cache").glob(f"*{suffix}")
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "torn": whole[:middle],
            "bit": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "last bit": whole[:-3] + bytes([whole[-3] ^ 1]) + whole[-2:],  # of the .json: a digit
            "text": b'"no such thing"',
            "unclosed": whole.replace(b")", b" ", 1).replace(b"]", b" ", 1),  # of the shape, of the means
        }.get(damage, b"")
    )
    if damage == "gone":
        path.unlink()
    load()
    load()
    assert decoded == [18, 18]


def test_an_unreadable_image_leaves_nothing_half_done(load: Any, folder: Path, tmp_path: Path) -> None:
    path = folder / "test" / "cat" / "1.png"
    whole = path.read_bytes()
    path.write_bytes(whole[:100])
    with pytest.raises(DataError, match=r"test/cat/1\.png cannot be read"):
        load()
    assert cached(tmp_path) == [".lock"]
    path.write_bytes(whole)
    load()
    assert cached(tmp_path) == [".json", ".lock", ".npy"]


def test_a_cache_that_cannot_be_written(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    dataset = Images(path=str(folder), size=8)
    with pytest.raises(RunFailed, match=r"\.cache: cannot be written to \(Not a directory\)"):
        dataset.load(tmp_path, cache=tmp_path / "runs" / ".cache")


def test_a_full_disk_is_one_line(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*given: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np.lib.format, "write_array_header_2_0", full)
    dataset = Images(path=str(folder), size=8)
    cache = tmp_path / "cache"
    with pytest.raises(RunFailed, match=r"\.npy: could not be written \(.*No space left"):
        dataset.load(tmp_path, cache=cache)
    assert [path.name for path in cache.iterdir()] == ["images.lock"]
