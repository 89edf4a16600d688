from __future__ import annotations

import gzip
from importlib.machinery import ModuleSpec
from itertools import combinations
from pathlib import Path

import pytest
import torch

from lpa3bench.config import load_config
from lpa3bench.data.splits import data_hash
from lpa3bench.errors import DataError
from lpa3bench.plugin.registry import load_registry
from lpa3bench.runtime.paths import resolve_config
from lpa3bench_plugins.datasets import digits
from lpa3bench_plugins.datasets.digits import Digits


def test_the_split_is_fixed_stratified_and_complete() -> None:
    splits = Digits().load(Path("nowhere"))
    assert {name: len(split.labels) for name, split in splits.items()} == {
        "train": 901,
        "val": 179,
        "test": 717,
    }
    counts = torch.stack([split.labels.bincount(minlength=10) for split in splits.values()])
    shares = counts / counts.sum(0)
    assert (shares - torch.tensor([0.5, 0.1, 0.4])[:, None]).abs().max() < 0.01


def test_its_hash_is_that_of_the_shipped_records() -> None:
    known = "ab2213eee9cbff9d1e361314b3a8da707cf583ffac31d4ca6942062c31e436b2"
    assert data_hash(Digits().load(Path("nowhere"))) == known


def test_no_image_is_in_two_splits() -> None:
    splits = Digits().load(Path("nowhere"))
    images = [image.numpy().tobytes() for split in splits.values() for image in split.images]
    assert len(images) == 1797
    assert len(set(images)) == len(images)  # scikit-learn's digits have no duplicates


def _images_of(split: int) -> dict[str, set[bytes]]:
    splits = Digits(split=split).load(Path("nowhere"))
    return {name: {image.numpy().tobytes() for image in part.images} for name, part in splits.items()}


def test_other_splits_are_stratified_alike_and_test_on_other_images() -> None:
    known = "ab2213eee9cbff9d1e361314b3a8da707cf583ffac31d4ca6942062c31e436b2"
    hashes, tested = {known}, [_images_of(0)["test"]]
    for k in range(1, 4):
        splits = Digits(split=k).load(Path("nowhere"))
        counts = {name: part.labels.bincount(minlength=10).tolist() for name, part in splits.items()}
        stored = Digits().load(Path("nowhere"))
        assert counts == {name: part.labels.bincount(minlength=10).tolist() for name, part in stored.items()}
        hashes.add(data_hash(splits))
        parts = _images_of(k)
        assert len(set().union(*parts.values())) == 1797  # every image is in one of them
        tested.append(parts["test"])
    assert len(hashes) == 4
    shared = [len(one & other) / 717 for one, other in combinations(tested, 2)]
    assert all(abs(share - 0.4) < 0.06 for share in shared)  # as by chance, not the same hands


def test_a_split_is_the_same_everywhere() -> None:
    """Its hash was taken with numpy 2.4 and torch 2.14."""
    known = "6470b60d3434339111b16589ec96444a80775a041d91132b8dcdb7355b081fa0"
    assert data_hash(Digits(split=1).load(Path("nowhere"))) == known


def test_a_split_out_of_range_is_refused() -> None:
    for split in (-1, 2**32):
        with pytest.raises(ValueError, match=r"split: must be in \[0, 4294967296\), not"):
            Digits(split=split)


def test_ink_becomes_bytes() -> None:
    split = Digits().load(Path("nowhere"))["train"]
    assert split.images.dtype == torch.uint8
    assert split.images.shape[1:] == (1, 8, 8)
    assert split.images.unique().tolist() == [round(ink * 255 / 16) for ink in range(17)]
    assert split.images[0, 0, 0].tolist() == [0, 0, 80, 207, 143, 16, 0, 0]  # 0 0 5 13 9 1 0 0, a zero
    assert split.labels[0] == 0


def test_the_spec_agrees_with_the_images() -> None:
    spec = Digits().spec
    pixels = Digits().load(Path("nowhere"))["train"].images.double() / 255
    assert spec.mean == (pytest.approx(float(pixels.mean()), abs=1e-4),)
    assert spec.std == (pytest.approx(float(pixels.std()), abs=1e-4),)
    assert not spec.weak.flip


def test_nothing_to_get(tmp_path: Path) -> None:
    Digits().download(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert Digits().verify(tmp_path / "new") == {"train": 901, "val": 179, "test": 717}
    assert Digits().present(tmp_path / "new").splits == {"train": 901, "val": 179, "test": 717}


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (None, "Digits: scikit-learn is not here with its datasets/data/digits.csv.gz; install"),
        (b"no archive", r"Digits: .*digits.csv.gz is damaged \(Not a gzipped file"),
        (gzip.compress(b"0,1,2\n" * 9, mtime=0), r"Digits: .* is damaged \(it holds \[9, 3\] numbers\)"),
        (gzip.compress(b"0,x\n", mtime=0), "Digits: .* is damaged "),
    ],
)
def test_a_file_that_is_not_what_it_should_be_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes | None, fault: str
) -> None:
    package = ModuleSpec("sklearn", None, is_package=True)
    package.submodule_search_locations = [str(tmp_path)]
    monkeypatch.setattr(digits, "find_spec", lambda name: package)
    if content is not None:
        (tmp_path / "datasets" / "data").mkdir(parents=True)
        (tmp_path / "datasets" / "data" / "digits.csv.gz").write_bytes(content)
    with pytest.raises(DataError, match=fault) as raised:
        Digits().load(Path("nowhere"))
    assert "\n" not in str(raised.value)
    assert Digits().present(Path("nowhere")).problem == (str(raised.value) if content is None else None)


def test_the_first_split_is_that_of_runs_from_before_there_were_others() -> None:
    """Identities of shipped records name no split."""
    files = [resolve_config("digits_supervised")]
    first, other = (
        load_config(files, bindings=[f"Digits.split = {k}"], registry=load_registry()).identity_config
        for k in (0, 1)
    )
    assert first == load_config(files, registry=load_registry()).identity_config
    assert other == {**first, "Digits.split": "1"}
