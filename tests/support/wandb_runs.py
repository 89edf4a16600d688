"""Run directories made up in a test, and what the SDK's offline files hold."""

from __future__ import annotations

import json
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec

from lpa3bench.publish.from_board import PUBLISHED_FILES
from lpa3bench.publish.run_images import CAPTION
from lpa3bench.records.record_files import record_text
from lpa3bench.report.board_files import BOARD_FILES
from lpa3bench.training.identity import identity_as_json
from support.small_boards import LPA3, TOML, board_of, claim
from support.small_records import bits, small_record

OPERATIVE = """\
backbones.SmallNet.width = 8
positives/augmenters.LPA3.margin = 0.02
positives/augmenters.LPA3.select = 'batch'
positives/augmenters.LPA3.step_size = None
run.backbone = @backbones.SmallNet
run.dataset = @datasets.Digits()
run.epochs = 3
run.labels = None
run.positives = @positives/augmenters.LPA3()
run.strong = None
run.task = @tasks.Supervised()
run.view = None
tasks.Supervised.milestones = (0.5, 0.75)
"""
CELL = "digits-supervised-lpa3"
SEED = 3


def made_run(out: Path, *, finished: bool = True) -> Path:
    """A run directory as the runner leaves it, but for its weights; with one picture."""
    record = small_record(
        [True] * 9 + [False],
        earlier=(0.5, 0.7),
        seed=SEED,
        slots=LPA3,
        name=CELL,
    )
    identity = msgspec.to_builtins(record.data.identity)
    folder = out / str(record)
    folder.mkdir(parents=True)
    (folder / "env.json").write_text(
        json.dumps({"identity": identity_as_json(identity), "seed": SEED, "provenance": {}})
    )
    (folder / "operative.gin").write_text(OPERATIVE)
    (folder / "config.gin").write_text("# as given\n")
    rows = [{key: value for key, value in row.items() if key != "seconds"} for row in record.curve]
    lines = [json.dumps(row) + "\n" for row in rows]
    (folder / "metrics.jsonl").write_text("".join(lines if finished else [*lines[:2], '{"epoch": 2, "te']))
    if finished:
        (folder / "result.json").write_text(record_text(record.data))
        draw(folder / "images" / "positives.png")
    return folder


def draw(path: Path, caption: str = "as it was drawn") -> None:
    """A small picture, and what it says of itself."""
    from PIL import Image
    from PIL.PngImagePlugin import PngInfo

    path.parent.mkdir(exist_ok=True)
    told = PngInfo()
    told.add_text(CAPTION, caption)
    Image.new("RGB", (4, 4), (200, 30, 30)).save(path, pnginfo=told)


def predict(folder: Path, right: Sequence[bool] = (*[True] * 9, False)) -> None:
    """Predictions of ten images of two classes in turn; those of a made-up run, unless told otherwise."""
    import torch

    from lpa3bench.training.predictions import Predictions, StoredPredictions, write_predictions

    labels = torch.arange(len(right)) % 2
    probs = torch.nn.functional.one_hot(torch.where(torch.tensor(right), labels, 1 - labels), 2).float()
    write_predictions(folder / "predictions.npz", StoredPredictions({"test": Predictions(probs, labels)}, {}))


def made_board(folder: Path) -> Path:
    """The folder of a board that was built: LP-A3 is better than no augmenter, Cutout is claimed alone."""
    runs = [
        small_record(bits(right), seed=seed, slots=slots, identity=f"{right}")
        for right, slots in ((5, {}), (8, LPA3))
        for seed in range(8)
    ]
    row = '[[rows]]\nkey = "cutout"\nname = "Cutout"\nmatch = { "slots.positives" = "Cutout" }\n'
    board = board_of(*runs, text=TOML + row, published={("cutout", "digits"): claim("94.34 ± 0.18")})
    folder.mkdir()
    for name in PUBLISHED_FILES:
        (folder / name).write_text(BOARD_FILES[name](board))
    return folder


def offline_records(folder: Path) -> Iterator[Any]:
    """The protobuf records in the file of an offline run.

    A header of seven bytes, then LevelDB's log format: blocks of 32 KiB, in which each piece has a checksum,
    a length and a type (whole, first, middle, last).
    """
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = folder.glob("run-*.wandb")
    data, place, pieces = path.read_bytes(), 7, b""
    while place < len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack("<IHB", data[place : place + 7])
        piece = data[place + 7 : place + 7 + length]
        place += 7 + length
        pieces = piece if kind in (1, 2) else pieces + piece
        if kind in (1, 4):
            record = Record()
            record.ParseFromString(pieces)
            yield record


def items(records: Any) -> dict[str, Any]:
    """The key-value items of a history, summary or config record, by key."""
    return {item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in records}
