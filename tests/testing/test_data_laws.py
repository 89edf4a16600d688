"""The conformance kit on data sets and labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from support.law_findings import broken, failed, reasons
from torch import Tensor

from lpa3bench import testing
from lpa3bench.api import LabelContext, Labels, LabelSet, Presence, Split
from lpa3bench.data.pixels import Decoder
from lpa3bench.errors import DataError
from lpa3bench.testing import TinySet


def test_the_kits_own_data_set_and_labels_keep_the_laws(tmp_path: Path) -> None:
    testing.check_dataset(TinySet(), tmp_path)
    testing.check_labels(testing.TinyLabels)
    testing.check_labels(lambda: testing.TinyLabels(partial=True))


@pytest.mark.parametrize(
    ("change", "law"),
    [
        (lambda s: Split(s.images.float(), s.labels), "shapes"),
        (lambda s: Split(s.images[:, :1], s.labels), "shapes"),
        (lambda s: Split(s.images, s.labels - 1), "labels"),
        (lambda s: Split(s.images, s.labels + 1), "labels"),
        (lambda s: Split(torch.randint(0, 255, s.images.shape).byte(), s.labels), "no global RNG"),
        (lambda s: Split(s.images, s.labels.int()), "labels"),
        (lambda s: s._replace(ids=("one",)), "ids"),
        (lambda s: s._replace(ids=("same",) * len(s.labels)), "ids"),
    ],
)
def test_a_data_set_with_a_fault(change: Any, law: str, tmp_path: Path) -> None:
    class Faulty(TinySet):
        def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
            return {name: change(split) for name, split in super().load(root).items()}

    assert broken(testing.try_dataset(Faulty, tmp_path)) == {law}


def test_a_data_set_that_makes_new_images_unlike_its_own(tmp_path: Path) -> None:
    class Larger(TinySet):
        @property
        def decoder(self) -> Decoder:
            return Decoder(size=self.spec.size + 1, channels=self.spec.channels)

    assert broken(testing.try_dataset(Larger, tmp_path)) == {"spec"}


def test_a_data_set_without_a_test_split(tmp_path: Path) -> None:
    class Half(TinySet):
        def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
            return {"train": super().load(root)["train"]}

    assert reasons(testing.try_dataset(Half, tmp_path)) == "there is no split 'test'"


@pytest.mark.parametrize(
    "said", [Presence(problem="not here"), Presence(splits={"train": 1, "test": 2})], ids=["absent", "counts"]
)
def test_a_data_set_whose_presence_is_not_what_is_read(said: Presence, tmp_path: Path) -> None:
    class Wrong(TinySet):
        def present(self, root: Path) -> Presence:
            return said

    assert broken(testing.try_dataset(Wrong, tmp_path)) == {"present"}


def test_a_data_set_that_gives_other_images_with_a_cache(tmp_path: Path) -> None:
    class Rounded(TinySet):
        def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
            splits = super().load(root)
            return (
                splits if cache is None else {n: s._replace(images=s.images // 2) for n, s in splits.items()}
            )

    assert "same again" in broken(testing.try_dataset(Rounded, tmp_path))


def test_a_data_set_that_is_not_there_is_a_data_error(tmp_path: Path) -> None:
    class Absent(TinySet):
        def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
            raise DataError("its files are missing")

    assert any(finding.data_missing for finding in testing.try_dataset(Absent, tmp_path))
    with pytest.raises(DataError):
        testing.check_dataset(Absent(), tmp_path)


class In(Labels):
    """Labels made by a function of (clean, num_classes, draws)."""

    def __init__(self, given: Any) -> None:
        self.given = given

    def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
        labels = self.given(clean, ctx.num_classes, ctx.draws)
        return LabelSet(labels, clean >= 0, {})


@pytest.mark.parametrize(
    ("given", "law"),
    [
        (lambda clean, k, draws: clean.add_(1).remainder_(k), "input untouched"),
        (lambda clean, k, draws: clean + 1, "range"),
        (lambda clean, k, draws: clean.float(), "shapes"),
        (lambda clean, k, draws: clean[:3], "shapes"),
        (lambda clean, k, draws: torch.randint(0, k, clean.shape), "no global RNG"),
        (lambda clean, k, draws: (draws.permutation(len(clean)), clean.clone())[1], "seeds matter"),
    ],
)
def test_labels_with_a_fault(given: Any, law: str) -> None:
    assert broken(testing.try_labels(lambda: In(given))) == {law}


def test_labels_that_make_one_up() -> None:
    class Everyone(Labels):
        def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
            return LabelSet(clean.clone(), torch.ones_like(clean, dtype=torch.bool), {})

    found = testing.try_labels(Everyone)
    assert broken(found) == {"unlabelled images"}


class Writing(TinySet):
    """Makes a file once, or changes or removes one."""

    how = "make"

    def load(self, root: Path, *, cache: Path | None = None) -> dict[str, Split]:
        target = root / "deep" / ("made.bin" if self.how == "make" else "held.bin")
        if self.how == "remove":
            target.unlink(missing_ok=True)
        elif not target.exists() or self.how == "change":
            target.write_bytes(b"12345")
        return super().load(root)


@pytest.mark.parametrize(("how", "name"), [("make", "made"), ("change", "held"), ("remove", "held")])
def test_a_data_set_that_writes_into_the_data_folder(how: str, name: str, tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "held.bin").write_bytes(b"1234")
    kind = type("Kind", (Writing,), {"how": how})
    found = failed(testing.try_dataset(kind, tmp_path))
    assert found == {"folder untouched": f"writes into the data folder: {Path('deep', name)}.bin"}


def test_a_data_folder_that_is_not_there(tmp_path: Path) -> None:
    assert failed(testing.try_dataset(TinySet, tmp_path / "absent")) == {}


@pytest.mark.parametrize("info", [{"noise": torch.tensor(0.4)}, {"rate": float("nan")}, ["rate"]])
def test_info_that_no_record_can_hold(info: Any) -> None:
    class Odd(testing.TinyLabels):
        def apply(self, clean: Tensor, ctx: LabelContext) -> LabelSet:
            return LabelSet(clean.clone(), clean >= 0, info)

    assert failed(testing.try_labels(Odd)).keys() == {"info"}
