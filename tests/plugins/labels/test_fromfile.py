from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from support.label_contexts import context

from lpa3bench.api import LabelSet
from lpa3bench.errors import DataError
from lpa3bench_plugins.labels.fromfile import FromFile

CLEAN = torch.tensor([0, 1, 2, 2, 1, 0])
OWN = [0, 2, 2, -1, 1, -1]


def read(path: Path, key: str | None = None) -> LabelSet:
    return FromFile(path=str(path), key=key).apply(CLEAN, context(3))


def write(folder: Path, name: str) -> Path:
    path = folder / name
    if path.suffix == ".npy":
        np.save(path, np.array(OWN, dtype=np.int8))
    elif path.suffix == ".npz":
        np.savez(path, worse=np.array(OWN))
    elif name == "headed.csv":
        path.write_text("image,worse\n" + "".join(f"{i}.png,{y}\n" for i, y in enumerate(OWN)))
    else:
        path.write_text("\n".join(map(str, OWN)) + "\n")
    return path


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("a.npy", None),
        ("a.npz", None),
        ("a.npz", "worse"),
        ("a.csv", None),
        ("headed.csv", "worse"),
        ("a.txt", None),
    ],
)
def test_every_format_reads_alike(tmp_path: Path, name: str, key: str | None) -> None:
    made = read(write(tmp_path, name), key)
    assert made.notes == (
        f"FromFile: {name}, in the order of the images; 3 of 4 labels (75.0 %) agree with the data set's own",
    )
    assert made.given.tolist() == OWN
    assert made.labelled.tolist() == [True, True, True, False, True, False]
    assert made.info["confusion"] == [[1, 0, 0], [0, 1, 1], [0, 0, 1]]
    assert made.info["realised_rate"] == 0.25
    assert made.info["nominal_rate"] is None
    assert made.info["file"] == name


@pytest.mark.parametrize(("name", "text"), [("b.txt", "0 1 2 2 1 0"), ("b.csv", "0\n1\n2\n2\n1\n0\n")])
def test_a_byte_order_mark_is_read_over(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8-sig")
    assert read(tmp_path / name).given.tolist() == [0, 1, 2, 2, 1, 0]


def test_unsigned_bytes_are_classes(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", CLEAN.numpy().astype(np.uint8))
    assert read(tmp_path / "a.npy").info["realised_rate"] == 0


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", "0 1 2", r"holds \[3\] labels, the training set 6 images"),
        ("a.txt", "0 1 2 3 1 0", r"label 3 \(counted from 0\) is 3; labels are 0 … 2, or -1 for none"),
        ("a.txt", "0 1 -2 2 1 0", r"label 2 .* is -2"),
        ("a.txt", "0 1 2 2 0.5 0", r"label 4 .* is 0.5"),
        ("a.txt", "0 1 2 2 nan 0", r"label 4 .* is nan"),
        ("a.txt", "0 1 2 two 1 0", r"label 'two' is no number"),
        ("a.csv", "0,1\n2,2\n1,0\n", r"several columns need a header"),
        ("a.csv", "good,bad\n0,1\n", r"FromFile.key must be one of good, bad; it is None"),
        ("a.csv", "", r"holds \[0\] labels"),
        ("a.npy", "no array", r"a\.npy: "),
        ("a.npz", "no archive", r"a\.npz: "),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_is_wrong_is_said(tmp_path: Path, name: str, content: str, message: str) -> None:
    path = tmp_path / name
    path.write_text(content)
    with pytest.raises(DataError, match=message) as caught:
        read(path)
    assert str(caught.value).startswith("FromFile.path: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "what"),
    [
        (np.array([0, 1, 2, 2, 1, 0j]), "complex128"),
        (np.array(["0", "1", "2", "2", "1", "0"]), "<U1"),
        (np.array([0, 1, 2, 2, 1, 0], "M8[s]"), r"datetime64\[s\]"),
        (np.zeros(6, [("a", "i4")]), ""),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_what_is_no_number_is_no_label(tmp_path: Path, values: Any, what: str, packed: bool) -> None:
    path = tmp_path / ("a.npz" if packed else "a.npy")
    if packed:
        np.savez(path, values)
    else:
        np.save(path, values)
    with pytest.raises(DataError, match=rf"^FromFile\.path: {path}: it holds .*{what}.* \[6\], not a number"):
        read(path)


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.csv", "a.txt"])
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(DataError, match=rf"{name}: it is no file"):
        read(tmp_path / name)
    assert FromFile(path=str(tmp_path / name)).content(tmp_path, 0) == b""


def test_a_data_set_without_labels_has_none_to_compare_with(tmp_path: Path) -> None:
    path = write(tmp_path, "a.npy")
    made = FromFile(path=str(path)).apply(torch.full((6,), -1), context(3))
    assert made.notes == (
        "FromFile: a.npy, in the order of the images; the data set has no labels to compare with",
    )


def test_pickled_objects_are_not_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([0, 1, 2, 2, 1, 0], dtype=object), allow_pickle=True)
    with pytest.raises(DataError, match="holds Python objects"):
        read(tmp_path / "a.npy")


def test_a_key_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"FromFile\.key must be one of worse; it is 'aggre'"):
        read(write(tmp_path, "a.npz"), "aggre")
    with pytest.raises(DataError, match="no header"):
        read(write(tmp_path, "a.csv"), "aggre")


def test_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=f"there is no file {tmp_path}/a.npy"):
        read(tmp_path / "a.npy")


def test_parameters() -> None:
    with pytest.raises(
        ValueError, match=r"^path: must end in \.npy, \.npz, \.txt, \.csv, \.tsv; not 'labels\.pt'"
    ):
        FromFile(path="labels.pt")
    with pytest.raises(ValueError, match=r"^key: "):
        FromFile(path="labels.npy", key="worse")
