"""Tables of labels: what lies between the columns, and which row is of which image."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from support.label_contexts import context

from lpa3bench.api import LabelSet
from lpa3bench.errors import DataError
from lpa3bench_plugins.labels.fromfile import FromFile

CLEAN = torch.tensor([0, 0, 0, 1, 1, 1])
OWN = [0, 1, -1, 1, 1, 0]
IDS = tuple(f"train/{name}/{i}.png" for name in ("ant", "bee") for i in range(3))
SHUFFLED = (4, 0, 5, 2, 1, 3)


def read(path: Path, text: str, key: str | None = None, ids: Sequence[str] | None = IDS) -> LabelSet:
    path.write_text(text)
    return FromFile(path=str(path), key=key).apply(CLEAN, replace(context(2), ids=ids and tuple(ids)))


def table(
    name: Callable[[str], str] = str, order: Sequence[int] = SHUFFLED, header: str = "file,label"
) -> str:
    rows = [f"{name(IDS[place])},{OWN[place]}" for place in order]
    return "\n".join([header, *rows] if header else rows) + "\n"


# ------------------------------------------------------------------------------------------------ by name
NAMES: dict[str, Callable[[str], str]] = {
    "paths in the data set": str,
    "with the class": lambda name: name.removeprefix("train/"),
    "whole paths": lambda name: f"/home/me/images/{name}",
    "Windows": lambda name: name.replace("/", "\\"),
    "from here": lambda name: f"./{name}",
    "without an ending": lambda name: name.removesuffix(".png"),
    "spaces": lambda name: f" {name} ",
}


@pytest.mark.parametrize("kind", NAMES)
@pytest.mark.parametrize("header", ["file,label", ""])
def test_each_row_goes_to_the_image_that_it_names(tmp_path: Path, kind: str, header: str) -> None:
    made = read(tmp_path / "a.csv", table(NAMES[kind], header=header))
    assert made.given.tolist() == OWN
    column = "column 'file'" if header else "column 1"
    assert made.info["joined_by"] == column
    assert made.notes == (
        f"FromFile: a.csv, joined by its {column}; 3 of 5 labels (60.0 %) agree with the data set's own",
    )


# ------------------------------------------------------------------------------------- classes by their names
@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "file,label\n" + "".join(f"{IDS[i]},{('red ant', 'bee', -1)[OWN[i]]}\n" for i in SHUFFLED)),
        ("a.csv", "label\nred ant\n1\n-1\nbee\nbee\n0\n"),
        ("a.csv", "red ant\n1\n-1\nbee\nbee\n0\n"),
        ("a.txt", "0 bee -1 bee bee 0"),
    ],
)
def test_classes_may_stand_by_their_names(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text)
    named = replace(context(2), ids=IDS, class_names=("red ant", "bee"))
    assert FromFile(path=str(tmp_path / name)).apply(CLEAN, named).given.tolist() == OWN


def test_a_number_is_a_number_whatever_classes_are_called(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("0\n1\n-1\n1\n1\n0\n")
    named = replace(context(2), class_names=("1", "2"))
    assert FromFile(path=str(tmp_path / "a.csv")).apply(CLEAN, named).given.tolist() == OWN


def test_a_name_that_no_class_has(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("label\nant\nwasp\n")
    message = r"a\.csv: label 'wasp' is neither a number nor a class \(ant, bee\)$"
    with pytest.raises(DataError, match=message):
        FromFile(path=str(tmp_path / "a.csv")).apply(CLEAN, replace(context(2), class_names=("ant", "bee")))


def test_without_names_rows_are_in_the_order_of_the_images(tmp_path: Path) -> None:
    expected = [OWN[place] for place in SHUFFLED]
    unnamed = read(tmp_path / "a.csv", table(), key="label", ids=None)
    assert unnamed.given.tolist() == expected, "the images have no names"
    assert "joined_by" not in unnamed.info
    strange = read(tmp_path / "a.csv", table(lambda name: f"somebody {name[-5]}"), key="label")
    assert strange.given.tolist() == expected, "the column names something else"
    alone = read(tmp_path / "a.csv", "".join(f"{OWN[place]}\n" for place in SHUFFLED))
    assert alone.given.tolist() == expected


def test_numbers_are_no_names(tmp_path: Path) -> None:
    """Though images be called 0.png and 1.png."""
    ids = [f"train/ant/{place}.png" for place in range(6)]
    made = read(tmp_path / "a.csv", "0\n1\n0\n1\n1\n0\n", ids=ids)
    assert (made.given.tolist(), "joined_by" in made.info) == ([0, 1, 0, 1, 1, 0], False)


def test_rows_of_other_images_are_passed_over(tmp_path: Path) -> None:
    text = table() + "test/ant/0.png,77\ntest/bee/1.png,none\n"
    assert read(tmp_path / "a.csv", text).given.tolist() == OWN


def test_the_column_of_the_labels_may_be_any(tmp_path: Path) -> None:
    rows = [f"{1 - abs(OWN[place])},{IDS[place]},{OWN[place]}" for place in SHUFFLED]
    text = "\n".join(["other,where,label", *rows])
    assert read(tmp_path / "a.csv", text, key="label").given.tolist() == OWN
    with pytest.raises(DataError, match=r"FromFile\.key must be one of other, label; it is None"):
        read(tmp_path / "a.csv", text)


def test_names_that_do_not_tell_images_apart_are_enough_in_order(tmp_path: Path) -> None:
    in_order = table(lambda name: name[-5:], order=range(6))
    assert read(tmp_path / "a.csv", in_order).given.tolist() == OWN
    with pytest.raises(
        DataError, match=r"column 'file' does not tell train/ant/0\.png from train/bee/0\.png"
    ):
        read(tmp_path / "a.csv", table(lambda name: name[-5:]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            table(order=(4, 0, 5)),
            r"column 'file' names images, but not train/ant/1\.png and 2 more; an image ",
        ),
        (
            table(order=(4, 0, 5, 2, 1)),
            r"names images, but not train/bee/0\.png; an image without a label has -1",
        ),
        (table(order=(*SHUFFLED, 4)), r"column 'file' names train/bee/1\.png more than once"),
        ("file\n" + "\n".join(IDS), r"it names images and has no labels"),
        ("file,label\n" + "\n".join(IDS), r"not every row has that column"),
        (table(header="").replace(",", ",0,"), r"several columns need a header"),
    ],
)
def test_names_that_do_not_fit(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        read(tmp_path / "a.csv", text)
    assert str(caught.value).startswith(f"FromFile.path: {tmp_path}/a.csv: ")


# -------------------------------------------------------------------------------------------- delimiters
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("ending", ["csv", "tsv"])
def test_what_lies_between_columns_is_found_out(tmp_path: Path, delimiter: str, ending: str) -> None:
    path = tmp_path / f"a.{ending}"
    assert read(path, table().replace(",", delimiter)).given.tolist() == OWN
    quoted = table(lambda name: f'"{name}"').replace(",", delimiter)
    assert read(path, quoted).given.tolist() == OWN


def test_a_comma_inside_a_name_is_no_delimiter(tmp_path: Path) -> None:
    ids = [name.replace("ant", "ant, red") for name in IDS]
    rows = "".join(f"{ids[place]};{OWN[place]}\n" for place in SHUFFLED)
    assert read(tmp_path / "a.csv", "file;label\n" + rows, ids=ids).given.tolist() == OWN


def test_many_rows_take_no_time(tmp_path: Path) -> None:
    ids = [f"train/a/{place:06}.png" for place in range(20_000)]
    rows = "".join(f"{name},{place % 2}\n" for place, name in enumerate(ids[::-1]))
    path = tmp_path / "a.csv"
    path.write_text("file,label\n" + rows)
    made = FromFile(path=str(path)).apply(
        torch.zeros(len(ids), dtype=torch.int64), replace(context(2), ids=(*ids,))
    )
    assert np.array_equal(made.given.numpy(), (np.arange(20_000)[::-1]) % 2)
