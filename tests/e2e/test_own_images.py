"""Somebody's own images, from a folder of files to a record, through the real command."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from support.console import Cli

BINDINGS = (
    "Images.size=8",
    "run.epochs=1",
    "run.backbone=@backbones.SmallNet",
    "SmallNet.width=8",
    "Supervised.batch_size=8",
)
OTHERWISE = (
    'Images.fit="pad"',
    "run.labels=@labels.FromFile()",
    'FromFile.path="labels.csv"',
    'Supervised.class_weights="balanced"',
)


@pytest.fixture
def here(tmp_path: Path) -> Path:
    """A folder with a folder of images in it: dark and bright ones, a dozen of each to train on."""
    generator = np.random.default_rng(0)
    for split, count in (("train", 12), ("test", 4)):
        for name, lowest in (("bright", 150), ("dark", 0)):
            folder = tmp_path / "my images" / split / name
            folder.mkdir(parents=True)
            for place in range(count):
                pixels = generator.integers(lowest, lowest + 100, (16, 20, 3), np.uint8)
                Image.fromarray(pixels).save(folder / f"{place}.png")
    return tmp_path


def listing(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_mtime_ns, p.stat().st_size) for p in [folder, *folder.rglob("*")]}


def arguments(*more: str) -> list[str]:
    bindings = ('Images.path="my images"', *BINDINGS, *more)
    options = [word for binding in bindings for word in ("-p", binding)]
    return ["run", "images_supervised", *options, "--device", "cpu"]


def test_a_folder_of_images_is_trained_on(here: Path, cli: Cli) -> None:
    (here / "my images/test/dark/@eaDir").mkdir()
    names = [f"{name}/{place}.png" for name in ("dark", "bright") for place in range(12)]
    rows = [f"{name};{int(name > 'c' and name != 'dark/3.png')}\n" for name in names]
    (here / "labels.csv").write_text("file;label\n" + "".join(rows))
    before = listing(here / "my images")
    done = cli(*arguments(*OTHERWISE), "--json", cwd=here)
    assert done.returncode == 0, done.stderr
    assert done.stderr.splitlines()[:3] == [
        "data: Images: train 24 (bright 12, dark 12), test 8 (bright 4, dark 4)",
        "data: Images: passed over: 1 @eaDir",
        "data: FromFile: labels.csv, joined by its column 'file'; 23 of 24 labels (95.8 %) agree with the "
        "data set's own",
    ]
    record = json.loads(done.stdout)
    assert record["data"] == {
        "images": {"train": [12, 12], "test": [4, 4]},
        "duplicates": {"test in train": 0},
        "found": {"passed over": {"@eaDir": 1}},
    }
    assert record["status"] == "ok"
    assert record["cell"]["dataset"] == "Images"
    assert record["labels"]["training_images"] == 24
    assert record["labels"]["confusion"] == [[12, 0], [1, 11]]
    assert len(record["curve"]) == 1
    assert listing(here / "my images") == before
    assert sorted(path.name for path in here.iterdir()) == ["labels.csv", "my images", "runs"]
    cached = sorted((here / "runs" / ".cache").iterdir())
    assert [path.suffix for path in cached] == [".json", ".npy", ".lock"]

    again = cli(*arguments(*OTHERWISE), cwd=here)
    assert again.returncode == 0
    assert "this run is finished" in again.stderr
    assert cached == sorted((here / "runs" / ".cache").iterdir())


def test_an_image_that_cannot_be_read_stops_the_run_before_it_begins(here: Path, cli: Cli) -> None:
    path = here / "my images" / "test" / "dark" / "2.png"
    path.write_bytes(path.read_bytes()[:300])
    before = listing(here / "my images")
    done = cli(*arguments(), cwd=here)
    assert done.returncode == 4
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: Images: my images/test/dark/2.png cannot be read (")
    assert line.endswith("); mend it or remove it")
    assert listing(here / "my images") == before
    assert [path.name for path in (here / "runs").iterdir()] == [".cache"]


def test_without_the_folder_a_config_can_be_checked_and_rehearsed_but_not_run(
    tmp_path: Path, cli: Cli
) -> None:
    done = cli("check", "images_supervised", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert cli(*arguments(), "--dry-run", cwd=tmp_path).returncode == 0
    done = cli(*arguments(), cwd=tmp_path)
    assert done.returncode == 4
    (line,) = done.stderr.splitlines()
    assert line == (
        f"error: Images.path: there is no folder or .npz file {tmp_path / 'my images'}; bind your own, "
        "as by -p 'Images.path=\"my_folder\"'"
    )
    assert list(tmp_path.iterdir()) == []
