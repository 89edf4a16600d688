"""Pictures of augmentations: each is made once, and none is worth a publication."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from support.wandb_runs import made_run

from lpa3bench.cli import main
from lpa3bench.errors import DataError
from lpa3bench.publish import run_images as images
from lpa3bench.publish.run_images import caption_of, make_images
from lpa3bench.publish.target import Deadline

CONFIG = """\
run.task = @tasks.FixMatch()
run.dataset = @datasets.Synthetic()
run.backbone = @backbones.SmallNet
run.labels = @labels.FewLabels()
FewLabels.count = 20
run.strong = @augmenters.Cutout()
run.positives = @augmenters.Cutout()
run.epochs = 1
FixMatch.batch_size = 8
FixMatch.steps_per_epoch = 2
Synthetic.size = 8
Synthetic.train = 64
Synthetic.val = 16
Synthetic.test = 16
SmallNet.width = 4
"""


def test_what_is_missing_is_drawn(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("test.gin").write_text(CONFIG)
    trained = CliRunner().invoke(main, ["run", "test.gin", "--device", "cpu", "--data", ".", "--json"])
    assert trained.exit_code == 0, trained.output
    run = Path(json.loads(trained.stdout)["folder"])
    (run / "images").mkdir()
    (run / "images" / "positives.png").write_bytes(b"there already")
    told: list[str] = []
    make_images(run, data=tmp_path, deadline=Deadline(100), tell=told.append)
    assert told == []
    assert {path.name for path in (run / "images").iterdir()} == {"positives.png", "strong.png"}
    assert (run / "images" / "positives.png").read_bytes() == b"there already"
    with Image.open(run / "images" / "strong.png") as picture:
        assert picture.size == (8 * 64, 3 * 64), "eight images, their views and the difference below"
    caption = caption_of(run / "images" / "strong.png")
    assert caption is not None
    assert caption.startswith("Cutout (strong): test images, their views, and view − image")
    with pytest.raises(DataError, match=r"positives\.png: is no picture"):
        caption_of(run / "images" / "positives.png")


def test_the_difference_is_stretched_around_grey() -> None:
    pairs = np.full((2, 2, 64, 64, 1), 100, dtype=np.uint8)
    pairs[0, 1, :32] += 20  # of the first view the upper half
    pairs[1, 1] -= 10
    sheet, largest = images._sheet(pairs)
    drawn = np.asarray(sheet)
    assert largest == 20
    assert (drawn[:64] == 100).all()
    assert (drawn[64:96, :64] == 120).all()
    difference = [drawn[128, 0], drawn[191, 0], drawn[191, 127]]
    assert difference == [255, 128, 1], "the most of each image is white or black, and none is grey"


def test_pictures_have_their_time(tmp_path: Path) -> None:
    folder = made_run(tmp_path)
    (folder / "images" / "positives.png").unlink()
    told: list[str] = []
    make_images(folder, data=tmp_path, deadline=Deadline(0.2), tell=told.append)
    assert told == ["no images of augmentations: they were not made within 0.2 seconds"]


def test_a_library_that_fails_is_told_of_in_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def draw(*_: Any, **__: Any) -> None:
        raise ValueError("cannot write\nmode F as PNG")

    monkeypatch.setattr(images, "_draw", draw)
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps({"run": "r", "data": None, "plugins": []})))
    with pytest.raises(SystemExit) as ended:
        images.main()
    assert ended.value.code == "error: ValueError: cannot write mode F as PNG"
