"""docs/inference.md from its first command to its last: from folders of images to a table of classes."""

from __future__ import annotations

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from lpa3bench.cli import main

PAGE = Path(__file__).parents[2] / "docs" / "inference.md"
BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)
QUICK = (
    "run.epochs=4", "run.backbone=@backbones.SmallNet", "SmallNet.width=8", "Supervised.batch_size=8",
    "Supervised.lr=0.01", "Images.size=8",
)  # fmt: skip
"""So that it takes no minutes; `Images.size` of the page comes before it."""
CLASSES = {"bright": 150, "dark": 0}


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Dark and bright images of several sizes; the new ones lie in folders that tell nothing."""
    generator = np.random.default_rng(0)

    def draw(path: Path, lowest: int) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        height, width = generator.integers(12, 30, 2)
        pixels = generator.integers(lowest, lowest + 100, (height, width, 3), np.uint8)
        Image.fromarray(pixels).save(path)

    for split, count in {"train": 24, "val": 8, "test": 8}.items():
        for name, lowest in CLASSES.items():
            for place in range(count):
                draw(tmp_path / "my_images" / split / name / f"{place}.png", lowest)
    for name, lowest in CLASSES.items():
        for folder in ("monday", "tuesday"):
            draw(tmp_path / "new_images" / folder / f"{name}.png", lowest)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(line: str, folder: Path) -> str:
    """A line of the page, in this process; what it prints."""
    line, _, target = line.partition(" > ")
    words = shlex.split(line)[1:]
    words = [str(found) for word in words for found in (sorted(folder.glob(word)) if "*" in word else [word])]
    if words[0] == "run":
        words += [word for binding in QUICK for word in ("-p", binding)]
    done = CliRunner().invoke(main, [*words], catch_exceptions=False)
    assert done.exit_code == 0, f"{line}\n{done.output}"
    if target:
        (folder / target).write_text(done.stdout)
    return done.stdout


def test_every_command_runs_and_the_classes_are_right(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = BLOCK.findall(PAGE.read_text())
    (commands,) = [text for language, text in blocks if language == "sh"]
    outputs = [call(line, here) for line in commands.splitlines()]
    files = [f"{folder}/{name}.png" for folder in ("monday", "tuesday") for name in CLASSES]
    assert [line.split()[:2] for line in outputs[1].splitlines()[1:]] == [
        [file, Path(file).stem] for file in files
    ]
    table = [*csv.DictReader((here / "table.csv").open())]
    assert [(row["file"], row["class"]) for row in table] == [(file, Path(file).stem) for file in files]
    assert (here / "again.csv").read_text() == (here / "table.csv").read_text()
    assert {path.suffix for path in here.glob("confusion-images-*-s*")} == {".svg", ".png"}

    code, stored = [text for language, text in blocks if language == "python"]
    exec(code, {})  # as it stands there
    said = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert said == [[row["file"], row["class"], f"{float(row['probability']):.3f}"] for row in table]
    (run,) = here.glob("runs/images-*")
    space: dict[str, object] = {}
    exec(stored.replace("predictions.npz", str(run / "predictions.npz")), space)
    held = space["held"]
    assert isinstance(held, np.lib.npyio.NpzFile)
    with held:
        assert held["class_names"].tolist() == [*CLASSES]
        assert held["test/ids"][0] == "test/bright/0.png"
